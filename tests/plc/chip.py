"""A GPIO chip without a chip: gpiod's own settings and events, over a pipe and a file.

What it knows of a line it knows from the settings that the product gave it. Levels are logical,
as libgpiod's are. Another process may hold the other ends: `script` says which edges come,
`shown` gets one JSON object for every change of outputs.
"""

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import gpiod
from gpiod.line import Direction, Value

Config = dict[Iterable[int | str] | int | str, gpiod.LineSettings | None]


class FakeRequest:
    """Lines that were asked for together."""

    def __init__(self, chip: "FakeChip", config: dict[int, gpiod.LineSettings]) -> None:
        self.config = config
        self.released = False
        self._chip = chip
        self._seqno = 0

    @property
    def fd(self) -> int:
        return self._chip.fifo

    def get_value(self, line: int | str) -> Value:
        assert line in self.config
        return Value.ACTIVE if line in self._chip.up else Value.INACTIVE

    def set_values(self, values: dict[int | str, Value]) -> None:
        assert not self.released
        for line, value in values.items():
            assert self.config[int(line)].direction is Direction.OUTPUT
            self._chip.levels[int(line)] = bool(value)
        self._chip.say()

    def read_edge_events(self, max_events: int | None = None) -> list[gpiod.EdgeEvent]:
        """The pipe holds `LINE rising|falling NANOSECONDS|now`, and `lost N`."""
        events = []
        for word in os.read(self._chip.fifo, 65_536).decode().splitlines():
            match word.split():
                case ["lost", number]:
                    self._seqno += int(number)
                case [line, kind, at]:
                    events.append(self._event(int(line), kind, at))
        return events

    def _event(self, line: int, kind: str, at: str) -> gpiod.EdgeEvent:
        self._seqno = (self._seqno + 1) % 2**32
        types = gpiod.EdgeEvent.Type
        type_ = types.RISING_EDGE if kind == "rising" else types.FALLING_EDGE
        at_ns = time.monotonic_ns() if at == "now" else int(at)
        return gpiod.EdgeEvent(type_.value, at_ns, line, self._seqno, self._seqno)

    def release(self) -> None:
        self.released = True


@dataclass(frozen=True)
class Asked:
    path: str
    consumer: str | None
    event_buffer_size: int | None
    request: FakeRequest


class FakeChip:
    """`folder` holds its two ends."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "script"
        self.shown = folder / "shown"
        if not self.script.exists():
            os.mkfifo(self.script)
        self.fifo = os.open(self.script, os.O_RDWR | os.O_NONBLOCK)
        self.levels: dict[int, bool] = {}
        self.up: set[int] = set()  # inputs that are active before anything happens
        self.asked: list[Asked] = []

    def request_lines(
        self,
        path: str,
        config: Config,
        consumer: str | None = None,
        event_buffer_size: int | None = None,
    ) -> FakeRequest:
        lines = {int(line): settings for line, settings in config.items() if settings}  # type: ignore[call-overload]
        request = FakeRequest(self, lines)
        self.asked.append(Asked(path, consumer, event_buffer_size, request))
        for line, settings in lines.items():
            if settings.direction is Direction.OUTPUT:
                self.levels[line] = bool(settings.output_value)
        self.say()
        return request

    def edge(self, line: int, kind: str = "rising", at: int | str = "now") -> None:
        os.write(self.fifo, f"{line} {kind} {at}\n".encode())

    def lose(self, edges: int) -> None:
        os.write(self.fifo, f"lost {edges}\n".encode())

    def say(self) -> None:
        with self.shown.open("a") as file:
            file.write(json.dumps(self.levels) + "\n")

    def close(self) -> None:
        os.close(self.fifo)


def history(shown: Path, line: int) -> list[bool]:
    """How an output went, from its first moment on."""
    levels = [json.loads(row)[str(line)] for row in shown.read_text().splitlines() if row]
    return [now for n, now in enumerate(levels) if n == 0 or now != levels[n - 1]]
