"""The outputs' thread on a fake chip: real time, real pipe, no hardware."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from plc.chip import FakeChip, history
from plc.test_gpio import BUTTON, CONFIRM, DIVERTER, GREEN, RED, TRIGGER, WATCHDOG, gpio

from edge.clock import SystemClock
from edge.config import Gpio
from edge.core.messages import (
    By,
    StateMessage,
    StateWord,
    Trigger,
    TriggerAck,
    Verdict,
    VerdictMessage,
)
from edge.plc import panel
from edge.plc.output import INBOX, Outputs, WiredLine

FAST = {  # a whole way in 120 ms
    "encoder": None,
    "belt_mm_s": 1000.0,
    "diverter": {"line": DIVERTER, "at_mm": 120, "window_mm": 20, "min_gap_mm": 60},
}


UNTIL = datetime(2026, 1, 1, tzinfo=UTC)


class Rig:
    """The outputs on their chip, and what they said."""

    def __init__(self, folder: Path, **more: object) -> None:
        self.chip = FakeChip(folder)
        self.parts: list[Trigger] = []
        self.locks: list[str | None] = []
        self.deaf = 0  # so often nobody hears of a lock
        self.died = threading.Event()
        settings: Gpio = gpio(**{**FAST, **more})
        self.outputs = Outputs(settings, 250, "run1", None, self.chip.request_lines, SystemClock())

    def start(self) -> None:
        self.outputs.start(self.parts.append, self._locked, self.died.set)
        self.outputs.post(panel.Shown(StateWord.READY))
        self.beat()
        time.sleep(0.4)  # what lay on the belt has left

    def beat(self, counter: int = 1) -> None:
        self.outputs.post(panel.Beat(counter))

    def answer(self, trigger: Trigger, verdict: Verdict = Verdict.PASS) -> None:
        message = VerdictMessage(
            part_id=trigger.part_id, seq=trigger.seq, inspection_id="i", verdict=verdict,
            by=By.MODEL, recipe="disc", latency_ms=1.0, valid_until=UNTIL,
        )  # fmt: skip
        self.outputs.post(panel.Answered(message, None))

    def _locked(self, why: str | None) -> bool:
        self.deaf -= 1
        if self.deaf < 0:
            self.locks.append(why)
        return self.deaf < 0


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    rig.start()
    yield rig
    rig.outputs.close()
    rig.chip.close()


def soon(ask: Callable[[], object]) -> None:
    until = time.monotonic() + 10
    while not ask():
        assert time.monotonic() < until
        time.sleep(0.002)


def test_passed_part_opens_the_diverter_once_and_it_closes_behind_it(rig: Rig) -> None:
    rig.chip.edge(TRIGGER)
    soon(lambda: rig.parts)
    rig.answer(rig.parts[0])
    soon(lambda: history(rig.chip.shown, DIVERTER) == [False, True, False])


def test_rejected_part_leaves_the_diverter_at_rest(rig: Rig) -> None:
    rig.chip.edge(TRIGGER)
    soon(lambda: rig.parts)
    rig.answer(rig.parts[0], Verdict.REWORK)
    soon(lambda: rig.locks == [f"part {rig.parts[0].part_id} was not seen to leave"])
    assert history(rig.chip.shown, DIVERTER) == [False]


def test_lock_is_told_until_it_is_heard_and_the_button_ends_it(rig: Rig) -> None:
    rig.deaf = 2
    rig.chip.edge(CONFIRM)  # nothing was rejected
    soon(lambda: rig.locks)
    assert "that was not rejected" in str(rig.locks[0])
    soon(lambda: rig.chip.levels[RED])
    rig.chip.edge(BUTTON)
    soon(lambda: rig.locks[1:] == [None])
    rig.beat()
    soon(lambda: rig.chip.levels[GREEN])


def test_watchdog_toggles_with_the_beats_and_stops_with_them(rig: Rig) -> None:
    for counter in range(2, 6):
        rig.beat(counter)
        time.sleep(0.01)
    soon(lambda: history(rig.chip.shown, WATCHDOG) == [False, True, False, True, False, True])
    soon(lambda: rig.chip.levels[RED])  # a second without a beat
    assert history(rig.chip.shown, WATCHDOG)[-1] is True


def test_close_leaves_safe_levels_and_gives_the_lines_back(rig: Rig) -> None:
    soon(lambda: rig.chip.levels[GREEN])
    rig.outputs.close()
    on = [line for line, level in rig.chip.levels.items() if level]
    assert on == [RED] and all(asked.request.released for asked in rig.chip.asked)


def test_outputs_that_never_started_are_closed_all_the_same(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.outputs.close()
    assert all(asked.request.released for asked in rig.chip.asked)
    rig.chip.close()


def test_chip_that_fails_is_told_once(rig: Rig) -> None:
    def unplugged(values: object) -> None:
        raise OSError(19, "No such device")

    for asked in rig.chip.asked:
        asked.request.set_values = unplugged  # type: ignore[method-assign]
    rig.beat(2)
    assert rig.died.wait(10)
    assert all(asked.request.released for asked in rig.chip.asked)


def test_words_that_find_no_room_clear_the_belt(tmp_path: Path) -> None:
    rig = Rig(tmp_path, diverter={**FAST["diverter"], "moves": "reject"})  # type: ignore[dict-item]
    rig.start()
    soon(lambda: history(rig.chip.shown, DIVERTER) == [True, False])
    go_on = hang(rig)
    rig.beat(2)
    for _ in range(2 * INBOX):
        rig.outputs.post(panel.Tick())
    go_on.set()
    soon(lambda: history(rig.chip.shown, DIVERTER)[2:] == [True, False])
    rig.outputs.close()
    rig.chip.close()


def hang(rig: Rig) -> threading.Event:
    """The chip does not come back from a call until the event is set."""
    go_on = threading.Event()
    for asked in rig.chip.asked:
        set_values = asked.request.set_values
        asked.request.set_values = (  # type: ignore[method-assign]
            lambda values, real=set_values: go_on.wait(30) and real(values)
        )
    return go_on


def test_posting_does_not_wait_for_a_chip_that_hangs(rig: Rig) -> None:
    """Nothing that an output does can hold up the inspection loop."""
    go_on = hang(rig)
    for counter in range(2, 1000):
        rig.beat(counter)
    assert not go_on.is_set() and rig.outputs._thread.is_alive()
    go_on.set()


class Link:
    """Counts what goes on to the PLC."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self.calls.append(name)


def test_line_tells_both_the_plc_and_the_outputs(rig: Rig) -> None:
    link = Link()
    line = WiredLine(link, rig.outputs)  # type: ignore[arg-type]
    rig.chip.edge(TRIGGER)
    soon(lambda: rig.parts)
    line.publish_state(StateMessage(state=StateWord.READY))
    line.heartbeat(2)
    line.publish_verdict(
        VerdictMessage(
            part_id=rig.parts[0].part_id, seq=1, inspection_id="i", verdict=Verdict.PASS,
            by=By.MODEL, recipe="disc", latency_ms=1.0, valid_until=UNTIL,
        ),
        None,
    )  # fmt: skip
    line.publish_ack(TriggerAck(part_id="A", seq=1, accepted=True))
    line.alarm("x", None)
    assert link.calls == [
        "publish_state", "heartbeat", "publish_verdict", "publish_ack", "alarm",
    ]  # fmt: skip
    soon(lambda: True in history(rig.chip.shown, DIVERTER))
