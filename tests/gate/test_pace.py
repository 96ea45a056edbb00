"""What the gate refuses because it could not judge it in time."""

from gate_bench import Bench, verdicts
from gate_world import LIMITS

from edge.core.clock import ns
from edge.core.messages import By, Level, Refusal, Trigger, VerdictMessage
from edge.gate import events as ev
from edge.gate.pace import LANES, Pace


def pace_of(work_ms: float, alone_ms: float, waited_ms: float = 0.0) -> Pace:
    pace = Pace()
    stages_ms = {"grab": 1.0, "wait": waited_ms, "predict": work_ms * LANES}
    pace.learn(ns(alone_ms + waited_ms), stages_ms)
    return pace


def dues(*in_ms: float) -> list[int]:
    return [ns(one) for one in in_ms]


def test_box_that_knows_nothing_yet_takes_every_part() -> None:
    assert Pace().fits(ns(1), dues(1, 1, 1), now_ns=0)


def test_part_is_taken_while_those_before_it_leave_it_time() -> None:
    pace = pace_of(work_ms=20, alone_ms=30)
    assert pace.fits(ns(90), dues(70, 70, 80), now_ns=0)  # 30 and three times 20
    assert not pace.fits(ns(89), dues(70, 70, 80), now_ns=0)


def test_time_spent_waiting_for_others_is_not_learned_as_the_parts_own() -> None:
    pace = pace_of(work_ms=20, alone_ms=30, waited_ms=500)
    assert pace.fits(ns(50), dues(40), now_ns=0)


def test_urgent_part_is_refused_if_it_would_cost_another_its_time() -> None:
    pace = pace_of(work_ms=20, alone_ms=20)
    assert pace.fits(ns(30), dues(40), now_ns=0)
    assert not pace.fits(ns(30), dues(39), now_ns=0)


def test_lone_part_is_tried_however_slow_the_box_was() -> None:
    assert pace_of(work_ms=500, alone_ms=500).fits(ns(10), [], now_ns=0)


def test_box_that_has_become_faster_is_found_out() -> None:
    pace = pace_of(work_ms=500, alone_ms=500)
    for _ in range(40):
        pace.learn(ns(10), {"predict": 5.0 * LANES})
    assert pace.fits(ns(30), dues(20, 20), now_ns=0)


# ---- in the ledger ----


def refusals(effects: list[ev.Effect]) -> list[Refusal | None]:
    return [one.ack.refused for one in effects if isinstance(one, ev.Acknowledge)]


def seen_in(bench: Bench, inspection_id: str, predict_ms: float) -> None:
    """The model took so long, and this is the newest that the gate knows of its pace."""
    bench.see(inspection_id, stages_ms={"predict": predict_ms})
    bench.tell(ev.Committed(inspection_id, 1))


def test_part_that_cannot_be_judged_in_time_is_refused_at_once_and_later_ones_are_taken() -> None:
    bench = Bench()
    first = bench.open("P1", 1)
    bench.now_ns += ns(60)
    seen_in(bench, first, predict_ms=60 * LANES)  # the due time is 90 ms after a trigger
    second = bench.open("P2", 2)
    refused = bench.trigger("P3", 3)
    assert refusals(refused) == [Refusal.OVERLOAD]
    assert not [one for one in refused if isinstance(one, ev.CommitOpening | ev.LookAt)]
    bench.now_ns += ns(60)
    seen_in(bench, second, predict_ms=60 * LANES)
    assert bench.open("P4", 4)  # by itself, without anybody's help


def test_parts_in_flight_stay_bounded() -> None:
    bench = Bench()
    for seq in range(LIMITS.max_in_flight):
        bench.open(f"P{seq}", seq)
    assert refusals(bench.trigger("P99", 99)) == [Refusal.OVERLOAD]


