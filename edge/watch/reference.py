"""How a view's reference is made out of frames, and how it is remembered."""

from base64 import b64encode
from typing import Self

import cv2
import numpy as np
from pydantic import Base64Bytes, BaseModel, ConfigDict

from edge.core.preprocess import Image
from edge.core.recipe import ReferenceRegion, View
from edge.watch.patch import DETAIL_MIN, Reference, compare, detail, judge, reference_of

FRAMES = 16  # make a reference: what differs from part to part shows


class StoredReference(BaseModel):
    """A reference as the ledger keeps it, with what it belongs to."""

    model_config = ConfigDict(frozen=True)
    camera: str
    place: tuple[int, int, int, int]  # x, y, width and height of its region
    sharpness: float
    light: float
    png: Base64Bytes

    @classmethod
    def of(cls, view: View, reference: Reference) -> Self:
        _, png = cv2.imencode(".png", reference.picture)
        return cls(
            camera=view.camera,
            place=_place(view),
            sharpness=reference.sharpness,
            light=reference.light,
            png=b64encode(np.asarray(png).tobytes()),
        )

    def fits(self, view: View) -> bool:
        """Whether the view looks at the same place as then."""
        return (self.camera, self.place) == (view.camera, _place(view))

    def reference(self) -> Reference:
        data = np.frombuffer(self.png, np.uint8)
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
        return Reference(picture, self.sharpness, self.light)


def _place(view: View) -> tuple[int, int, int, int]:
    region = view.reference
    assert region is not None
    return region.x_px, region.y_px, region.w_px, region.h_px


def made_of(patches: list[Image], limits: ReferenceRegion) -> Reference | str:
    """The reference that these regions make; or why they make none: no detail to go by, or not
    alike, so that every limit would cry wolf."""
    reference = reference_of(patches)
    steep = detail(reference.mark)
    if steep < DETAIL_MIN:
        return (
            f"too little detail in the middle of the region ({steep:.1f} grey levels per pixel, at "
            f"least {DETAIL_MIN:g}); it needs a sharp mark with edges in both directions"
        )
    for patch in patches:
        for problem in judge(compare(patch, reference), limits).values():
            if problem is not None:
                return f"the region is not alike in {len(patches)} frames: {problem}"
    return reference
