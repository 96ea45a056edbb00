"""What is read from real codes, turned, spoiled and forged; and which text is the serial."""

import cv2
import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edge.core.codes import Reading, read_codes, read_serial, reading_of
from edge.core.messages import Reason
from edge.core.recipe import Code, Roi, Symbology

FORMATS: dict[Symbology, zxingcpp.BarcodeFormat] = {
    "data_matrix": zxingcpp.BarcodeFormat.DataMatrix,
    "qr": zxingcpp.BarcodeFormat.QRCode,
    "code128": zxingcpp.BarcodeFormat.Code128,
}
SERIALS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=30)


def printed(
    text: str | bytes, kind: Symbology = "data_matrix", scale: int = 4, **more
) -> np.ndarray:
    made = zxingcpp.create_barcode(text, FORMATS[kind], **more)
    return np.array(made.to_image(scale=scale, add_quiet_zones=True))


def frame(*codes: np.ndarray, noise: float = 3.0) -> np.ndarray:
    """A BGR frame with these codes beside each other."""
    height = max(code.shape[0] for code in codes) + 80
    image = np.full((height, sum(code.shape[1] + 60 for code in codes) + 60), 190, np.uint8)
    left = 60
    for code in codes:
        image[40 : 40 + code.shape[0], left : left + code.shape[1]] = code
        left += code.shape[1] + 60
    noisy = image + np.random.default_rng(1).normal(0, noise, image.shape)
    return cv2.cvtColor(np.clip(noisy, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def turned(image: np.ndarray, degrees: float) -> np.ndarray:
    h, w = image.shape[:2]
    side = round(np.hypot(h, w))
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1.0)
    turn[:, 2] += ((side - w) / 2, (side - h) / 2)
    return cv2.warpAffine(image, turn, (side, side), borderValue=(190, 190, 190))


def code(kind: Symbology = "data_matrix", **more) -> Code:
    return Code(symbologies=(kind,), **more)


# ---- pictures ----


TURNED = [(kind, degrees) for kind in FORMATS for degrees in (0, 3, 45, 90, 180, 265)]
TURNED.remove(("code128", 45))  # a bar code is read along the frame's lines and columns


@pytest.mark.parametrize(("kind", "degrees"), TURNED)
def test_turned_code_is_read(kind: Symbology, degrees: float) -> None:
    image = turned(frame(printed("AB-0042", kind)), degrees)
    assert read_serial(image, code(kind), "P1") == Reading("AB-0042")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: cv2.GaussianBlur(image, (0, 0), 1.2),
        lambda image: (120 + (image.astype(int) - 120) // 6).astype(np.uint8),  # low contrast
        lambda image: image[..., 0].copy(),  # grey
    ],
    ids=["blurred", "low contrast", "grey"],
)
def test_poor_picture_of_a_code_is_read(kind: Symbology, spoil) -> None:
    image = spoil(frame(printed("AB-0042", kind), noise=1.0))
    assert read_serial(image, code(kind), "P1").serial == "AB-0042"


@pytest.mark.parametrize("kind", ["data_matrix", "qr"])
def test_light_code_on_dark_ground_is_read(kind: Symbology) -> None:
    assert read_serial(255 - frame(printed("AB-0042", kind)), code(kind), "P1").lack is None


