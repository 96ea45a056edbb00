"""A sheet of small pictures with captions, for people to look at: rows of tiles below headings."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.core.errors import LinegateError
from edge.core.preprocess import Image, u8

TILE_PX = 240  # at most, the longer side of a picture
GAP_PX, CAPTION_PX, HEADING_PX = 8, 18, 30
PAPER, INK, OUTLINE = (255, 255, 255), (40, 40, 40), (0, 0, 255)  # BGR
_SMALL, _LARGE = 0.4, 0.5  # of OpenCV's letters
_PACKED = (  # half the size of OpenCV's default, for a tenth of a second
    *(cv2.IMWRITE_PNG_COMPRESSION, 3),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT),
)


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture as the model sees it, (H, W, C) rgb or grey; (H, W) mask to outline, above 0."""

    image: Image
    caption: str
    mask: Image | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Tiles side by side, below a heading."""

    heading: str
    tiles: Sequence[Tile]


def draw(title: Sequence[str], rows: Sequence[Row]) -> Image:
    """The whole sheet, BGR (H, W, 3)."""
    bands = [_text(line) for line in title]
    for row in rows:
        bands += [_text(row.heading), np.hstack([_tile(tile) for tile in row.tiles])]
    width = max(band.shape[1] for band in bands)
    return np.vstack([_widen(band, width) for band in bands])


def png(image: Image) -> bytes:
    """Raises LinegateError if it is too large for a picture file."""
    written, data = cv2.imencode(".png", image, _PACKED)
    if not written:
        raise LinegateError(f"a sheet of {image.shape[1]}x{image.shape[0]} cannot be drawn")
    return bytes(data.tobytes())


def _tile(tile: Tile) -> Image:
    """The picture, its mask's outline just outside of it, and the caption below."""
    image = _show(tile.image)
    if tile.mask is not None and tile.mask.any():
        cv2.drawContours(image, _outline(tile.mask, image.shape[:2]), -1, OUTLINE, 1, cv2.LINE_AA)
    caption = _paper(CAPTION_PX, image.shape[1])
    _write(caption, tile.caption, (0, CAPTION_PX - 5), _SMALL)
    below, right = np.vstack([image, caption]), GAP_PX
    return u8(cv2.copyMakeBorder(below, 0, 0, 0, right, cv2.BORDER_CONSTANT, value=PAPER))


def _show(image: Image) -> Image:
    """BGR as large as a tile may be; small pictures in whole multiples, pixel by pixel."""
    colour = cv2.COLOR_GRAY2BGR if image.shape[2] == 1 else cv2.COLOR_RGB2BGR
    scale = TILE_PX / max(image.shape[:2])
    scale, how = (scale, cv2.INTER_AREA) if scale < 1 else (int(scale), cv2.INTER_NEAREST)
    return u8(cv2.resize(cv2.cvtColor(image, colour), None, fx=scale, fy=scale, interpolation=how))


def _outline(mask: Image, shape: tuple[int, ...]) -> Sequence[np.ndarray]:
    """Around the marked pixels, two pixels off, so that it does not hide what it marks."""
    scaled = cv2.resize(u8(mask > 0), (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    wide = cv2.dilate(scaled, np.ones((7, 7), np.uint8))
    contours: Sequence[np.ndarray]
    contours, _ = cv2.findContours(wide, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return contours


def _text(line: str) -> Image:
    (width, _), _ = cv2.getTextSize(_ascii(line), cv2.FONT_HERSHEY_SIMPLEX, _LARGE, 1)
    band = _paper(HEADING_PX, width + GAP_PX)
    _write(band, line, (0, HEADING_PX - 8), _LARGE)
    return band


def _write(band: Image, text: str, at: tuple[int, int], size: float) -> None:
    cv2.putText(band, _ascii(text), at, cv2.FONT_HERSHEY_SIMPLEX, size, INK, 1, cv2.LINE_AA)


def _ascii(text: str) -> str:
    """OpenCV has no other letters."""
    return text.encode("ascii", "replace").decode()


def _widen(band: Image, width: int) -> Image:
    right = GAP_PX + width - band.shape[1]
    return u8(cv2.copyMakeBorder(band, 0, 0, GAP_PX, right, cv2.BORDER_CONSTANT, value=PAPER))


def _paper(height: int, width: int) -> Image:
    return np.full((height, width, 3), PAPER, np.uint8)
