"""Is the camera as it was? A mark that every frame shows alike, measured against its reference.

The reference region holds a mark with room around it: a quarter of the region on each side is the
room in which the mark is looked for.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.core.preprocess import Image, crop
from edge.core.quality import grey
from edge.core.recipe import ReferenceRegion, Roi

MATCH_MIN = 0.5  # correlation below which it is not the mark
CLIPPED_MAX = 0.1  # share of its pixels that may turn black or white
DARK = 0.2  # of the reference's light: below it nothing else can be judged
DETAIL_MIN = 4.0  # grey levels per pixel, in the direction with the least: else a shift is hidden
_BLACK, _WHITE = 5, 250
_EVEN = 1.0  # a deviation of grey levels below which a picture is even


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """How the region looks when all is well."""

    picture: Image  # (H, W) grey, the mean of some frames
    sharpness: float
    light: float  # mean grey level of the mark

    @property
    def mark(self) -> Image:
        return _middle(self.picture)


@dataclass(frozen=True, slots=True)
class PatchFigures:
    """One frame's region against the reference."""

    match: float  # correlation with the mark, 1 is equal; light alone does not change it
    right_px: float  # where the mark is, against where it was
    down_px: float
    sharpness: float  # 1 is as sharp
    light: float  # 1 is as bright
    clipped: float  # share of the mark that is black or white now and was not

    @property
    def is_lit(self) -> bool:
        """Whether place and focus can be judged at all."""
        return self.light >= DARK and self.clipped <= CLIPPED_MAX

    @property
    def is_found(self) -> bool:
        return self.is_lit and self.match >= MATCH_MIN

    @property
    def moved_px(self) -> float:
        return float(np.hypot(self.right_px, self.down_px))


def region_of(image: Image, region: Roi) -> Image:
    """The region's grey levels, a copy. Raises LinegateError if it lies outside the frame."""
    return grey(crop(image, region)).copy()


def reference_of(patches: list[Image]) -> Reference:
    """The reference that these regions (H, W) make together; at least one."""
    picture = np.mean(np.stack(patches), axis=0)
    marks = [_middle(patch) for patch in patches]
    return Reference(
        picture=np.asarray(np.round(picture), np.uint8),
        sharpness=float(np.mean([_sharpness(mark) for mark in marks])),
        light=float(np.mean([mark.mean() for mark in marks])),
    )


def compare(patch: Image, reference: Reference) -> PatchFigures:
    """Measure a region (H, W) of the reference's size."""
    match, right_px, down_px = _find(patch, reference.mark)
    found = match >= MATCH_MIN
    mark = _at(patch, reference.mark, right_px, down_px) if found else _middle(patch)
    clipped = _clipped(mark) - _clipped(reference.mark)
    return PatchFigures(
        match=match,
        right_px=right_px,
        down_px=down_px,
        sharpness=_sharpness(mark) / max(reference.sharpness, 1e-9),
        light=float(mark.mean()) / max(reference.light, 1.0),
        clipped=max(0.0, clipped),
    )


def judge(figures: PatchFigures, limits: ReferenceRegion) -> dict[str, str | None]:
    """What is wrong, by cause, with figure and limit; None where all is well. A cause of which
    this frame says nothing is left out: in the dark there is no position."""
    said = {"camera_exposure": _light_problem(figures, limits)}
    if not figures.is_lit:
        return said
    said["camera_moved"] = _place_problem(figures, limits)
    if figures.is_found:
        said["camera_defocused"] = _focus_problem(figures, limits)
    return said


def detail(picture: Image) -> float:
    """How steep a picture is in the direction in which it is the least: root mean square of
    grey levels per pixel. An edge in one direction alone hides shifts along it."""
    smooth = cv2.GaussianBlur(picture, (0, 0), 1.0)
    dx = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 1, 0)) / 8
    dy = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 0, 1)) / 8
    tensor = [[np.mean(dx * dx), np.mean(dx * dy)], [np.mean(dx * dy), np.mean(dy * dy)]]
    return float(np.sqrt(max(0.0, np.linalg.eigvalsh(tensor)[0])))


def _light_problem(figures: PatchFigures, limits: ReferenceRegion) -> str | None:
    if figures.clipped > CLIPPED_MAX:
        return f"{figures.clipped:.0%} of the mark lost in black or white"
    if abs(figures.light - 1) > limits.light_max:
        return f"{figures.light:.0%} of the reference's light, at most {limits.light_max:.0%} off"
    return None


def _place_problem(figures: PatchFigures, limits: ReferenceRegion) -> str | None:
    if figures.match < MATCH_MIN:
        return "the mark is not seen in its region: covered, gone from it, or far out of focus"
    if figures.moved_px > limits.moved_max_px:
        return (
            f"the mark is {figures.right_px:+.1f} px to the right and {figures.down_px:+.1f} px "
            f"down of its place, at most {limits.moved_max_px:g} px"
        )
    return None


def _focus_problem(figures: PatchFigures, limits: ReferenceRegion) -> str | None:
    if figures.sharpness < limits.sharpness_min:
        return (
            f"{figures.sharpness:.0%} of the reference's sharpness, at least "
            f"{limits.sharpness_min:.0%}"
        )
    return None


def _find(patch: Image, mark: Image) -> tuple[float, float, float]:
    """Correlation, and how far right and down of the middle, to a fraction of a pixel. OpenCV
    calls two even pictures equal, so even ones are told apart here."""
    if patch.std() < _EVEN or mark.std() < _EVEN:
        return 0.0, 0.0, 0.0
    scores = np.asarray(cv2.matchTemplate(patch, mark, cv2.TM_CCOEFF_NORMED), np.float32)
    _, best, _, (x, y) = cv2.minMaxLoc(scores)
    top, left = _room(patch)
    right_px = x + _peak(scores[y, :], x) - left
    down_px = y + _peak(scores[:, x], y) - top
    return float(best), right_px, down_px


def _peak(scores: NDArray[np.float32], at: int) -> float:
    """Where the parabola through the best score and its neighbours has its top, -0.5..0.5."""
    if at in (0, len(scores) - 1):
        return 0.0
    before, best, after = (float(score) for score in scores[at - 1 : at + 2])
    bend = before - 2 * best + after
    return 0.0 if bend >= 0 else 0.5 * (before - after) / bend


def _room(patch: Image) -> tuple[int, int]:
    return patch.shape[0] // 4, patch.shape[1] // 4


def _middle(patch: Image) -> Image:
    top, left = _room(patch)
    return patch[top : patch.shape[0] - top, left : patch.shape[1] - left]


def _at(patch: Image, mark: Image, right_px: float, down_px: float) -> Image:
    top, left = _room(patch)
    y, x = top + round(down_px), left + round(right_px)
    return patch[y : y + mark.shape[0], x : x + mark.shape[1]]


def _sharpness(mark: Image) -> float:
    """Energy of the Laplacian, with the light taken out: twice the light, twice the edges."""
    edges = np.asarray(cv2.Laplacian(mark, cv2.CV_32F))
    return float(edges.var() / max(mark.mean(), 1.0) ** 2)


def _clipped(mark: Image) -> float:
    return float(np.mean((mark < _BLACK) | (mark > _WHITE)))
