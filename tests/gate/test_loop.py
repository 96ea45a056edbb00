"""The loop by hand: messages in, and what reaches line, store and page."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from gate_bench import Bench
from gate_world import RECIPE, RULES, SHA

from edge.core.clock import ns
from edge.core.decide import FreshFrame, Look, Prediction
from edge.core.errors import NotDurable
from edge.core.messages import StateWord, Trigger, Verdict
from edge.core.orders import Answer, CameraFigures, PixelFigures
from edge.gate import events as ev
from edge.gate.loop import INBOX, Died, InspectionLoop, LinkChanged, ReferenceAsked, StatusAsked
from edge.gate.outcomes import Outcome
from edge.gate.sight import Noticed, Sight
from edge.replay.line import DirectLine
from edge.store.writes import OpenPart, OpenResult, Write
from edge.watch.conditions import Conditions


class FakeClock:
    def __init__(self) -> None:
        self.now_ns = ns(1000)

    def monotonic_ns(self) -> int:
        return self.now_ns

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


class FakeStore:
    """Takes everything at once; `fails` says why not; `full` refuses to queue."""

    def __init__(self) -> None:
        self.fails: str | None = None
        self.full = False
        self.taken: list[Write] = []

    def submit(self, writes: Sequence[Write], done: Callable[[Outcome], None]) -> bool:
        if self.full:
            return False
        if self.fails:
            done(NotDurable(self.fails))
            return True
        self.taken += writes
        done(tuple(_result(write) for write in writes))
        return True


def _result(write: Write) -> OpenResult | None:
    if isinstance(write, OpenPart):
        return OpenResult(write.draft.inspection_id, known=False)
    return None


class FakeAlbum:
    def __init__(self) -> None:
        self.kept: list[tuple[str, Verdict]] = []

    def keep(self, sight: Sight, verdict: Verdict) -> None:
        self.kept.append((sight.seen.inspection_id, verdict))

    def causes(self) -> tuple[ev.RaiseCause | ev.ClearCause, ...]:
        return ()


class FakeCheckup:
    def __init__(self) -> None:
        self.offered: list[str] = []

    def offer(self, sight: Sight) -> None:
        self.offered.append(sight.seen.inspection_id)

    def take_reference(self, recipe: str, who: str) -> str | None:
        return None if recipe == "disc" else f"no recipe is named {recipe!r}"

    def figures(self) -> CameraFigures:
        pixels = PixelFigures(camera="main", new=1, accepted=2)
        return CameraFigures(pixels=(pixels,))


class Rig:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.line = DirectLine()
        self.beats: list[int] = []
        self.line.heartbeat = self.beats.append  # type: ignore[method-assign]
        self.store = FakeStore()
        self.album = FakeAlbum()
        self.checkup = FakeCheckup()
        self.looks: list[ev.LookAt] = []
        self.replies: list[Answer] = []
        self.loop = InspectionLoop(
            ledger=Bench().ledger,
            conditions=Conditions(needed={"model"}),
            line=self.line,
            store=self.store,
            album=self.album,
            checkup=self.checkup,
            look=lambda request: bool(self.looks.append(request)) or True,
            reply=lambda token, answer: self.replies.append(answer),
            models={"disc": "toy-1"},
            clock=self.clock,  # type: ignore[arg-type]
            heartbeat_ms=250,
        )

    def run(self, *messages: object) -> None:
        """Take these, and whatever they bring into the inbox."""
        for message in messages:
            self.loop.take(message)  # type: ignore[arg-type]
            while not self.loop._inbox.empty():
                self.loop.take(self.loop._inbox.get())

    def trigger(self) -> None:
        self.run(ev.Triggered(Trigger(part_id="P1", seq=1), self.clock.now()))

    def see(self, score: float = 0.1) -> None:
        inspection_id = self.looks[-1].inspection_id
        looks = tuple(
            Look(v, FreshFrame(inspection_id, v, SHA), Prediction(inspection_id, v, score, SHA))
            for v in RULES.views
        )
        noticed = Noticed(seen_working=("model",))
        self.run(Sight(ev.Seen(inspection_id, looks, ()), {}, {}, noticed, RECIPE))


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_life_of_a_good_part_ends_in_one_pass_and_kept_frames(rig: Rig) -> None:
    rig.trigger()
    rig.see()
    verdict = rig.line.verdicts.get_nowait()
    assert verdict.verdict is Verdict.PASS and rig.line.verdicts.empty()
    assert rig.album.kept == [(verdict.inspection_id, Verdict.PASS)]


def test_camera_is_looked_after_when_the_verdict_is_out_and_not_before(rig: Rig) -> None:
    rig.trigger()
    told: list[str] = []
    rig.checkup.offer = lambda sight: told.append(rig.line.verdicts.get_nowait().verdict)  # type: ignore[method-assign]
    rig.see()
    assert told == [Verdict.PASS]


def test_order_for_a_reference_is_answered(rig: Rig) -> None:
    rig.run(ReferenceAsked(1, "disc", "ada"), ReferenceAsked(2, "cap", "ada"))
    assert [answer.ok for answer in rig.replies] == [True, False]
    assert rig.replies[-1].error == "no recipe is named 'cap'"


def test_camera_that_moved_stops_every_pass_until_it_is_back(rig: Rig) -> None:
    rig.run(Noticed(raised=(("camera_moved", "5 px"),)))
    rig.trigger()
    rig.see(score=0.1)
    verdict = rig.line.verdicts.get_nowait()
    assert (verdict.verdict, verdict.reasons) == (Verdict.REWORK, ("drift",))
    assert verdict.score == 0.1  # as it was: the camera's cause is not mixed with it
    rig.run(Noticed(cleared=("camera_moved",)))
    rig.run(ev.Triggered(Trigger(part_id="P2", seq=2), rig.clock.now()))
    rig.see(score=0.1)
    assert rig.line.verdicts.get_nowait().verdict is Verdict.PASS


def test_faulty_pixels_are_a_lack_and_parts_pass(rig: Rig) -> None:
    rig.run(Noticed(raised=(("camera_pixels", "1"),), seen_working=("model",)))
    assert rig.line.state is not None and rig.line.state.state is StateWord.DEGRADED
    rig.trigger()
    rig.see(score=0.1)
    assert rig.line.verdicts.get_nowait().verdict is Verdict.PASS


def test_store_that_fails_means_rework_and_a_fault_with_its_cause(rig: Rig) -> None:
    rig.trigger()
    rig.store.fails = "disk full"
    rig.see()
    assert rig.line.verdicts.get_nowait().verdict is Verdict.REWORK
    assert rig.line.state is not None and rig.line.state.state is StateWord.FAULT
    assert "disk full" in (rig.line.state.cause or "")


def test_full_queue_to_the_disk_is_a_failed_commit(rig: Rig) -> None:
    rig.store.full = True
    rig.trigger()
    assert rig.line.refused.get_nowait().refused == "not_ready"


def test_station_is_starting_until_the_model_was_seen_to_work(rig: Rig) -> None:
    rig.run(ev.Tick())
    assert rig.line.state is not None and rig.line.state.state is StateWord.STARTING
    rig.run(Noticed(seen_working=("model",)))
    assert rig.line.state.state is StateWord.READY
    assert rig.line.state.model == "toy-1"


def test_first_cause_stays_on_state_until_it_is_gone(rig: Rig) -> None:
    rig.run(Noticed(seen_working=("model",)))
    rig.run(Noticed(raised=(("camera_lost", "main: cable"),)))
    rig.run(Noticed(raised=(("predictor_unavailable", "gone"),)))
    assert rig.line.state is not None and "cable" in (rig.line.state.cause or "")
    assert rig.line.state.action
    rig.run(Noticed(cleared=("camera_lost",)))
    assert "model does not answer" in (rig.line.state.cause or "")
    rig.run(Noticed(cleared=("predictor_unavailable",)))
    assert rig.line.state.state is StateWord.READY


def test_older_parts_word_is_no_news_of_a_cause_that_a_newer_part_told_of(rig: Rig) -> None:
    rig.run(Noticed(cleared=("bad_prediction",), taken_ns=2))
    rig.run(Noticed(raised=(("bad_prediction", "nan"), ("image_unusable", "dark")), taken_ns=1))
    assert [cause.code for cause in rig.loop.conditions.active] == ["image_unusable"]
    rig.run(Noticed(cleared=("image_unusable",), taken_ns=3))
    rig.run(Noticed(raised=(("image_unusable", "dark"),), taken_ns=3))  # the same part
    rig.run(Noticed(cleared=("image_unusable",), taken_ns=2))
    assert [cause.code for cause in rig.loop.conditions.active] == ["image_unusable"]


def test_lost_broker_degrades_and_its_return_clears(rig: Rig) -> None:
    rig.run(Noticed(seen_working=("model",)), LinkChanged("refused"))
    assert rig.line.state is not None and rig.line.state.state is StateWord.DEGRADED
    rig.run(LinkChanged(None))
    assert rig.line.state.state is StateWord.READY


def test_heart_beats_every_quarter_second_of_the_loops_own_time(rig: Rig) -> None:
    for _ in range(10):
        rig.clock.now_ns += ns(125)
        rig.run(ev.Tick())
    assert rig.beats == [1, 2, 3, 4, 5]


def test_status_tells_state_causes_and_counts(rig: Rig) -> None:
    rig.trigger()
    rig.run(Noticed(raised=(("camera_lost", "x"),)), StatusAsked(1))
    status = rig.replies[-1].status
    assert status is not None
    assert (status.in_flight, [c.code for c in status.conditions]) == (1, ["camera_lost"])
    assert status.counters["accepted"] == 1


def test_status_tells_the_figures_behind_the_cameras_causes(rig: Rig) -> None:
    rig.run(StatusAsked(1))
    status = rig.replies[-1].status
    assert status is not None and status.camera_figures == rig.checkup.figures()


def test_status_tells_what_each_camera_counted_last(rig: Rig) -> None:
    rig.run(Noticed(cameras={"main": {"shots": 1}, "side": {"shots": 4}}))
    rig.run(Noticed(cameras={"main": {"shots": 2, "missed_frames": 1}}), StatusAsked(1))
    status = rig.replies[-1].status
    assert status is not None
    assert status.cameras == {"main": {"shots": 2, "missed_frames": 1}, "side": {"shots": 4}}


def test_full_inbox_refuses_and_counts(rig: Rig) -> None:
    assert all(rig.loop.post(ev.Tick()) for _ in range(INBOX))
    assert not rig.loop.post(ev.Tick())
    assert rig.loop.dropped == 1


def test_dead_eye_ends_the_gate_so_that_it_is_started_afresh(rig: Rig) -> None:
    with pytest.raises(RuntimeError, match="the eye died"):
        rig.run(Died("the eye"))


def test_orderly_stop_answers_what_is_in_flight_first(rig: Rig) -> None:
    rig.trigger()
    rig.loop.stop(within_s=1)
    assert not rig.loop._finished()
    rig.see()
    assert rig.line.verdicts.get_nowait().verdict is Verdict.PASS
    assert rig.loop._finished()
