"""The run of a replay: one part after another through the real loop, ledger and predictor."""

import queue
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge import build
from edge.camera.frame_list import ReplayRow
from edge.checks import require_model
from edge.config import Camera, ReplaySettings, StationConfig, load_recipes
from edge.core.clock import Clock
from edge.core.errors import LinegateError
from edge.core.messages import Trigger, VerdictMessage
from edge.gate.events import Triggered
from edge.gate.loop import InspectionLoop
from edge.gate.passing import Passing
from edge.predict.client import PredictClient
from edge.replay.line import DirectLine
from edge.store.reader import LedgerReader
from edge.supervisor import Supervisor, Task, own_command

START_S = 30.0  # for predictor and camera, on a busy box
PATIENCE_S = 120.0  # for one part; the deadline answers long before


@dataclass(frozen=True, slots=True)
class Judged:
    """One frame of the list and what the gate said; the score as it stands in the ledger."""

    row: ReplayRow
    verdict: VerdictMessage
    score: float | None


def over_frames(config: StationConfig, frames: ReplaySettings, state_dir: Path) -> StationConfig:
    """The station, looking at recorded frames through every camera, with its memory elsewhere."""
    cameras = tuple(
        Camera(name=camera.name, kind="replay", replay=frames, grab_timeout_ms=60_000)
        for camera in config.camera
    )
    gate = config.gate.model_copy(update={"max_waiting": 10_000})
    plc = config.plc.model_copy(update={"silent_after": 1_000_000_000})  # nobody echoes here
    predict = config.predict.model_copy(update={"socket": state_dir / "predict.sock"})
    return config.model_copy(
        update={
            "state_dir": state_dir,
            "camera": cameras,
            "gate": gate,
            "plc": plc,
            "predict": predict,
        }
    )


def judge_all(
    config: StationConfig, rows: list[ReplayRow], deadline_ms: int, clock: Clock
) -> Iterator[Judged]:
    """Judge every row in order. Raises ConfigError if the recipe's model is missing or damaged,
    LinegateError if the gate does not get ready (`degraded` will do) or a part gets no verdict."""
    require_model(config, load_recipes(config)[config.gate.recipe])
    line = DirectLine()
    with (
        _predictor(config),
        build.memory(config, clock) as kept,
        build.inspection_loop(config, kept, line, lambda *_: None, Passing(), clock) as loop,
        _running(loop),
    ):
        _wait_until_ready(line)
        reader = LedgerReader(config.ledger_path)
        for seq, row in enumerate(rows):
            trigger = Trigger(part_id=row.part_id, seq=seq, deadline_ms=deadline_ms)
            verdict = _one(loop, line, trigger, clock)
            kept_row = reader.inspection(verdict.inspection_id)
            yield Judged(row, verdict, None if kept_row is None else kept_row.score)


def _one(loop: InspectionLoop, line: DirectLine, trigger: Trigger, clock: Clock) -> VerdictMessage:
    loop.post(Triggered(trigger, clock.now()))
    try:
        return line.verdicts.get(timeout=PATIENCE_S)
    except queue.Empty:
        refused = None if line.refused.empty() else line.refused.get_nowait().refused
        why = f"the trigger was refused: {refused}" if refused else "no verdict came"
        raise LinegateError(f"part {trigger.part_id}: {why}") from None


@contextmanager
def _running(loop: InspectionLoop) -> Iterator[None]:
    thread = threading.Thread(target=loop.run, name="inspection", daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.stop()
        thread.join(timeout=10.0)


def _wait_until_ready(line: DirectLine) -> None:
    until = time.monotonic() + START_S
    while line.state is None or not line.state.state.decides:
        if time.monotonic() > until:
            cause = line.state.cause if line.state else "the loop does not run"
            raise LinegateError(f"the gate is not ready after {START_S:.0f} s: {cause}")
        time.sleep(0.02)


@contextmanager
def _predictor(config: StationConfig) -> Iterator[None]:
    """The station's model in a predictor process of its own."""
    bundle = config.predict.models
    command = own_command(
        "job", "predict", "--model", str(bundle), "--socket", str(config.predict_socket)
    )

    def alive() -> bool:
        with PredictClient(config.predict_socket) as client:
            return client.alive(0.5)

    supervisor = Supervisor([Task("predict", command, alive)], logs=config.state_dir)
    supervisor.start()
    try:
        yield
    finally:
        supervisor.stop()


@contextmanager
def state_folder(keep: Path | None) -> Iterator[Path]:
    """A folder for ledger and images: the one given, or one that is removed afterwards."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    folder = Path(tempfile.mkdtemp(prefix="linegate-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
