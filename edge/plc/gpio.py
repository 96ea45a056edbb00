"""The wires: lines of a GPIO chip through libgpiod, which is loaded when a station has them.

What a line does when its process is gone, only the chip's driver knows (docs/plc.md): nothing
here relies on it.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from edge.config.gpio import Gpio, Input
from edge.core.errors import GpioError
from edge.plc.odometer import EdgeNumbers
from edge.plc.panel import Edge, Missed

if TYPE_CHECKING:
    from gpiod import EdgeEvent, LineSettings
    from gpiod.line import Value

    Config = dict[Iterable[int | str] | int | str, LineSettings | None]

BUFFER = 1024  # edges that the kernel keeps for us
CONSUMER = "linegate"


class Request(Protocol):
    """What is used of a gpiod.LineRequest."""

    @property
    def fd(self) -> int: ...
    def get_value(self, line: int | str) -> "Value": ...
    def set_values(self, values: "dict[int | str, Value]") -> None: ...
    def read_edge_events(self, max_events: int | None = None) -> "list[EdgeEvent]": ...
    def release(self) -> None: ...


class RequestLines(Protocol):
    """gpiod.request_lines, or a chip that plays one."""

    def __call__(
        self,
        path: str,
        config: "Config",
        consumer: str | None = None,
        event_buffer_size: int | None = None,
    ) -> Request: ...


def libgpiod(
    path: str,
    config: "Config",
    consumer: str | None = None,
    event_buffer_size: int | None = None,
) -> Request:
    """The box's own chips."""
    import gpiod

    return gpiod.request_lines(path, config, consumer, event_buffer_size)


class Wires:
    """Not thread-safe."""

    def __init__(
        self, settings: Gpio, levels: Mapping[str, bool], request_lines: RequestLines
    ) -> None:
        """The outputs show `levels` from their first moment on. Raises GpioError."""
        self._inputs = _input_lines(settings)
        self._names = {line: name for name, line in self._inputs.items()}
        self._outputs = {name: output.line for name, output in settings.outputs.items()}
        self._shown = {name: levels[name] for name in self._outputs}
        self._numbers = EdgeNumbers()
        self._out = self._in = None
        try:
            if self._outputs:
                self._out = request_lines(settings.chip, _driven(settings, self._shown), CONSUMER)
            if self._inputs:
                self._in = request_lines(settings.chip, _read(settings), CONSUMER, BUFFER)
        except ImportError as error:
            raise GpioError(
                f"[gpio] needs libgpiod: pip install 'linegate[pi]': {error}"
            ) from error
        except (OSError, ValueError) as error:
            self.close()
            raise GpioError(
                f"gpio.chip {settings.chip}: {error}: compare its lines with `gpioinfo`, see who "
                "holds them, and whether this user is in the group gpio"
            ) from error

    @property
    def fd(self) -> int | None:
        """Readable when there are edges; none without inputs."""
        return None if self._in is None else self._in.fd

    def active(self, name: str) -> bool:
        """How an input stands now. Raises OSError."""
        return self._in is not None and bool(self._in.get_value(self._inputs[name]))

    def edges(self) -> Iterator[Edge | Missed]:
        """What came, in order; call it when `fd` is readable. Raises OSError."""
        for event in self._in.read_edge_events() if self._in is not None else ():
            if not self._numbers.follows(event.global_seqno):
                yield Missed("the kernel's buffer of edges ran over")
            rising = event.event_type is event.Type.RISING_EDGE
            yield Edge(self._names[event.line_offset], rising, event.timestamp_ns)

    def drive(self, levels: Mapping[str, bool]) -> None:
        """Make the outputs show these, as far as they are wired. Raises OSError."""
        changed = {
            name: active
            for name, active in levels.items()
            if name in self._shown and self._shown[name] is not active
        }
        if changed and self._out is not None:
            self._out.set_values({self._outputs[n]: _value(on) for n, on in changed.items()})
            self._shown |= changed

    def close(self) -> None:
        for request in (self._in, self._out):
            if request is not None:
                request.release()
        self._in = self._out = None


def _input_lines(settings: Gpio) -> dict[str, int]:
    lines = {name: wired.line for name, wired in settings.inputs.items()}
    if settings.encoder is not None:
        lines["a"] = settings.encoder.a
        if settings.encoder.b is not None:
            lines["b"] = settings.encoder.b
    return lines


def _value(active: bool) -> "Value":
    from gpiod.line import Value

    return Value.ACTIVE if active else Value.INACTIVE


def _driven(settings: Gpio, levels: Mapping[str, bool]) -> "Config":
    from gpiod import LineSettings
    from gpiod.line import Direction

    return {
        output.line: LineSettings(
            direction=Direction.OUTPUT,
            active_low=output.active_low,
            output_value=_value(levels[name]),
        )
        for name, output in settings.outputs.items()
    }


def _read(settings: Gpio) -> "Config":
    """Buttons and barriers are debounced by the kernel; an encoder never is."""
    config: Config = {wired.line: _sensor(wired) for wired in settings.inputs.values()}
    encoder = settings.encoder
    if encoder is not None:
        channel = Input(line=encoder.a, pull=encoder.pull, debounce_ms=0)
        config[encoder.a] = _sensor(channel, both_edges=encoder.b is not None)
        if encoder.b is not None:
            config[encoder.b] = _sensor(channel, both_edges=True)
    return config


def _sensor(wired: Input, both_edges: bool = False) -> "LineSettings":
    from gpiod import LineSettings
    from gpiod.line import Bias, Direction, Edge

    pulls = {"none": Bias.DISABLED, "up": Bias.PULL_UP, "down": Bias.PULL_DOWN}
    return LineSettings(
        direction=Direction.INPUT,
        edge_detection=Edge.BOTH if both_edges else Edge.RISING,
        bias=pulls[wired.pull],
        active_low=wired.active_low,
        debounce_period=timedelta(milliseconds=wired.debounce_ms),
    )