@pytest.mark.parametrize("kind", ["data_matrix", "qr"])
def test_scratch_is_corrected_and_half_a_code_is_not_read(kind: Symbology) -> None:
    image = frame(printed("AB-0042", kind))
    scratched = image.copy()
    h, w = image.shape[:2]
    cv2.line(scratched, (w // 2 - 4, h // 2 + 6), (w // 2 + 10, h // 2 + 2), (190, 190, 190), 3)
    assert read_serial(scratched, code(kind), "P1").serial == "AB-0042"
    image[:, w // 2 :] = 190
    torn = read_serial(image, code(kind), "P1")
    assert torn == Reading(None, Reason.CODE_UNREADABLE, "no code could be read")


def test_frame_without_a_code_is_unreadable_only_where_one_is_required() -> None:
    blank = np.full((100, 100, 3), 190, np.uint8)
    assert read_serial(blank, code(), "P1").lack is Reason.CODE_UNREADABLE
    assert read_serial(blank, code(required=False), "P1") == Reading()


def test_only_the_region_is_read() -> None:
    one, other = printed("LEFT"), printed("RIGHT")
    image = frame(one, other)
    left = Roi(x_px=0, y_px=0, w_px=60 + one.shape[1] + 20, h_px=image.shape[0])
    assert read_serial(image, code(roi=left), "P1") == Reading("LEFT")
    outside = Roi(x_px=0, y_px=0, w_px=5000, h_px=10)
    lost = read_serial(image, code(roi=outside), "P1")
    assert lost.lack is Reason.CODE_UNREADABLE and "lies outside" in (lost.problem or "")


def test_only_the_symbologies_that_are_asked_for_are_read() -> None:
    image = frame(printed("SERIAL"), printed("LINK", "qr"))
    assert read_codes(image, code()) == ("SERIAL",)
    assert set(read_codes(image, Code(symbologies=("data_matrix", "qr")))) == {"SERIAL", "LINK"}


def test_of_several_codes_the_one_that_fits_is_the_serial() -> None:
    image = frame(printed("TYPE-A"), printed("S000123"), printed("S000123"))
    assert read_serial(image, code(pattern=r"S\d{6}"), "P1") == Reading("S000123")


def test_two_codes_that_fit_are_nobodys_serial_required_or_not() -> None:
    image = frame(printed("S000123"), printed("S000124"))
    for required in (True, False):
        found = read_serial(image, code(required=required), "P1")
        assert (found.serial, found.lack) == (None, Reason.CODE_UNREADABLE)
        assert "S000123" in (found.problem or "") and "S000124" in (found.problem or "")


def test_gs1_code_reads_as_people_write_it() -> None:
    image = frame(printed("(01)09521234543213(21)ABC123", gs1=True))
    assert read_serial(image, code(), "P1").serial == "(01)09521234543213(21)ABC123"


@settings(max_examples=60, deadline=None)
@given(SERIALS, st.sampled_from(sorted(FORMATS)))
def test_any_printable_text_comes_back_as_it_was_printed(text: str, kind: Symbology) -> None:
    assert read_serial(frame(printed(text, kind, scale=3)), code(kind), "P1").serial == text


# ---- hostile codes ----


@pytest.mark.parametrize(
    "text",
    [
        "A\x1dB\n", "tab\there", "\x00", b"\xff\xfe\x00\x01abc", "ü€", "S1\u202e", "x" * 129,
        "x" * 1000, "[)>\x1e06\x1dP123\x1dSABC\x1e\x04",
    ],
)  # fmt: skip
def test_hostile_text_is_no_serial_and_harmless_to_show(text: str | bytes) -> None:
    found = read_serial(frame(printed(text, scale=3)), code(), "P1")
    assert (found.serial, found.lack) == (None, Reason.CODE_UNREADABLE)
    assert found.problem is not None and len(found.problem) < 400
    assert found.problem.isascii() and found.problem.isprintable()


def test_control_character_is_not_taken_for_its_name() -> None:
    assert read_serial(frame(printed("A<GS>B")), code(), "P1").serial == "A<GS>B"
    assert read_serial(frame(printed("A\x1dB")), code(), "P1").serial is None


@given(st.lists(st.text(max_size=200), max_size=6), st.booleans(), st.booleans())
def test_whatever_codes_say_the_serial_is_printable_short_and_unambiguous(
    texts: list[str], required: bool, is_part_id: bool
) -> None:
    asked = Code(required=required, is_part_id=is_part_id)
    found = reading_of(texts, asked, "P1")
    assert (found.lack is None) == (found.problem is None)
    if found.serial is not None:
        assert found.serial in texts and found.serial.isascii() and found.serial.isprintable()
        assert 0 < len(found.serial) <= 128
        assert (found.lack is Reason.SERIAL_MISMATCH) == (is_part_id and found.serial != "P1")
    elif found.lack is None:
        assert not required


# ---- what is asked of it ----


def test_other_part_than_the_plcs_is_a_mismatch_that_keeps_the_serial() -> None:
    asked = code(is_part_id=True)
    assert reading_of(["P1"], asked, "P1") == Reading("P1")
    other = reading_of(["P2"], asked, "P1")
    assert (other.serial, other.lack) == ("P2", Reason.SERIAL_MISMATCH)
    assert other.problem == "the code says 'P2', the PLC 'P1'"


@pytest.mark.parametrize("text", ["xS000123", "S000123x", "S000123\n", "S00012"])
def test_pattern_must_match_the_whole_text(text: str) -> None:
    assert not code(pattern=r"S\d{6}").fits(text)
    assert code(pattern=r"S\d{6}|x").fits("S000123")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "unclosed group"),
        ("a)|(b", "unopened group"),
        (r"(a)\1", "backreferences"),
        ("(?=a)", "look-around"),
        (r"(\w{1000}){1000}", "size limit"),
    ],
)
def test_pattern_that_is_wrong_or_too_costly_is_refused_with_its_reason(
    pattern: str, why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        code(pattern=pattern)


def test_evil_pattern_takes_no_longer_than_any_other() -> None:
    """An engine that backtracks would not come back from this one."""
    assert not code(pattern="(a+)+b").fits("a" * 128)
