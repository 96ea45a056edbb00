"""Builds the gate out of its rooms. `jobs.py` and `replay` start what is built here."""

import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from edge.camera.lateness import camera_delay_ms
from edge.camera.opening import steady_camera
from edge.config import StationConfig, load_recipes
from edge.core.clock import Clock
from edge.core.manifest import Manifest
from edge.core.messages import Level, Trigger, VerdictMessage
from edge.core.orders import Answer
from edge.core.recipe import MAX_VIEWS
from edge.core.topics import LineTopics
from edge.gate.album import Album
from edge.gate.checkup import Checkup
from edge.gate.control import ControlServer
from edge.gate.doorway import incoming
from edge.gate.events import Triggered
from edge.gate.eye import Eye
from edge.gate.eye_thread import EyeThread
from edge.gate.judge import Judge
from edge.gate.lanes import Lanes
from edge.gate.ledger import Ledger
from edge.gate.loop import Died, InspectionLoop, Line
from edge.gate.outcomes import of_note
from edge.gate.pace import LANES
from edge.gate.passing import Passing
from edge.gate.recovery import closures, owed
from edge.gate.rules import Limits, rules_of
from edge.gate.sight import Noticed, Sight
from edge.gate.standing import CHALLENGE_FAILED, Standing
from edge.plc.gpio import RequestLines, libgpiod
from edge.plc.inbound import BadMessage
from edge.plc.link import LinkEvent, PlcLink
from edge.plc.output import Outputs, WiredLine
from edge.plc.panel import Arrived
from edge.predict.bundle import find_bundles
from edge.predict.client import PredictClient
from edge.store.ballast import Ballast
from edge.store.image_writer import ImageWriter
from edge.store.images import ImageStore
from edge.store.ledger_db import LedgerDb
from edge.store.opening import LedgerDamaged
from edge.store.reader import LedgerReader
from edge.store.retention import Mode, Retention, mode_of
from edge.store.writer import Writer
from edge.store.writes import SetMeta, Write
from edge.sync.sync_db import DeliveredReader
from edge.watch.camera_health import CameraHealth
from edge.watch.conditions import Conditions

REJECT_UNCONFIRMED = "reject_unconfirmed"  # the cause, and where the ledger remembers it


@dataclass(frozen=True, slots=True)
class Memory:
    """The ledger's writer and the image keeper, each with its thread, and how they were found."""

    writer: Writer
    images: ImageWriter
    level: Level
    recipe: str
    meta: Mapping[str, str]  # all that lasts in the ledger, as it was at the start
    causes: tuple[tuple[str, str], ...]  # that hold from the start: code, detail
    owed: tuple[VerdictMessage, ...]  # ends that the line has not heard yet


@contextmanager
def memory(config: StationConfig, clock: Clock) -> Iterator[Memory]:
    """Open ledger and images; parts that were left open are closed as rework first."""
    config.state_dir.mkdir(parents=True, exist_ok=True)
    ballast = Ballast(config.state_dir / "ballast", config.store.ballast_mb * 1024 * 1024)
    if mode_of(_free_bytes(config.state_dir), config.store) is Mode.RECORDS_ONLY:
        ballast.release()  # a full disk has not even room to open the ledger
    ledger, damaged = _open_ledger(config, clock)
    with ExitStack() as undo:
        undo.callback(ledger.close)
        open_parts = ledger.unanswered()
        left = closures(open_parts)
        careful = [SetMeta("level", Level.HUMAN)] if damaged else []  # also after a restart
        ledger.commit([*left, *_settings_kept(config), *careful])
        meta = ledger.meta
        undo.pop_all()
    has_button = config.gpio is not None and config.gpio.acknowledge is not None
    writer = Writer(ledger)
    images = _image_writer(config, writer, ballast, clock)
    writer.start()
    images.start()
    try:
        yield Memory(
            writer,
            images,
            Level(meta.get("level", config.gate.level)),
            meta.get("recipe", config.gate.recipe),
            meta,
            _causes_from_before(meta, damaged, has_button),
            tuple(owed(open_parts, left)),
        )
    finally:
        images.close()
        writer.close()


def _settings_kept(config: StationConfig) -> list[Write]:
    """The recipes themselves, by hash: `explain` needs the one that a part was judged by."""
    recipes = load_recipes(config).values()
    return [SetMeta(f"recipe:{recipe.sha256}", recipe.model_dump_json()) for recipe in recipes]


