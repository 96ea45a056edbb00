"""Scenarios that once broke a promise, one by one."""

import hashlib
import itertools
import queue
import socket
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from bundles import make_bundle
from gate_bench import Bench, verdicts, words
from gate_world import LIMITS, RECIPE, RULES, SHA

from edge.camera.source import Frame, Shot
from edge.camera.steady import SteadyCamera
from edge.clock import SystemClock
from edge.config import Gate as GateSettings
from edge.config import StationConfig, load_station
from edge.core.automation import permit
from edge.core.clock import ns
from edge.core.decide import FreshFrame, Look, Prediction
from edge.core.errors import BadPrediction, CameraTimeout
from edge.core.messages import (
    By,
    ChallengeOrder,
    Level,
    LevelOrder,
    Reason,
    StateMessage,
    Trigger,
    Verdict,
    VerdictMessage,
)
from edge.core.orders import Answer, CameraFigures, ReviewOrder, SetLevelOrder
from edge.core.preprocess import to_input
from edge.core.recipe import Recipe, View
from edge.core.records import ImageEvent, InspectionRecord, ViewRecord
from edge.explain import explain
from edge.gate import events as ev
from edge.gate.control import ControlServer, send_order
from edge.gate.eye import Eye
from edge.gate.eye_thread import EyeThread
from edge.gate.judge import Judge
from edge.gate.lanes import Lanes
from edge.gate.ledger import Ledger
from edge.gate.loop import HELD_SIGHTS, INBOX, InspectionLoop
from edge.gate.outcomes import Outcome
from edge.gate.part import answer_of
from edge.gate.passing import Passing
from edge.gate.rules import RecipeRules
from edge.gate.sight import Noticed, Sight, Taken
from edge.gate.standing import Standing
from edge.jobs import page_alive
from edge.predict.bundle import read_bundle
from edge.predict.session import ModelSession
from edge.replay.line import DirectLine
from edge.store.images import ImageStore
from edge.store.ledger_db import LedgerDb
from edge.store.writes import AddReview, ClosePart, KeepImage, OpenPart, OpenResult, SetMeta, Write
from edge.watch.conditions import Conditions

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def effects_of(effects: list[ev.Effect], kind: type) -> list:
    return [effect for effect in effects if isinstance(effect, kind)]


# ---- challenges ----


def challenge(bench: Bench, order_id: str, part_id: str) -> None:
    order = ChallengeOrder(id=order_id, part_id=part_id)
    assert bench.tell(ev.Ordered(order, bench.at()))


def blocked(bench: Bench) -> bool:
    return any(cause.code == "challenge_failed" for cause in bench.conditions.active)


def fail_a_challenge(bench: Bench) -> list[ev.Effect]:
    """The model passes a part that is known to be defective."""
    challenge(bench, "c1", "RABBIT")
    effects = bench.see(bench.open("RABBIT", 1), score=0.1)
    assert blocked(bench)
    return effects


def test_challenge_without_a_frame_does_not_lift_the_block() -> None:
    bench = Bench()
    fail_a_challenge(bench)
    challenge(bench, "c2", "RABBIT-2")
    inspection_id = bench.open("RABBIT-2", 2)
    unseen = tuple(Look(view, missing=Reason.NO_FRAME) for view in RULES.views)
    bench.tell(ev.Seen(inspection_id, unseen, ()))
    assert blocked(bench)


def test_challenge_that_asked_no_model_does_not_lift_the_block() -> None:
    bench = Bench()
    fail_a_challenge(bench)
    bench.ledger.standing.level = Level.HUMAN
    challenge(bench, "c2", "RABBIT-2")
    inspection_id = bench.open("RABBIT-2", 2)
    frames = tuple(Look(view, FreshFrame(inspection_id, view, SHA)) for view in RULES.views)
    bench.tell(ev.Seen(inspection_id, frames, ()))
    assert blocked(bench)


def test_failed_challenge_outlives_a_restart() -> None:
    notes = effects_of(fail_a_challenge(Bench()), ev.Note)
    kept = [note.write for note in notes if isinstance(note.write, SetMeta)]
    assert kept, "nothing durable says that no part may pass"