def test_deadline_runs_from_when_the_trigger_was_heard_not_from_when_it_was_read() -> None:
    bench = Bench()
    heard_ns, bench.now_ns = ns(10), ns(50)
    triggered = ev.Triggered(Trigger(part_id="P1", seq=1), bench.at(), heard_ns)
    (look,) = (one for one in bench.tell(triggered) if isinstance(one, ev.LookAt))
    assert look.triggered_ns == heard_ns and look.until_ns == heard_ns + ns(90)


class Station:
    """A ledger, and lanes that take `work_ms` for each part, millisecond by millisecond."""

    def __init__(self, work_ms: int) -> None:
        self.bench, self.work_ms = Bench(Level.FULL), work_ms
        self.lanes: list[tuple[int, ev.LookAt, int]] = []  # done at, what, since when it waited
        self.waiting: list[tuple[int, ev.LookAt]] = []
        self.told: list[VerdictMessage] = []
        self.refused: list[Refusal | None] = []

    def run(self, parts: int, every_ms: int) -> None:
        first = len(self.told) + len(self.refused)
        for step in range(parts * every_ms + 200):
            if step % every_ms == 0 and step < parts * every_ms:
                number = first + step // every_ms
                self._do(self.bench.trigger(f"P{number}", number))
            self._work()
            self._do(self.bench.wait(1))

    def _do(self, effects: list[ev.Effect]) -> None:
        self.told += verdicts(effects)
        self.refused += [refusal for refusal in refusals(effects) if refusal is not None]
        for effect in effects:
            match effect:
                case ev.CommitOpening(inspection_id):
                    self._do(self.bench.tell(ev.Opened(inspection_id)))
                case ev.Commit(inspection_id, revision):
                    self._do(self.bench.tell(ev.Committed(inspection_id, revision)))
                case ev.LookAt():
                    self.waiting.append((self.bench.now_ns, effect))

    def _work(self) -> None:
        now_ns = self.bench.now_ns
        for lane in [lane for lane in self.lanes if lane[0] <= now_ns]:
            self.lanes.remove(lane)
            stages_ms = {"wait": lane[2] / 1e6, "predict": float(self.work_ms)}
            self._do(self.bench.see(lane[1].inspection_id, stages_ms=stages_ms))
        self.waiting = [one for one in self.waiting if one[1].until_ns > now_ns]
        while self.waiting and len(self.lanes) < LANES:
            turn = min(self.waiting, key=lambda one: one[1].until_ns)
            self.waiting.remove(turn)
            self.lanes.append((now_ns + ns(self.work_ms), turn[1], now_ns - turn[0]))


def test_flood_does_not_starve_the_parts_that_there_is_time_for() -> None:
    """Two lanes of 60 ms judge 33 parts a second; 200 come, each due after 90 ms."""
    station = Station(work_ms=60)
    station.run(parts=600, every_ms=5)
    judged = [message for message in station.told if message.by is By.MODEL]
    assert len(station.told) + len(station.refused) == 600, "a part without an answer, or with two"
    assert len({message.part_id for message in station.told}) == len(station.told)
    assert set(station.refused) == {Refusal.OVERLOAD}
    assert len(judged) >= 80  # of the hundred that three seconds can hold
    assert max(message.latency_ms for message in station.told) <= 90 + 1

    station.run(parts=20, every_ms=100)
    afterwards = station.told[-20:]
    assert [message.by for message in afterwards] == [By.MODEL] * 20


def test_part_whose_time_is_over_when_the_gate_hears_of_it_is_no_fault_of_the_disk() -> None:
    """The whole gate stood still: the trigger waited longer than its part had time."""
    bench = Bench()
    heard_ns, bench.now_ns = ns(1), ns(5000)
    triggered = ev.Triggered(Trigger(part_id="P1", seq=1), bench.at(), heard_ns)
    assert refusals(bench.tell(triggered)) == [Refusal.OVERLOAD]
    bench.wait(1)
    assert not [one for one in bench.effects if isinstance(one, ev.RaiseCause)]
    assert bench.open("P2", 2)
