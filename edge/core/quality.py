"""Can this frame be judged at all? Figures and limits, on a thinned copy: a fraction of a ms."""

import cv2
import numpy as np

from edge.core.preprocess import Image
from edge.core.recipe import QualityLimits
from edge.core.records import QualityFigures

_SIDE_PX = 320  # enough pixels for the figures, few enough to be cheap
_DARK, _BRIGHT = 8, 250  # grey levels that carry no picture


def measure(image: Image) -> QualityFigures:
    """Measure a BGR (H, W, 3) or grey (H, W) uint8 frame."""
    step = max(1, max(image.shape[:2]) // _SIDE_PX)
    thin = grey(image[::step, ::step])
    mean, deviation = cv2.meanStdDev(thin)
    return QualityFigures(
        mean=float(mean[0, 0]),
        contrast=float(deviation[0, 0]),
        dark=_share(thin < _DARK),
        saturated=_share(thin > _BRIGHT),
        sharpness=_sharpness(image),
    )


def problems(quality: QualityFigures, limits: QualityLimits) -> tuple[str, ...]:
    """What makes the frame unusable, each with figure and limit; empty if it is usable."""
    checks = (
        (
            quality.mean < limits.mean_min,
            f"too dark: mean {quality.mean:.0f} < {limits.mean_min:g}",
        ),
        (
            quality.mean > limits.mean_max,
            f"too bright: mean {quality.mean:.0f} > {limits.mean_max:g}",
        ),
        (
            quality.contrast < limits.contrast_min,
            f"no contrast: {quality.contrast:.1f} < {limits.contrast_min:g}",
        ),
        (
            quality.dark > limits.dark_max,
            f"{quality.dark:.0%} of the picture is black, at most {limits.dark_max:.0%}",
        ),
        (
            quality.saturated > limits.saturated_max,
            f"{quality.saturated:.0%} of the picture is white, at most {limits.saturated_max:.0%}",
        ),
        (
            quality.sharpness < limits.sharpness_min,
            f"blurred: sharpness {quality.sharpness:.1f} < {limits.sharpness_min:g}",
        ),
    )
    return tuple(text for failed, text in checks if failed)


def _sharpness(image: Image) -> float:
    """Variance of the Laplacian in the middle of the frame, at full resolution."""
    h, w = image.shape[:2]
    top, left = max(0, (h - _SIDE_PX) // 2), max(0, (w - _SIDE_PX) // 2)
    middle = grey(image[top : top + _SIDE_PX, left : left + _SIDE_PX])
    _, deviation = cv2.meanStdDev(cv2.Laplacian(middle, cv2.CV_16S))
    return float(deviation[0, 0]) ** 2


def grey(image: Image) -> Image:
    """The grey levels (H, W) of a BGR or grey frame."""
    if image.ndim == 2:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def _share(mask: np.ndarray) -> float:
    return float(np.count_nonzero(mask)) / mask.size
