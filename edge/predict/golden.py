"""The golden set: stored inputs and the score that each gave where the model was made.

The pictures are PNGs of exactly the model's input; their header is checked before they are
decoded, since a small file may unfold to gigabytes.
"""

import struct
from pathlib import Path

import cv2
import numpy as np

from edge.core.errors import ModelRefused
from edge.core.manifest import Face
from edge.predict.answer import Input
from edge.predict.bundle import Bundle, read_file

MAX_GOLDEN_BYTES = 16 * 1024 * 1024

# signature, length (left out), IHDR, width, height, bit depth, colour type
_PNG_HEAD = struct.Struct(">8s4x4sII2B")
_PNG_KINDS = {0: 1, 2: 3}  # colour type -> channels: grey, RGB; no palette, no alpha


def read_golden(bundle: Bundle) -> list[tuple[Input, float]]:
    """The stored inputs, uint8 [1, H, W, C] with C in RGB order, and the score each must give.

    Raises ModelRefused if one is missing or not exactly of the face's size and colours.
    """
    face = bundle.manifest.face
    return [
        (_read_png(bundle.folder / golden.file, face), golden.score)
        for golden in bundle.manifest.golden
    ]


def _read_png(path: Path, face: Face) -> Input:
    png = read_file(path, MAX_GOLDEN_BYTES)
    _check_png(png, path, face)
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ModelRefused(f"{path}: a damaged PNG")
    if face.channels == 3:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return np.asarray(image, np.uint8).reshape(face.input_shape)


def _check_png(png: bytes, path: Path, face: Face) -> None:
    if len(png) < _PNG_HEAD.size:
        raise ModelRefused(f"{path}: not a PNG")
    signature, chunk, width, height, depth, kind = _PNG_HEAD.unpack_from(png)
    if signature != b"\x89PNG\r\n\x1a\n" or chunk != b"IHDR":
        raise ModelRefused(f"{path}: not a PNG")
    found = (height, width, _PNG_KINDS.get(kind), depth)
    if found != (face.height_px, face.width_px, face.channels, 8):
        raise ModelRefused(
            f"{path}: {width}x{height} px, {depth} bit, PNG colour type {kind}; the face asks for "
            f"{face.width_px}x{face.height_px} px, 8 bit, {face.colour}"
        )
