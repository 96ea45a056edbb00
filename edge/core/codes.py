"""Codes in a frame: what is written there, and which of it is the part's serial."""

from collections.abc import Iterable
from dataclasses import dataclass

import zxingcpp
from pydantic import TypeAdapter, ValidationError

from edge.core.errors import LinegateError
from edge.core.messages import Reason, Serial
from edge.core.preprocess import Image, crop
from edge.core.recipe import Code

_FORMATS = {
    "data_matrix": zxingcpp.BarcodeFormat.DataMatrix,
    "qr": zxingcpp.BarcodeFormat.QRCode,
    "micro_qr": zxingcpp.BarcodeFormat.MicroQRCode,
    "aztec": zxingcpp.BarcodeFormat.Aztec,
    "pdf417": zxingcpp.BarcodeFormat.PDF417,
    "code128": zxingcpp.BarcodeFormat.Code128,
    "code39": zxingcpp.BarcodeFormat.Code39,
    "code93": zxingcpp.BarcodeFormat.Code93,
    "itf": zxingcpp.BarcodeFormat.ITF,
    "ean13": zxingcpp.BarcodeFormat.EAN13,
    "ean8": zxingcpp.BarcodeFormat.EAN8,
    "upca": zxingcpp.BarcodeFormat.UPCA,
}
_AS_WRITTEN = (zxingcpp.ContentType.Text, zxingcpp.ContentType.GS1)
_SERIAL: TypeAdapter[str] = TypeAdapter(Serial)
_SHOWN = 3  # texts in a sentence
_SHOWN_CHARS = 40  # of each


@dataclass(frozen=True, slots=True)
class Reading:
    """What a part's code says. `lack`: why no part may pass with it, and `problem` in words."""

    serial: str | None = None
    lack: Reason | None = None
    problem: str | None = None


def read_serial(image: Image, code: Code, part_id: str) -> Reading:
    """Read the part's serial from its frame, BGR (H, W, 3) or grey (H, W), uint8."""
    try:
        return reading_of(read_codes(image, code), code, part_id)
    except LinegateError as error:
        return Reading(lack=Reason.CODE_UNREADABLE, problem=str(error))


def read_codes(image: Image, code: Code) -> tuple[str, ...]:
    """The texts of all codes that were found where the recipe looks, each once.

    Raises LinegateError if the region lies outside the frame.
    """
    region = image if code.roi is None else crop(image, code.roi)
    formats = zxingcpp.BarcodeFormats([_FORMATS[name] for name in code.symbologies])
    return tuple(dict.fromkeys(map(_text, zxingcpp.read_barcodes(region, formats))))


def _text(found: zxingcpp.Barcode) -> str:
    """Of GS1 codes with the parentheses that people read. Of binary ones byte by byte: the
    library would write control characters as words, and two codes could look the same."""
    return found.text if found.content_type in _AS_WRITTEN else found.bytes.decode("latin-1")


def reading_of(texts: Iterable[str], code: Code, part_id: str) -> Reading:
    """Which of the texts is the serial: the only one that fits. Where two fit, none does."""
    texts = tuple(texts)
    fitting = [text for text in texts if _is_serial(text) and code.fits(text)]
    if len(fitting) > 1:
        problem = f"more than one code fits: {_shown(fitting)}"
        return Reading(lack=Reason.CODE_UNREADABLE, problem=problem)
    if not fitting:
        return _unread(texts) if code.required else Reading()
    (serial,) = fitting
    if code.is_part_id and serial != part_id:
        problem = f"the code says {_shown(fitting)}, the PLC {part_id!r}"
        return Reading(serial, Reason.SERIAL_MISMATCH, problem)
    return Reading(serial)


def _unread(texts: tuple[str, ...]) -> Reading:
    problem = f"no code fits the pattern: {_shown(texts)}" if texts else "no code could be read"
    return Reading(lack=Reason.CODE_UNREADABLE, problem=problem)


def _is_serial(text: str) -> bool:
    try:
        _SERIAL.validate_python(text)
    except ValidationError:
        return False
    return True


def _shown(texts: Iterable[str]) -> str:
    """For people: short, and without anything that a screen or a log would obey."""
    texts = list(texts)
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(ascii(text[:_SHOWN_CHARS]) for text in texts[:_SHOWN]) + more
