"""Does the heatmap point at the defect? The pointing game (Zhang et al. 2016, arXiv:1608.00507)."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.core.manifest import Face
from edge.core.metrics import Share
from edge.core.preprocess import Image, to_input
from trainer.data.items import DEFECT, Dataset, Item
from trainer.judge.session import open_session
from trainer.track import Track


def pointing(
    model: bytes, face: Face, dataset: Dataset, items: Sequence[Item], track: Track
) -> Share | None:
    """Share of the defective pictures with a mask whose hottest patch touches the defect; None if
    nobody drew a mask."""
    drawn = [i for i in items if i.label == DEFECT and i.mask is not None]
    if not drawn:
        return None
    session, found = open_session(model), 0
    for item in track(drawn, "heatmaps"):
        image = to_input(dataset.image(item), face)
        (heatmap,) = session.run(["heatmap"], {"image": image})
        mask = dataset.mask(item)
        assert mask is not None
        found += hit(heatmap[0], mask)
    return Share(found, len(drawn))


def hit(heatmap: NDArray[np.float32], mask: Image) -> bool:
    """Whether the hottest patch of heatmap (h, w) lies on the mask (H, W), or next to it: a patch
    sees its neighbours."""
    rows, columns = heatmap.shape
    share = cv2.resize((mask > 0).astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    near = cv2.dilate((np.asarray(share) > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    return bool(near[np.unravel_index(int(np.argmax(heatmap)), heatmap.shape)])
