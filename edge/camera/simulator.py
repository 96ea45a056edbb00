"""A virtual conveyor as a camera: part n comes by when it is asked for (docs/cameras.md)."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self

import cv2
import numpy as np

from edge.camera.belt import BeltFile
from edge.camera.faults import Faults, FaultsFile
from edge.camera.parts import Defect, defect_of, lot_name, number_of, part_id
from edge.camera.scene import Rendering, Scene
from edge.camera.source import Frame, FrameTruth, Shot
from edge.config import SimulatorSettings
from edge.core.clock import Clock, ms
from edge.core.errors import CameraLost, CameraTimeout
from edge.core.preprocess import Image

Sleep = Callable[[float], None]


class Simulator:
    """A FrameSource over a Scene. `sleep` is how it takes its time when a fault makes it slow."""

    def __init__(
        self, settings: SimulatorSettings, clock: Clock, sleep: Sleep = time.sleep
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._faults = FaultsFile(settings.faults)
        self._belt = None if settings.belt is None else BeltFile(settings.belt)
        self._scenes: dict[bool, Scene] = {}  # by whether it shows the rim
        self._seq = 0
        self._last: Frame | None = None

    @property
    def live(self) -> bool:
        return True

    def __enter__(self) -> Self:
        self._refuse_if_lost(self._faults.read())
        if not self._scenes:  # once: a reopened camera looks at the same belt
            size = self._settings.width_px, self._settings.height_px
            rims = {self._shows_rim(view) for view in self._settings.views}
            seed, mark, codes = self._settings.seed, self._settings.mark, self._settings.codes
            self._scenes = {
                rim: Scene(seed, *size, rim=rim, mark=mark, codes=codes) for rim in rims
            }
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def grab(self, shot: Shot, timeout_s: float) -> Frame:
        """The shot's part in front of the camera. Raises CameraLost or CameraTimeout where the
        faults file says so."""
        faults = self._faults.read()
        self._refuse_if_lost(faults)
        exposed_at_ns = self._clock.monotonic_ns()
        self._seq += 1
        if _drops(self._seq, faults.drop):
            self._sleep(timeout_s)
            raise CameraTimeout(f"the simulator dropped a frame (drop = {faults.drop:g})")
        held = self._held(faults, exposed_at_ns)
        if held is None:
            number = self._number(shot, exposed_at_ns)
            image = _sized(self._render(number, shot, faults).image, faults.size_px)
            held = self._last = Frame(image, self._seq, exposed_at_ns)
        self._take_time(faults, exposed_at_ns, timeout_s)
        return held

    def truth(self, shot: Shot) -> FrameTruth:
        """What the shot shows at present: a defect counts only in the view that shows it."""
        faults = self._faults.read()
        number = self._number(shot, self._clock.monotonic_ns())
        if number is None:
            return FrameTruth(label=None)
        defect = self._defect(number, shot.view)
        lot = faults.lot or lot_name(number)
        light = "-dim" if faults.lamp < 1 else "-bright" if faults.overexposed > 1 else ""
        return FrameTruth(
            label=int(defect is not None),
            defect_kind="good" if defect is None else defect.kind,
            mask=None if defect is None else self._render(number, shot, faults).mask,
            group=shot.part_id,
            domain=lot + light,
        )

    def _number(self, shot: Shot, at_ns: int) -> int | None:
        """Who stands there by the belt's truth, without one whom the shot names."""
        if self._belt is None:
            return number_of(shot.part_id)
        return self._belt.read().number_at(at_ns)

    def _render(self, number: int | None, shot: Shot, faults: Faults) -> Rendering:
        scene = self._scenes[self._shows_rim(shot.view)]
        if number is None:
            return scene.empty(self._seq, faults)
        own = shot.part_id if self._belt is None else part_id(number)
        says = own if faults.tag is None else faults.tag
        return scene.render(number, self._defect(number, shot.view), self._seq, faults, says)

    def _defect(self, number: int, view: str) -> Defect | None:
        """What is wrong with the part, if this view shows it."""
        defect = defect_of(self._settings, number)
        known = view if view in self._settings.views else self._settings.views[0]
        return defect if defect is not None and defect.view == known else None

    def _shows_rim(self, view: str) -> bool:
        return view in self._settings.views[1:]

    def _held(self, faults: Faults, exposed_at_ns: int) -> Frame | None:
        """The last frame again, if the faults say so."""
        if self._last is None or not (faults.frozen or faults.stalled):
            return None
        if faults.stalled:
            return self._last
        image = self._last.image.copy()
        return replace(self._last, image=image, seq=self._seq, exposed_at_ns=exposed_at_ns)

    def _take_time(self, faults: Faults, since_ns: int, timeout_s: float) -> None:
        if faults.slow_ms == 0:
            return
        spent_s = ms(self._clock.monotonic_ns() - since_ns) / 1000
        if faults.slow_ms / 1000 > timeout_s:
            self._sleep(max(0.0, timeout_s - spent_s))
            raise CameraTimeout(f"the simulator is slow: {faults.slow_ms:g} ms a frame")
        self._sleep(max(0.0, faults.slow_ms / 1000 - spent_s))

    def _refuse_if_lost(self, faults: Faults) -> None:
        if faults.lost:
            raise CameraLost(f"the simulator is unplugged: 'lost' in {self._settings.faults}")


def _sized(image: Image, size_px: tuple[int, int] | None) -> Image:
    if size_px is None:
        return image
    return np.asarray(cv2.resize(image, size_px, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _drops(seq: int, share: float) -> bool:
    """Spread evenly but not regularly, the same in every run (Weyl sequence)."""
    return (seq * 0.6180339887498949) % 1.0 < share