def _causes_from_before(
    meta: Mapping[str, str], damaged: str | None, has_button: bool
) -> tuple[tuple[str, str], ...]:
    """A restart clears nothing that a person must; a station that was rebuilt has no button."""
    causes = [("ledger_damaged", damaged)] if damaged else []
    latched = [CHALLENGE_FAILED, *([REJECT_UNCONFIRMED] if has_button else [])]
    return (*causes, *((code, meta[code]) for code in latched if meta.get(code)))


def _open_ledger(config: StationConfig, clock: Clock) -> tuple[LedgerDb, str | None]:
    """A damaged ledger is moved aside: parts get verdicts at once, by persons until one of them
    raises the level again, and the station says so."""
    where, device = config.ledger_path, config.station.device
    try:
        return LedgerDb.open(where, device, new_epoch, clock), None
    except LedgerDamaged as error:
        return LedgerDb.open(where, device, new_epoch, clock, recover=True), error.damage


def _image_writer(
    config: StationConfig, writer: Writer, ballast: Ballast, clock: Clock
) -> ImageWriter:
    store = ImageStore(config.images_dir)
    reader = LedgerReader(config.ledger_path)
    retention = Retention(
        store,
        reader,
        writer.commit,
        config.store,
        ballast,
        lambda: _free_bytes(config.state_dir),
        DeliveredReader(config.sync_path).image_delivered,
        clock,
    )
    return ImageWriter(store, reader, retention, writer.submit, clock)


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@contextmanager
def inspection_loop(
    config: StationConfig,
    kept: Memory,
    line: Line,
    reply: Callable[[int, Answer], None],
    passing: Passing,
    clock: Clock,
    dead: Callable[[], str | None] = lambda: None,
) -> Iterator[InspectionLoop]:
    """The loop with its eye and lanes, ready to `run`. `passing` hears of every trigger; `dead`
    names another thread that ended or hangs."""
    manifests = {n: e.manifest for n, e in find_bundles(config.predict.models).newest.items()}
    recipes = load_recipes(config)
    rules = rules_of(recipes, manifests)
    recipe = kept.recipe if kept.recipe in recipes else config.gate.recipe
    standing = Standing(kept.level, recipe)
    checkup = Checkup(
        CameraHealth(kept.meta), recipes, lambda said: loop.post(said), kept.writer.submit, clock
    )
    thread: EyeThread
    loop = InspectionLoop(
        ledger=Ledger(rules, standing, _limits(config), config.sha256, new_inspection_id),
        conditions=Conditions(needed={*(camera.name for camera in config.camera), "model"}),
        line=line,
        store=kept.writer,
        album=Album(kept.images, config.store.keep_passes, clock),
        checkup=checkup,
        look=lambda request: thread.look(request),
        reply=reply,
        models={name: rule.model for name, rule in rules.items() if rule.model is not None},
        clock=clock,
        heartbeat_ms=config.gate.heartbeat_ms,
        dead=lambda: _dead(thread, lanes, kept.writer) or dead(),
        owed=kept.owed,
    )
    loop.post(Noticed(raised=kept.causes))
    checkup.start()
    try:
        models = {recipe.model for recipe in recipes.values()}
        with _eye(config, manifests, models, loop.post, passing, clock) as (thread, lanes):
            yield loop
    finally:
        checkup.close()


@contextmanager
def _eye(
    config: StationConfig,
    manifests: Mapping[str, Manifest],
    models: Collection[str],
    post: Callable[[Sight | Noticed | Died], object],
    passing: Passing,
    clock: Clock,
) -> Iterator[tuple[EyeThread, Lanes]]:
    """The threads that look: one takes the frames, the lanes judge them."""
    room, socket = config.gate.max_in_flight, config.predict_socket
    cameras = {camera.name: steady_camera(camera, clock) for camera in config.camera}
    timeouts_s = {camera.name: camera.grab_timeout_ms / 1000 for camera in config.camera}
    delays_ms = {camera.name: camera_delay_ms(camera) for camera in config.camera}
    with ExitStack() as stack:
        server, *lane_clients = (
            stack.enter_context(PredictClient(socket)) for _ in range(1 + LANES)
        )
        eye = Eye(cameras, timeouts_s, delays_ms, server, models, clock)
        thread = EyeThread(eye, cameras, lambda taken: lanes.take(taken), post, room, clock)
        judge, next_ns = Judge(manifests, clock), passing.next_trigger_ns
        lanes = Lanes(judge, lane_clients, next_ns, post, room * MAX_VIEWS, clock)
        stack.callback(lanes.close)
        stack.callback(thread.close)
        lanes.start()
        thread.start()
        yield thread, lanes