# ---- a healthy station is evidence, too ----


def test_no_part_passes_while_the_disk_owes_a_record() -> None:
    """The PLC sees `fault` on the topic `state` and counts such a pass as unsafe."""
    bench = Bench()
    first, second = bench.open("P1", 1), bench.open("P2", 2)
    bench.see(first)
    bench.see(second)
    failed = bench.tell(ev.CommitFailed(first, 1, "disk full"))
    assert [cause.code for cause in effects_of(failed, ev.RaiseCause)] == ["not_durable"]
    bench.tell(ev.CommitFailed(first, 2, "disk full"))  # now it is owed
    effects = bench.tell(ev.Committed(second, 1))
    assert effects_of(effects, ev.ClearCause) == []  # still in fault
    assert Verdict.PASS not in words(effects)


# ---- one verdict, whatever comes ----


def test_part_that_was_told_rework_is_never_answered_with_pass() -> None:
    """The commit of the pass stalls, the guard answers rework, and the power fails after the
    first commit but before the one that amends it. Then the PLC asks again."""
    bench = Bench()
    inspection_id = bench.open()
    (claim,) = effects_of(bench.see(inspection_id), ev.Commit)
    assert words(bench.wait(95)) == [Verdict.REWORK]

    after = Bench()
    (close,) = claim.writes  # durable; revision 2 is not
    asked = after.trigger()
    opening = effects_of(asked, ev.CommitOpening)[0].inspection_id
    effects = after.tell(ev.AlreadyKnown(opening, inspection_id, close.answer))
    assert Verdict.PASS not in words(effects)


def test_no_part_begins_to_wait_for_a_person_while_stopping() -> None:
    bench = Bench()
    inspection_id = bench.open()
    bench.ledger.accepting = False
    bench.ledger.close_waiting(bench.now_ns)
    bench.see(inspection_id, score=0.5)
    bench.tell(ev.Committed(inspection_id, 1))
    assert words(bench.ledger.close_waiting(bench.now_ns)) == [Verdict.REWORK]  # every turn
    assert bench.ledger.waiting == 0, "told `review`, and nobody will ever tell the end"


class Store:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Sequence[Write], Callable[[Outcome], None]]] = []

    def submit(self, writes: Sequence[Write], done: Callable[[Outcome], None]) -> bool:
        self.waiting.append((writes, done))
        return True


class Album:
    def keep(self, sight: Sight, verdict: Verdict) -> None:
        pass

    def causes(self) -> tuple[ev.RaiseCause | ev.ClearCause, ...]:
        return ()


class Checkup:
    def offer(self, sight: Sight) -> None:
        pass

    def take_reference(self, recipe: str, who: str) -> str | None:
        return None

    def figures(self) -> CameraFigures:
        return CameraFigures()


@dataclass
class FakeClock:
    now_ns: int = ns(1000)

    def monotonic_ns(self) -> int:
        return self.now_ns

    def now(self) -> datetime:
        return NOW


class Loop:
    """The inspection loop by hand."""

    def __init__(self, line: DirectLine | None = None) -> None:
        self.clock, self.store, self.line = FakeClock(), Store(), line or DirectLine()
        ids = iter(f"I{n}" for n in range(1, 2 * INBOX))
        rules = {"disc": RecipeRules(RECIPE, RULES, "toy-1")}
        ledger = Ledger(rules, Standing(Level.PARTIAL, "disc"), LIMITS, SHA, lambda: next(ids))
        self.loop = InspectionLoop(
            ledger,
            Conditions(needed=()),
            self.line,
            self.store,  # type: ignore[arg-type]
            Album(),
            Checkup(),
            lambda request: True,
            lambda token, answer: None,
            {},
            self.clock,  # type: ignore[arg-type]
            heartbeat_ms=250,
        )

    def open_first(self) -> None:
        """The disk has taken the opening of the first part."""
        _, done = self.store.waiting[0]
        done((OpenResult("I1", known=False),))
        while not self.loop._inbox.empty():
            self.loop.take(self.loop._inbox.get())

    def told(self) -> list[VerdictMessage]:
        return [self.line.verdicts.get() for _ in range(self.line.verdicts.qsize())]


