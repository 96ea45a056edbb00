"""The face of every camera: open it, grab frames, close it."""

from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from edge.core.preprocess import Image


@dataclass(frozen=True, slots=True)
class Shot:
    """Which picture is wanted. A real camera needs only the time; a virtual one also knows by
    `part_id` which part stands in front of it."""

    part_id: str
    view: str
    triggered_at_ns: int
    lead_ns: int = 0  # a sensor on the line may trigger the camera before the PLC tells us

    @property
    def not_before_ns(self) -> int:
        """What was exposed earlier shows another part."""
        return self.triggered_at_ns - self.lead_ns


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One exposure. `image` is BGR uint8 of shape (H, W, 3) or grey (H, W), owned by the caller."""

    image: Image
    seq: int  # the camera's counter; a gap is a dropped frame, a repeat a frozen one
    exposed_at_ns: int  # CLOCK_MONOTONIC at the start of exposure
    encoder: int | None = None  # the belt's, at the first line: of a line-scan camera that tells


class FrameSource(Protocol):
    """A camera. Not thread-safe: one thread opens, grabs and closes."""

    @property
    def live(self) -> bool:
        """Whether two exposures can never be bit-equal (sensor noise): if they are, it froze."""
        ...

    def __enter__(self) -> Self:
        """Open the camera; afterwards it can be grabbed. Raises CameraLost."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Close it, whatever its state."""
        ...

    def grab(self, shot: Shot, timeout_s: float) -> Frame:
        """Return an exposure of this shot. Raises CameraTimeout (ask again) or CameraLost
        (reopen)."""
        ...


@runtime_checkable
class KeepsCount(Protocol):
    """A camera that knows what went wrong on the way: frames missed, packets sent again."""

    def counts(self) -> dict[str, int]:
        """By name (docs/cameras.md), since it was opened; empty while it is closed."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class FrameTruth:
    """What a frame really shows. It travels beside the frame, never in it: the gate must not
    know. An empty word: not known."""

    label: int | None  # 0 good, 1 defective, as far as this view shows it
    defect_kind: str = ""
    mask: Image | None = None  # (H, W), 255 on the defect
    group: str = ""  # pictures that must stay together: one part's, one lot's
    domain: str = ""  # lot or light: under which circumstances


@runtime_checkable
class KnowsTruth(Protocol):
    """A source whose frames come with the truth: the simulator, recorded frames with labels."""

    def truth(self, shot: Shot) -> FrameTruth:
        """The truth about a shot of this source."""
        ...