def _limits(config: StationConfig) -> Limits:
    return Limits(
        config.gate.max_in_flight,
        config.gate.max_waiting,
        config.gate.answer_margin_ms,
        config.plc.silent_after,
    )


@contextmanager
def gate(
    config: StationConfig, clock: Clock, request_lines: RequestLines = libgpiod
) -> Iterator[InspectionLoop]:
    """The whole gate of a station, linked to its line, its wires and its control socket.
    `request_lines` is the GPIO chip, if not the box's own."""
    posts: list[Callable[..., object]] = []

    def hear(said: LinkEvent) -> None:
        heard_ns = clock.monotonic_ns()
        if isinstance(said, Trigger):
            passing.heard(heard_ns, (said.part_id, said.seq))
            if outputs is not None:
                outputs.post(Arrived((said.part_id, said.seq)))
        elif isinstance(said, BadMessage) and said.topic == topics.trigger:
            passing.heard(heard_ns)
        message = incoming(said, clock.now(), heard_ns)
        if message is not None:
            posts[0](message)

    passing, topics = Passing(), LineTopics(config.station.topic_prefix)
    link = PlcLink(config.plc, topics, hear, clock, Random())
    control = ControlServer(config.control_socket, lambda message: bool(posts[0](message)), clock)
    with (
        memory(config, clock) as kept,
        _outputs(config, kept, request_lines, clock) as outputs,
        inspection_loop(
            config,
            kept,
            link if outputs is None else WiredLine(link, outputs),
            control.reply,
            passing,
            clock,
            lambda: "the outputs" if outputs is not None and outputs.hangs else None,
        ) as loop,
    ):
        posts.append(loop.offer)
        if outputs is not None:
            _start(outputs, loop, kept, passing, clock)
        link.start()
        control.start()
        try:
            yield loop
        finally:
            control.close()
            link.close()


@contextmanager
def _outputs(
    config: StationConfig, kept: Memory, request_lines: RequestLines, clock: Clock
) -> Iterator[Outputs | None]:
    if config.gpio is None:
        yield None
        return
    locked = dict(kept.causes).get(REJECT_UNCONFIRMED)
    run = secrets.token_hex(4)
    outputs = Outputs(config.gpio, config.gate.heartbeat_ms, run, locked, request_lines, clock)
    try:
        yield outputs
    finally:
        outputs.close()


def _start(
    outputs: Outputs, loop: InspectionLoop, kept: Memory, passing: Passing, clock: Clock
) -> None:
    """From now on the outputs hear of parts and tell the loop."""

    def locked(why: str | None) -> bool:
        cause = Noticed(cleared=(REJECT_UNCONFIRMED,))
        if why is not None:
            cause = Noticed(raised=((REJECT_UNCONFIRMED, why),))
        lasting = SetMeta(REJECT_UNCONFIRMED, why or "")
        return loop.post(cause) and kept.writer.submit((lasting,), of_note)

    def arrived(trigger: Trigger) -> None:
        heard_ns = clock.monotonic_ns()
        passing.heard(heard_ns, (trigger.part_id, trigger.seq))
        loop.offer(Triggered(trigger, clock.now(), heard_ns))

    outputs.start(
        on_part=arrived,
        on_lock=locked,
        on_death=lambda: loop.post(Died("the outputs")),
    )


def _dead(eye: EyeThread, lanes: Lanes, writer: Writer) -> str | None:
    if eye.hangs():
        return "the eye"
    if lanes.hang():
        return "a thread that judges"
    return None if writer.alive else "the ledger's writer"


def new_inspection_id() -> str:
    """64 random bits: unique on a device for longer than it lives, short for a PLC's strings."""
    return secrets.token_hex(8)


def new_epoch() -> str:
    return secrets.token_hex(8)
