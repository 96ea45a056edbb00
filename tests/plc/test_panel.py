"""What the outputs show for what happens, by hand and by the clock alone."""

from datetime import UTC, datetime

import pytest
from plc.test_gpio import SETTINGS, gpio

from edge.core.clock import ns
from edge.core.messages import By, StateWord, Verdict, VerdictMessage
from edge.plc.odometer import EncodedBelt, TimedBelt
from edge.plc.panel import (
    Answered,
    Arrived,
    Beat,
    Edge,
    Effect,
    Event,
    Inspect,
    Missed,
    Panel,
    Shown,
    Tick,
    safe_levels,
)
from edge.plc.tracking import Decided

TIMED = {"encoder": None, "belt_mm_s": 1000.0}  # a mm each ms


class Bench:
    def __init__(self, locked: str | None = None, word: StateWord = StateWord.READY, **more):
        settings = gpio(**{**TIMED, **more})
        encoder = settings.encoder
        belt = TimedBelt(1000.0) if encoder is None else EncodedBelt(encoder.mm_per_pulse, False)
        self.now_ns = ns(10_000)
        self.panel = Panel(settings, belt, 250, "run1", locked, self.now_ns)
        self.effects: list[Effect] = []
        self.beat = 0
        self.do(Shown(word))
        self.wait(600)  # what lay on the belt has left

    def do(self, event: Event) -> list[Effect]:
        new = self.panel.handle(event, self.now_ns)
        self.effects += new
        return new

    def wait(self, ms: int, beating: bool = True) -> None:
        for _ in range(ms):
            self.now_ns += ns(1)
            if beating and self.now_ns % ns(250) == 0:
                self.beat += 1
                self.do(Beat(self.beat))
            self.do(Tick())

    def edge(self, name: str, ago_ms: float = 0) -> list[Effect]:
        return self.do(Edge(name, True, self.now_ns - ns(ago_ms)))

    def answer(self, part_id: str, seq: int, verdict: Verdict = Verdict.PASS, **more) -> None:
        expires_ns = more.pop("expires_ns", self.now_ns + ns(300))
        message = {
            "part_id": part_id, "seq": seq, "inspection_id": "i", "verdict": verdict,
            "by": By.MODEL, "recipe": "disc", "latency_ms": 1.0,
            "valid_until": datetime(2026, 1, 1, tzinfo=UTC),
        }  # fmt: skip
        self.do(Answered(VerdictMessage.model_validate(message | more), expires_ns))

    def level(self, name: str) -> bool:
        return self.panel.levels(self.now_ns)[name]

    @property
    def lamp(self) -> list[str]:
        return [name for name in ("green", "yellow", "red") if self.level(name)]


# ---- a part ----


def test_part_of_the_barrier_is_inspected_and_passes_with_its_verdict() -> None:
    bench = Bench()
    (seen,) = bench.edge("trigger")
    assert isinstance(seen, Inspect)
    assert (seen.trigger.part_id, seen.trigger.seq) == ("run1-000001", 1)
    bench.answer("run1-000001", 1)
    bench.wait(479)
    assert not bench.level("diverter")
    bench.wait(1)
    assert bench.level("diverter")
    bench.wait(41)
    assert not bench.level("diverter")
    assert bench.effects[-1] == Decided(("run1-000001", 1), None)


def test_camera_behind_the_barrier_is_asked_when_the_part_is_there() -> None:
    bench = Bench(trigger={"line": 4, "camera_mm": 80})
    assert bench.edge("trigger") == []
    bench.wait(30)
    bench.edge("trigger")  # the next one, too close; both are looked at all the same
    bench.wait(49)
    assert bench.effects == []
    bench.wait(1)
    assert [e.trigger.seq for e in bench.effects if isinstance(e, Inspect)] == [1]
    bench.wait(30)
    assert [e.trigger.seq for e in bench.effects if isinstance(e, Inspect)] == [1, 2]


def test_edge_counts_from_when_the_kernel_saw_it() -> None:
    bench = Bench()
    bench.edge("trigger", ago_ms=15)
    bench.answer("run1-000001", 1)
    bench.wait(464)
    assert not bench.level("diverter")
    bench.wait(1)
    assert bench.level("diverter")


def test_part_that_the_plc_triggered_is_tracked_from_then_on() -> None:
    bench = Bench()
    bench.do(Arrived(("A", 7)))
    bench.answer("A", 7)
    bench.wait(500)
    assert bench.level("diverter")


def test_barrier_alone_inspects_without_a_diverter() -> None:
    bench = Bench(diverter=None, confirm=None, acknowledge=None)
    assert len(bench.edge("trigger")) == 1
    assert not bench.level("diverter") and bench.panel.locked is None


@pytest.mark.parametrize(
    "more",
    [
        {"verdict": Verdict.REWORK},
        {"verdict": Verdict.REVIEW},
        {"by": By.FAILSAFE},
        {"expires_ns": 0},
        {"part_id": "run1-000002"},
        {"seq": 2},
    ],
)
def test_anything_but_an_own_valid_pass_rejects(more: dict[str, object]) -> None:
    bench = Bench()
    bench.edge("trigger")
    bench.answer(**{"part_id": "run1-000001", "seq": 1, **more})
    bench.wait(500)
    assert not bench.level("diverter")


