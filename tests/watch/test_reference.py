"""A reference is made of frames that are alike and show a mark, and comes back from the ledger."""

import numpy as np
import pytest
from marks import LIMITS, SIDE, mark

from edge.core.recipe import View
from edge.watch.patch import Reference, compare
from edge.watch.reference import FRAMES, StoredReference, made_of

VIEW = View(name="top", camera="main", reference=LIMITS)


def made(patches) -> Reference:
    reference = made_of(patches, LIMITS)
    assert isinstance(reference, Reference), reference
    return reference


def test_frames_that_are_alike_make_one_that_all_of_them_fit():
    reference = made([mark(seed=n) for n in range(FRAMES)])
    figures = compare(mark(seed=99), reference)
    assert figures.match > 0.98 and figures.moved_px < 0.05
    assert (figures.light, figures.sharpness) == pytest.approx((1, 1), abs=0.05)


@pytest.mark.parametrize(
    ("spoiled", "why"),
    [
        (mark(6, 0), "not alike in 16 frames: the mark is"),
        (mark(light=0.5), "not alike in 16 frames: 5"),
        (mark(blur_px=3), "not alike in 16 frames: "),
        (np.full((SIDE, SIDE), 150, np.uint8), "not alike in 16 frames: the mark is not seen"),
    ],
)
def test_one_frame_unlike_the_others_is_refused_with_the_reason(spoiled, why):
    refusal = made_of([mark(seed=n) for n in range(FRAMES - 1)] + [spoiled], LIMITS)
    assert isinstance(refusal, str) and why in refusal


def test_region_without_a_mark_is_refused():
    rng = np.random.default_rng(1)
    even = [rng.normal(120, 2, (SIDE, SIDE)).astype(np.uint8) for _ in range(FRAMES)]
    refusal = made_of(even, LIMITS)
    assert isinstance(refusal, str) and "too little detail" in refusal


def test_stored_reference_is_the_same_again_bit_by_bit():
    reference = made([mark(seed=n) for n in range(FRAMES)])
    text = StoredReference.of(VIEW, reference).model_dump_json()
    again = StoredReference.model_validate_json(text).reference()
    assert np.array_equal(again.picture, reference.picture)
    assert (again.sharpness, again.light) == (reference.sharpness, reference.light)


def test_stored_reference_fits_its_own_camera_and_place_alone():
    stored = StoredReference.of(VIEW, made([mark(seed=n) for n in range(FRAMES)]))
    elsewhere = LIMITS.model_copy(update={"x_px": 11})
    stricter = LIMITS.model_copy(update={"moved_max_px": 1.0})
    assert stored.fits(VIEW) and stored.fits(VIEW.model_copy(update={"reference": stricter}))
    assert not stored.fits(VIEW.model_copy(update={"reference": elsewhere}))
    assert not stored.fits(VIEW.model_copy(update={"camera": "other"}))