def triggered(seq: int, **more: int) -> ev.Triggered:
    return ev.Triggered(Trigger(part_id=f"P{seq}", seq=seq, **more), NOW)


def test_stop_answers_parts_with_a_long_deadline_too() -> None:
    rig = Loop()
    rig.loop.take(triggered(1, deadline_ms=60_000))
    rig.open_first()
    rig.loop.stop(within_s=3)
    assert not rig.loop._finished()
    rig.clock.now_ns += ns(3001)
    assert rig.loop._finished()
    assert [message.verdict for message in rig.told()] == [Verdict.REWORK]


def test_flood_of_messages_does_not_lose_what_the_disk_said() -> None:
    rig = Loop()
    rig.line.refused = queue.Queue(2 * INBOX)
    rig.loop.take(triggered(1))
    for seq in range(INBOX):
        rig.loop.offer(triggered(100 + seq))
    rig.open_first()
    assert rig.loop.ledger.counters["accepted"] == 1


class OrderedLine(DirectLine):
    """Remembers in which order the PLC hears of things."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def publish_state(self, state: StateMessage) -> None:
        self.heard.append(state.state)

    def publish_verdict(self, message: VerdictMessage, expires_ns: int | None) -> None:
        self.heard.append(message.verdict)


def test_pass_that_heals_the_station_comes_after_ready() -> None:
    rig = Loop(OrderedLine())
    rig.loop.take(triggered(1))
    rig.open_first()
    looks = tuple(
        Look(view, FreshFrame("I1", view, SHA), Prediction("I1", view, 0.1, SHA))
        for view in RULES.views
    )
    rig.loop.take(ev.CommitFailed(None, 0, "disk full"))  # of another part, meanwhile
    rig.loop.take(ev.Seen("I1", looks, ()))
    rig.loop.take(ev.Committed("I1", 1))
    heard = rig.line.heard  # type: ignore[attr-defined]
    assert heard[-2:] == ["ready", "pass"]


# ---- the eye ----


@dataclass
class Camera:
    """Exposes at the moment it is asked, takes `takes_ms`; with no time left it has no frame, nor
    when it is asked for the `fails_at`th time."""

    clock: FakeClock
    takes_ms: float = 0.0
    fails_at: int = 0
    live: bool = True
    opened: int = 0
    _seq: int = 0
    _rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def __enter__(self):
        self.opened += 1
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def grab(self, shot: Shot, timeout_s: float) -> Frame:
        if timeout_s <= 0:
            raise CameraTimeout("no frame within 0 ms")
        exposed_at_ns = self.clock.now_ns
        self.clock.now_ns += ns(self.takes_ms)
        self._seq += 1
        if self._seq == self.fails_at:
            raise CameraTimeout("its cable was loose")
        image = self._rng.integers(60, 200, (64, 64, 3)).astype(np.uint8)
        return Frame(image, self._seq, exposed_at_ns)


class Predictor:
    def __init__(self, clock: FakeClock, takes_ms: float = 0.0) -> None:
        self._clock, self._takes_ns = clock, ns(takes_ms)

    def predict(self, model, image, timeout_s, manifest):
        self._clock.now_ns += self._takes_ns
        return replace(ANSWER, model_sha256=manifest.sha256)

    def loaded(self, model: str, timeout_s: float) -> bool:
        return True


class LastWord(Predictor):
    """Answers the first question when the test says so, and with nonsense."""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.free = threading.Event()
        self._numbers = itertools.count(1)

    def predict(self, model, image, timeout_s, manifest):
        if next(self._numbers) == 1:
            assert self.free.wait(10)
            raise BadPrediction("score is nan")
        return super().predict(model, image, timeout_s, manifest)


@dataclass(frozen=True)
class ModelAnswer:
    score: float
    heatmap: np.ndarray
    model_sha256: str


ANSWER = ModelAnswer(0.1, np.zeros((8, 8), np.float32), SHA)
ONE_VIEW = Recipe(name="disc", model="toy", views=(View(),), deadline_ms=300)


class Eyes:
    """An eye in its thread, on a clock that moves only when camera and model take time."""

    def __init__(
        self, folder: Path, camera_ms: float, model_ms: float = 0.0, model: Predictor | None = None
    ) -> None:
        """`model` is asked in two lanes, in place of one that takes `model_ms` in a lane."""
        self.clock = FakeClock()
        self.camera = Camera(self.clock, camera_ms)
        self.told: list[Noticed] = []  # of the station, in the order that the loop hears it
        cameras = {"main": SteadyCamera(self.camera, "main", self.clock)}  # type: ignore[arg-type]
        models = [Predictor(self.clock, model_ms)] if model is None else [model, model]
        waits = ({"main": 0.1}, {"main": None})
        eye = Eye(cameras, *waits, models[0], ["toy"], self.clock)  # type: ignore[arg-type]
        self.posted: queue.Queue[object] = queue.Queue(1000)
        post = self.posted.put
        self.thread = EyeThread(eye, cameras, self.judge, post, 100, self.clock)
        judge = Judge({"toy": make_bundle(folder / "toy")}, self.clock)  # type: ignore[arg-type]
        self.passing = Passing()
        next_ns = self.passing.next_trigger_ns
        self.lanes = Lanes(judge, models, next_ns, post, 100, self.clock)  # type: ignore[arg-type]

    def judge(self, taken: Taken) -> None:
        self.lanes.take(taken)

    def request(self, number: int, triggered_ms: float, recipe: Recipe = ONE_VIEW) -> None:
        start_ns = self.clock.now_ns + ns(triggered_ms)
        until_ns = start_ns + ns(285)
        self.passing.heard(start_ns, (f"P{number}", number))
        self.thread.look(
            ev.LookAt(f"I{number}", f"P{number}", recipe, permit(Level.FULL), start_ns, until_ns)
        )

    def start(self) -> None:
        self.thread.start()
        self.lanes.start()

    def close(self) -> None:
        self.thread.close()
        self.lanes.close()

    def next_sight(self) -> Sight:
        while True:
            match self.posted.get(timeout=10):
                case Sight() as sight:
                    self.told.append(sight.noticed)
                    return sight
                case Noticed() as noticed:
                    self.told.append(noticed)

    def sights(self, count: int) -> list[Sight]:
        self.start()
        seen = [self.next_sight() for _ in range(count)]
        self.close()
        return seen


def test_frame_taken_after_the_next_trigger_is_not_this_parts(tmp_path: Path) -> None:
    """Part 2 comes while the camera is still busy with part 1. When it gets to part 2, part 3
    stands in front of it; a frame of that moment shows part 3."""
    eyes = Eyes(tmp_path, camera_ms=150, model_ms=0)
    for number, at_ms in ((1, 0), (2, 50), (3, 100)):
        eyes.request(number, at_ms)
    _, second = eyes.sights(2)
    (look,) = second.seen.looks
    assert look.frame is None and look.missing is Reason.STALE_FRAME


def test_overdue_looks_do_not_blame_a_healthy_camera(tmp_path: Path) -> None:
    eyes = Eyes(tmp_path, camera_ms=400, model_ms=5)
    for number in range(1, 6):
        eyes.request(number, triggered_ms=0)
    eyes.sights(1)  # the others had their rework before the eye was free
    causes = {code for noticed in eyes.told for code, _ in noticed.raised}
    assert "camera_lost" not in causes
    assert eyes.camera.opened == 1, "a healthy camera was closed and opened again"


@pytest.mark.parametrize("fails_at", [0, 2], ids=["model", "camera and model"])
def test_part_that_was_overtaken_does_not_tell_as_a_fault_what_is_well_again(
    tmp_path: Path, fails_at: int
) -> None:
    """The first part's first view is judged for so long that the second part, whose camera and
    model are well, is done before."""
    model = LastWord()
    eyes = Eyes(tmp_path, camera_ms=1, model=model)
    eyes.camera.fails_at = fails_at
    eyes.request(1, triggered_ms=0, recipe=RECIPE)
    eyes.request(2, triggered_ms=2, recipe=RECIPE)
    eyes.start()
    overtaking = eyes.next_sight()
    model.free.set()
    overtaken = eyes.next_sight()
    eyes.close()
    assert [sight.seen.inspection_id for sight in (overtaking, overtaken)] == ["I2", "I1"]
    raised = {code for noticed in eyes.told for code, _ in noticed.raised}
    assert raised == {"bad_prediction", *(["camera_lost"] if fails_at else [])}
    loop = Loop().loop
    for noticed in eyes.told:
        loop.take(noticed)
    assert loop.conditions.active == ()


class BusyEye:
    """The next part is there before this one is done: the queue is never empty."""

    def __init__(self) -> None:
        self.looks = self.probes = 0
        self.thread: EyeThread | None = None

    def take(self, request: ev.LookAt) -> Taken:
        self.looks += 1
        assert self.thread is not None
        if self.looks < 200:
            self.thread.look(request)
        return Taken(request, [], 0.0, 0, Noticed())

    def probe(self) -> Noticed:
        self.probes += 1
        return Noticed()


def test_busy_line_gets_its_station_looked_at_as_well() -> None:
    """A camera that this recipe does not use, or the model at level human, is seen to work only
    by a probe; until then the state is `starting`, and the PLC lets nothing pass."""
    eye, done = BusyEye(), threading.Event()
    thread = EyeThread(
        eye,  # type: ignore[arg-type]
        {},
        lambda taken: done.set() if eye.looks >= 200 else None,
        lambda noticed: None,
        room=10,
        clock=SystemClock(),
    )
    eye.thread = thread
    thread.look(ev.LookAt("I1", "P1", ONE_VIEW, permit(Level.FULL), 0, 2**62))
    thread.start()
    assert done.wait(10)
    probes = eye.probes
    thread.close()
    assert probes > 0


def test_frames_of_all_parts_in_flight_are_held() -> None:
    (limit,) = (
        rule.le
        for rule in GateSettings.model_fields["max_in_flight"].metadata
        if hasattr(rule, "le")
    )
    assert limit <= HELD_SIGHTS


# ---- orders ----


def test_order_of_the_page_is_carried_out_whatever_ids_the_line_used() -> None:
    standing = Standing(Level.FULL, "disc")
    taken = LevelOrder(id="control-1", level=Level.FULL, who="PLC")
    standing.order(ev.Ordered(taken, NOW), {})
    path = Path(tempfile.mkdtemp(prefix="lg")) / "gate.sock"

    def post(message: object) -> bool:
        assert isinstance(message, ev.Ordered)
        for effect in standing.order(message, {}):
            assert isinstance(effect, ev.CommitOrder) and isinstance(effect.then, ev.Reply)
            server.reply(effect.then.token, effect.then.answer)
        return True

    server = ControlServer(path, post, SystemClock())
    server.start()
    try:
        answer = send_order(path, SetLevelOrder(level=Level.HUMAN, who="Ada"))
    finally:
        server.close()
    assert answer == Answer(ok=True)
    assert standing.level is Level.HUMAN


def test_other_order_under_a_used_id_is_refused() -> None:
    standing = Standing(Level.FULL, "disc")
    standing.order(ev.Ordered(LevelOrder(id="7", level=Level.PARTIAL), NOW), {})
    effects = standing.order(ev.Ordered(LevelOrder(id="7", level=Level.HUMAN), NOW), {})
    (answer,) = effects_of(effects, ev.AnswerOrder)
    assert standing.level is Level.HUMAN or not answer.ack.ok


def test_review_that_came_too_late_is_recorded_once() -> None:
    """The person's pass is on its way to the disk when the review ends."""
    bench = Bench()
    inspection_id = bench.open()
    bench.see(inspection_id, score=0.5)
    bench.tell(ev.Committed(inspection_id, 1))
    order = ReviewOrder(inspection_id=inspection_id, verdict=Verdict.PASS, who="Ada")
    first = bench.tell(ev.Reviewed(order, 7, bench.at()))
    second = bench.wait(3000)
    assert [message.verdict for message in verdicts(second)] == [Verdict.REWORK]
    kept = [
        write.review
        for commit in effects_of([*first, *second], ev.Commit)
        for write in commit.writes
        if isinstance(write, AddReview)
    ]
    assert len({review.in_time for review in kept}) == 1


