"""Figures with known answers, and one planted problem for each limit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.preprocess import Image
from edge.core.quality import measure, problems
from edge.core.recipe import QualityLimits
from edge.core.records import QualityFigures

LIMITS = QualityLimits(
    mean_min=12, mean_max=243, contrast_min=3, dark_max=0.95, saturated_max=0.6, sharpness_min=0
)
FINE = QualityFigures(mean=120, contrast=40, dark=0.1, saturated=0.1, sharpness=100)


def even(value: int, height: int = 480, width: int = 640) -> Image:
    return np.full((height, width), value, dtype=np.uint8)


def halves(low: int, high: int) -> Image:
    """Left half dark, right half bright; both a multiple of the thinning step."""
    image = even(low)
    image[:, 320:] = high
    return image


def textured(seed: int = 1) -> Image:
    return np.random.default_rng(seed).integers(60, 200, (480, 640, 3), dtype=np.uint8)


@pytest.mark.parametrize("value", [0, 7, 8, 128, 250, 251, 255])
def test_even_frame(value: int) -> None:
    figures = measure(even(value))
    assert figures.mean == pytest.approx(value)
    assert figures.contrast == pytest.approx(0.0, abs=1e-3)
    assert figures.sharpness == 0.0
    assert figures.dark == (1.0 if value < 8 else 0.0)
    assert figures.saturated == (1.0 if value > 250 else 0.0)


def test_half_black_half_white() -> None:
    figures = measure(halves(0, 255))
    assert figures.mean == pytest.approx(127.5)
    assert figures.contrast == pytest.approx(127.5)  # standard deviation of two equal halves
    assert (figures.dark, figures.saturated) == (0.5, 0.5)


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    """Rows 0 and 255 in turn: the Laplacian [0 1 0; 1 -4 1; 0 1 0] is +-510 everywhere."""
    image = even(0)
    image[1::2] = 255
    assert measure(image).sharpness == pytest.approx(510.0**2, rel=0.01)


def test_sharpness_looks_at_the_middle() -> None:
    image = even(100)
    image[:50, :50] = textured()[:50, :50, 0]
    assert measure(image).sharpness == 0.0


def test_blur_lowers_sharpness() -> None:
    sharp = textured()
    blurred = sharp.copy()
    blurred[:, 1:] = (sharp[:, 1:].astype(int) + sharp[:, :-1]) // 2
    assert measure(blurred).sharpness < 0.6 * measure(sharp).sharpness


def test_colour_is_measured_as_luma() -> None:
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    image[...] = (255, 0, 0)  # blue
    assert measure(image).mean == pytest.approx(29)


def test_frame_size_hardly_changes_the_figures() -> None:
    small = measure(halves(40, 160))
    large = measure(halves(40, 160).repeat(3, axis=0).repeat(3, axis=1))
    assert small.mean == large.mean == 100 and small.contrast == large.contrast == 60


def test_view_and_copy_are_measured_alike() -> None:
    image = textured()
    padded = np.zeros((500, 700, 3), dtype=np.uint8)
    padded[10:490, 30:670] = image
    assert measure(padded[10:490, 30:670]) == measure(image) == measure(np.asfortranarray(image))


@given(st.integers(1, 40), st.integers(1, 40), st.booleans(), st.integers(0, 2**32 - 1))
def test_any_small_frame_can_be_measured(height: int, width: int, colour: bool, seed: int) -> None:
    shape = (height, width, 3) if colour else (height, width)
    image = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    figures = measure(image)
    assert 0 <= figures.mean <= 255 and 0 <= figures.contrast <= 127.5
    assert 0 <= figures.dark <= 1 and 0 <= figures.saturated <= 1
    assert figures.sharpness >= 0


# ---- limits ----


def test_fine_frame_has_no_problem() -> None:
    assert problems(FINE, LIMITS) == problems(FINE, QualityLimits()) == ()
    assert problems(measure(textured()), QualityLimits()) == ()


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ({"mean": 11.0}, "too dark: mean 11 < 12"),
        ({"mean": 244.0}, "too bright: mean 244 > 243"),
        ({"contrast": 2.94}, "no contrast: 2.9 < 3"),
        ({"dark": 0.96}, "96% of the picture is black, at most 95%"),
        ({"saturated": 0.61}, "61% of the picture is white, at most 60%"),
    ],
)
def test_each_limit_speaks_with_figure_and_limit(figure: dict[str, float], said: str) -> None:
    assert problems(FINE.model_copy(update=figure), LIMITS) == (said,)


def test_sharpness_counts_only_where_the_recipe_asks() -> None:
    blurred = FINE.model_copy(update={"sharpness": 1.0})
    assert problems(blurred, QualityLimits()) == ()
    (said,) = problems(blurred, QualityLimits(sharpness_min=20))
    assert said == "blurred: sharpness 1.0 < 20"


@pytest.mark.parametrize(
    "figure",
    [{"mean": 12.0}, {"mean": 243.0}, {"contrast": 3.0}, {"dark": 0.95}, {"saturated": 0.6}],
)
def test_figure_at_the_limit_is_usable(figure: dict[str, float]) -> None:
    assert problems(FINE.model_copy(update=figure), LIMITS) == ()


@pytest.mark.parametrize(("value", "word"), [(0, "dark"), (255, "bright"), (128, "contrast")])
def test_dead_lamp_glare_and_lens_cap_are_all_refused(value: int, word: str) -> None:
    said = problems(measure(even(value)), QualityLimits())
    assert any(word in text for text in said)
