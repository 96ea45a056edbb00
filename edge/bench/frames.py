"""From a camera's frame to the model's input, for large frames."""

from random import Random

import cv2
import numpy as np

from edge.bench.table import Budget, Row, timed
from edge.bench.ways import times_ms
from edge.camera.formats import picture
from edge.core.manifest import Face
from edge.core.preprocess import Image, to_input, u8

LARGE_PX = (4000, 3000)  # 12 megapixels
SIDE_PX = 256
BAYER, JPEG = "12 MP Bayer frame to 256 px", "12 MP JPEG to 256 px"


def rows(rounds: int, rng: Random) -> list[Row]:
    """Bayer as it leaves the camera, and the JPEG of the same picture beside it."""
    width, height = LARGE_PX
    noise = np.random.default_rng(rng.randrange(2**32))
    raw = noise.integers(60, 190, (height, width), dtype=np.uint8)
    jpeg = np.asarray(cv2.imencode(".jpg", picture(raw.reshape(-1), "BayerRG8", width, height))[1])
    face = Face(height_px=SIDE_PX, width_px=SIDE_PX, colour="rgb", heatmap=(8, 8), embedding=8)

    def from_jpeg() -> Image:
        return to_input(u8(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)), face)

    spent = times_ms(
        {
            BAYER: lambda: to_input(picture(raw.reshape(-1), "BayerRG8", width, height), face),
            JPEG: from_jpeg,
        },
        rounds,
        rng,
    )
    return [
        timed(BAYER, spent[BAYER], None, Budget(15.0, over_raw=False)),
        timed(JPEG, spent[JPEG], None),
    ]
