"""A camera that gets up again: reopened when it is lost, exposed when it is frozen."""

from collections import Counter
from typing import Self

import numpy as np
import structlog
from numpy.typing import NDArray

from edge.camera.source import Frame, FrameSource, KeepsCount, Shot
from edge.core.clock import Clock, ns
from edge.core.errors import CameraError, CameraFrozen, CameraLost, CameraTimeout
from edge.core.preprocess import Image

BACKOFF_S = (0.2, 0.5, 1.0, 2.0)  # between attempts to reopen; the last one repeats
TIMEOUTS_IN_A_ROW = 3  # then it is reopened, too: some drivers hang until they are
_ROW_STEP = 7  # of the rows that are compared: noise differs in any of them

_log = structlog.get_logger()


class SteadyCamera:
    """A FrameSource around another one. Entering never raises: a camera that is not there yet
    is reopened by later calls of `probe` or `grab`, never more often than BACKOFF_S allows."""

    def __init__(self, camera: FrameSource, name: str, clock: Clock) -> None:
        self._camera = camera
        self._name = name
        self._clock = clock
        self._open = False
        self._attempts = 0
        self._retry_at_ns = 0
        self._timeouts = 0
        self._seq: int | None = None
        self._sample: Image | None = None
        self._shape: tuple[int, ...] | None = None
        self._trouble: CameraError | None = None
        self._counts = Counter(shots=0, frames=0, opened=0)

    @property
    def live(self) -> bool:
        return self._camera.live

    @property
    def trouble(self) -> str | None:
        """Why it delivered nothing the last time; None after a good frame."""
        return None if self._trouble is None else str(self._trouble)

    def counts(self) -> dict[str, int]:
        """Since the gate started (docs/cameras.md): shots, frames that answered them, how often
        it was opened, and what the camera itself knows."""
        counted = self._counts.copy()
        counted.update(self._own_counts())
        return dict(counted)

    def __enter__(self) -> Self:
        self.probe()
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    def probe(self) -> bool:
        """Whether the camera is open; tries to reopen it if it is time for that. For idle times:
        opening may take as long as the camera's driver needs."""
        if not self._open and self._clock.monotonic_ns() >= self._retry_at_ns:
            self._try_to_open()
        return self._open

    def grab(self, shot: Shot, timeout_s: float) -> Frame:
        """A frame that is not the last one again, and of the size of all before it. Raises
        CameraTimeout, CameraLost, and CameraFrozen; after the latter two, and until the camera is
        open again, the same error."""
        self._counts["shots"] += 1
        if not self.probe():
            raise type(self._trouble or CameraLost())(self.trouble or "not open")
        try:
            frame = self._camera.grab(shot, timeout_s)
            self._refuse_other_size(frame.image)
            self._refuse_if_frozen(frame)
        except CameraTimeout as error:
            self._timeouts += 1
            if self._timeouts >= TIMEOUTS_IN_A_ROW:
                self._close()
                self._wait(CameraLost(f"{self._timeouts} times no frame in time: {error}"))
            raise
        except CameraError as error:
            self._close()
            self._wait(error)
            raise
        except Exception as error:  # a driver may raise anything; to us the camera is lost
            lost = CameraLost(f"its driver failed: {error!r}")
            self._close()
            self._wait(lost)
            raise lost from error
        self._timeouts = self._attempts = 0
        self._trouble = None
        self._counts["frames"] += 1
        return frame

    def _refuse_if_frozen(self, frame: Frame) -> None:
        """A counter that stands, or a noisy picture that comes twice to the bit."""
        seq, self._seq = self._seq, frame.seq
        before, self._sample = self._sample, _sample(frame.image) if self.live else None
        if frame.seq == seq:
            raise CameraFrozen(f"camera {self._name} stands at frame {seq}; look at its link")
        if before is not None and self._sample is not None and _same(before, self._sample):
            raise CameraFrozen(
                f"camera {self._name} delivers the same picture again (frame {frame.seq}); "
                f"switch it off and on"
            )

    def _refuse_other_size(self, image: Image) -> None:
        """A camera that forgot its settings shows another place where the recipe looks."""
        if not self.live:  # recorded pictures may come from anywhere
            return
        before, self._shape = self._shape, self._shape or image.shape
        if before is not None and image.shape != before:
            raise CameraLost(
                f"its pictures are {_size(image.shape)} now and were {_size(before)}; "
                f"check its settings; if that is meant, restart the gate"
            )

    def _own_counts(self) -> Counter[str]:
        """The camera's, which begin anew when it is opened."""
        camera = self._camera
        return Counter(camera.counts() if isinstance(camera, KeepsCount) else {})

    def _try_to_open(self) -> None:
        try:
            self._camera.__enter__()
        except CameraError as error:
            self._wait(error)
            return
        except Exception as error:  # a driver may raise anything
            self._wait(CameraLost(f"its driver failed: {error!r}"))
            return
        self._open, self._seq, self._timeouts = True, None, 0
        self._counts["opened"] += 1
        _log.info("camera_open", camera=self._name, attempts=self._attempts + 1)

    def _wait(self, trouble: CameraError) -> None:
        pause_s = BACKOFF_S[min(self._attempts, len(BACKOFF_S) - 1)]
        self._retry_at_ns = self._clock.monotonic_ns() + ns(1000 * pause_s)
        self._attempts += 1
        if str(trouble) != self.trouble:
            _log.warning("camera_trouble", camera=self._name, problem=str(trouble))
        self._trouble = trouble

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._counts.update(self._own_counts())
            self._camera.__exit__(None, None, None)


def _size(shape: tuple[int, ...]) -> str:
    """Width x height, and how many colours."""
    return "x".join(str(side) for side in (shape[1], shape[0], *shape[2:]))


def _sample(image: Image) -> Image:
    return np.array(image[::_ROW_STEP])


def _same(before: Image, now: NDArray[np.uint8]) -> bool:
    """Equal to the bit, and not all one value: black or white hides a sensor's noise."""
    return np.array_equal(before, now) and bool(now.min() != now.max())