@pytest.mark.parametrize("word", [StateWord.STARTING, StateWord.FAULT, StateWord.OFFLINE])
def test_pass_of_a_station_that_is_not_well_is_none(word: StateWord) -> None:
    bench = Bench(word=word)
    bench.edge("trigger")
    bench.answer("run1-000001", 1)
    bench.wait(500)
    assert not bench.level("diverter")


def test_missed_edges_reject_what_is_on_the_belt() -> None:
    bench = Bench()
    bench.edge("trigger")
    bench.answer("run1-000001", 1)
    bench.do(Missed("edges"))
    bench.wait(500)
    assert not bench.level("diverter")


# ---- a belt with an encoder ----


def turn(bench: Bench, pulses: int) -> None:
    for _ in range(pulses):
        for name, rising in (("a", True), ("b", True), ("a", False), ("b", False)):
            bench.do(Edge(name, rising, bench.now_ns))


def test_parts_travel_by_the_encoders_pulses_and_rest_with_the_belt() -> None:
    bench = Bench(encoder={"a": 7, "b": 8, "mm_per_pulse": 4.0}, belt_mm_s=None)
    bench.panel._belt = belt = EncodedBelt(4.0, False, False)
    turn(bench, 200)
    bench.edge("trigger")
    bench.answer("run1-000001", 1)
    bench.wait(5000)
    assert not bench.level("diverter")
    turn(bench, 120)
    assert bench.level("diverter") and belt.at_um(0) == 1_280_000
    turn(bench, 11)
    assert not bench.level("diverter")


def test_encoder_that_contradicts_itself_clears_the_belt() -> None:
    bench = Bench(encoder={"a": 7, "b": 8, "mm_per_pulse": 4.0}, belt_mm_s=None)
    bench.panel._belt = EncodedBelt(4.0, False, False)
    turn(bench, 200)
    bench.edge("trigger")
    bench.answer("run1-000001", 1)
    bench.edge("a")
    bench.edge("a")
    turn(bench, 120)
    assert not bench.level("diverter")


# ---- lamps, watchdog ----


@pytest.mark.parametrize(
    ("word", "lamp"),
    [
        (StateWord.READY, "green"),
        (StateWord.DEGRADED, "yellow"),
        (StateWord.STARTING, "yellow"),
        (StateWord.FAULT, "red"),
        (StateWord.OFFLINE, "red"),
    ],
)
def test_one_lamp_shows_the_state(word: StateWord, lamp: str) -> None:
    assert Bench(word=word).lamp == [lamp]


def test_loop_that_stands_stops_the_watchdog_lights_red_and_closes_the_diverter() -> None:
    bench = Bench()
    bench.edge("trigger")
    bench.answer("run1-000001", 1)
    before = bench.level("watchdog")
    bench.wait(490, beating=False)
    assert bench.level("diverter")
    bench.now_ns += ns(1000)
    assert not bench.level("diverter") and bench.lamp == ["red"]
    assert bench.level("watchdog") == before


def test_watchdog_follows_the_beats() -> None:
    bench = Bench()
    levels = []
    for _ in range(4):
        levels.append(bench.level("watchdog"))
        bench.wait(250)
    assert levels in ([True, False] * 2, [False, True] * 2)


def test_before_the_first_beat_the_levels_are_the_safe_ones() -> None:
    for moves in ("pass", "reject"):
        settings = gpio(**TIMED, diverter={**SETTINGS["diverter"], "moves": moves})
        panel = Panel(settings, TimedBelt(1000.0), 250, "run1", None, 0)
        levels = panel.levels(ns(100_000))
        assert {n: levels[n] for n in settings.outputs} == safe_levels(settings)


def test_dead_loop_rejects_where_the_diverter_rests_at_pass() -> None:
    bench = Bench(diverter={**SETTINGS["diverter"], "moves": "reject"})
    assert not bench.level("diverter")
    bench.now_ns += ns(1001)
    assert bench.level("diverter")


# ---- the reject lane ----


def test_missing_confirmation_locks_lights_red_and_the_button_unlocks() -> None:
    bench = Bench()
    bench.edge("trigger")
    bench.wait(700)
    assert bench.panel.locked == "part run1-000001 was not seen to leave"
    assert bench.lamp == ["red"]
    bench.edge("acknowledge")
    assert bench.panel.locked is None and bench.lamp == ["green"]


def test_lock_from_before_holds_until_the_button() -> None:
    bench = Bench(locked="part X was not seen to leave")
    bench.edge("trigger")
    bench.answer("run1-000001", 1)
    bench.wait(500)
    assert not bench.level("diverter") and bench.panel.locked is not None


def test_due_is_the_next_mark_on_the_belt_or_a_missing_beat() -> None:
    bench = Bench()
    assert bench.panel.due_ns(bench.now_ns) - bench.now_ns == ns(1000)
    bench.edge("trigger")
    assert bench.panel.due_ns(bench.now_ns) - bench.now_ns == ns(480)