# ---- explain ----


class Recorded:
    """A ledger with one inspection, its frames and its model, as the gate leaves them."""

    def __init__(self, folder: Path, views: tuple[str, ...]) -> None:
        (folder / "station.toml").write_text(
            'state_dir = "state"\n[station]\ndevice = "box"\n[[camera]]\nkind = "simulator"\n'
            '[predict]\nmodels = "models"\n[gate]\nrecipe = "disc"\n'
        )
        make_bundle(folder / "models" / "toy")
        self.config: StationConfig = load_station(folder / "station.toml")
        self.config.state_dir.mkdir()
        self.recipe = Recipe(name="disc", model="toy", views=tuple(View(name=v) for v in views))
        self.bundle = read_bundle(folder / "models" / "toy")
        noise = np.random.default_rng(1).integers(88, 168, (64, 64, 3))
        self.image = noise.astype(np.uint8)  # even enough for a score about 0.5

    def scored(self, view: str) -> ViewRecord:
        tensor = to_input(self.image, self.bundle.manifest.face)
        score = ModelSession(self.bundle.model, self.bundle.manifest).score(tensor)
        return ViewRecord(
            view=view, input_sha256=hashlib.sha256(tensor.data).hexdigest(), score=score
        )

    def keep(self, record: InspectionRecord) -> None:
        kept = ImageStore(self.config.images_dir).keep(self.image)
        db = LedgerDb.open(self.config.ledger_path, "box", lambda: "epoch", SystemClock())
        images = [
            KeepImage(
                ImageEvent(
                    inspection_id="I1", view=view.view, sha256=kept.sha256, bytes=kept.bytes,
                    send=True, at=NOW,
                ),
                record.verdict,
            )
            for view in record.views
        ]  # fmt: skip
        recipe = SetMeta(f"recipe:{self.recipe.sha256}", self.recipe.model_dump_json())
        db.commit([recipe, OpenPart(record), ClosePart(record, answer_of(record, 60)), *images])
        db.close()

    def record(self, **more: object) -> InspectionRecord:
        views = more.pop("views")
        return InspectionRecord(
            inspection_id="I1", part_id="P1", seq=1, recipe="disc",
            recipe_sha256=self.recipe.sha256, model="toy-1",
            model_sha256=self.bundle.manifest.sha256, config_sha256=SHA, level=Level.PARTIAL,
            triggered_at=NOW, deadline_ms=300, latency_ms=20.0, views=views, **more,
        )  # type: ignore[arg-type]  # fmt: skip


