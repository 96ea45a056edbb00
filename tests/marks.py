"""A region with a mark, drawn exactly where it is wanted, and as sharp and bright."""

import numpy as np

from edge.core.recipe import ReferenceRegion

LIMITS = ReferenceRegion(x_px=10, y_px=20, w_px=64, h_px=64)
SIDE = LIMITS.w_px
BLOBS = np.random.default_rng(4).uniform(18, 46, (14, 2))


def mark(right_px=0.0, down_px=0.0, blur_px=0.0, light=1.0, noise=1.5, seed=0):
    """A region (64, 64) of round dark spots on grey, drawn exactly where they are."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    sigma = np.hypot(1.5, blur_px)
    picture = np.full((SIDE, SIDE), 150.0)
    for spot_x, spot_y in BLOBS:
        square = (x - spot_x - right_px) ** 2 + (y - spot_y - down_px) ** 2
        picture -= 90 * (1.5 / sigma) ** 2 * np.exp(-square / (2 * sigma**2))
    picture = picture * light + np.random.default_rng(seed).normal(0, noise, picture.shape)
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)
