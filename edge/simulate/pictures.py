"""Was a part passed on a picture of its own? It is rendered again and compared to the bit."""

from hashlib import sha256

from edge.camera.parts import defect_of
from edge.camera.scene import Scene
from edge.config import SimulatorSettings
from edge.core.manifest import Face
from edge.core.preprocess import Image, to_input
from edge.core.recipe import Roi
from edge.core.records import InspectionRecord


class Pictures:
    """The camera of the simulated station, once more. Its recipe has one view."""

    def __init__(self, settings: SimulatorSettings, face: Face, roi: Roi | None) -> None:
        self._settings = settings
        self._face = face
        self._roi = roi
        size = settings.width_px, settings.height_px
        self._scene = Scene(settings.seed, *size, mark=settings.mark)

    def shows(self, record: InspectionRecord, number: int) -> bool:
        """Whether every frame that was judged shows part `number`: what the model was given has
        the hash of that part's picture in that exposure."""
        return bool(record.views) and all(
            view.frame_seq is not None
            and view.input_sha256 == _sha256(self.tensor(number, view.frame_seq))
            for view in record.views
        )

    def tensor(self, number: int, exposure: int) -> Image:
        """What the model is given of part `number` in this exposure."""
        defect = defect_of(self._settings, number)
        image = self._scene.render(number, defect, exposure).image
        return to_input(image, self._face, self._roi)


def _sha256(tensor: Image) -> str:
    return sha256(tensor.data).hexdigest()