def test_part_that_a_person_passed_is_explained(tmp_path: Path) -> None:
    rig = Recorded(tmp_path, ("main",))
    view = rig.scored("main")
    assert view.score is not None and 0.4 < view.score < 0.6  # the model left it open
    rig.keep(
        rig.record(
            verdict=Verdict.PASS, by=By.HUMAN, score=view.score, opinion=Verdict.REVIEW,
            revision=2, views=(view,),
        )
    )  # fmt: skip
    assert explain(rig.config, "I1").same is True


def test_part_with_one_stale_view_is_explained(tmp_path: Path) -> None:
    rig = Recorded(tmp_path, ("top", "side"))
    rig.keep(
        rig.record(
            verdict=Verdict.REWORK, by=By.FAILSAFE, reasons=(Reason.STALE_FRAME,), revision=1,
            views=(rig.scored("top"), ViewRecord(view="side", problem="exposed before")),
        )
    )  # fmt: skip
    assert explain(rig.config, "I1").same is True


# ---- jobs ----


def test_page_that_answers_nonsense_is_not_alive(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"this is no status line\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        config = Recorded(tmp_path, ("main",)).config
        page = config.page.model_copy(update={"port": server.getsockname()[1]})
        try:
            assert not page_alive(config.model_copy(update={"page": page}))
        finally:
            thread.join()
