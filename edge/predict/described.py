"""What an answer on the gate's own way says of itself, and the answer that follows from it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from edge.core.errors import BadPrediction, PredictorUnavailable
from edge.core.manifest import Manifest
from edge.predict.answer import Answer, judge_values
from edge.predict.frames import FrameAnswer

_FLOAT_BYTES = 4


Place = tuple[int, tuple[int, ...]]  # offset in floats, shape


@dataclass(frozen=True, slots=True)
class Described:
    """Which model answers, and where among the floats its outputs lie."""

    model: str
    version: int
    sha256: str
    heatmap: Place
    embedding: Place
    floats: int

    def check(self, model: str, manifest: Manifest | None) -> None:
        """Raises BadPrediction if another model answers, or with other outputs than its face's."""
        if self.model != model:
            raise BadPrediction(f"model {self.model} answered instead of {model}")
        if manifest is None:
            return
        if (self.version, self.sha256) != (manifest.version, manifest.sha256):
            raise BadPrediction(
                f"{self.model}-{self.version} ({self.sha256[:12]}..) answered instead of "
                f"{manifest.label} ({manifest.sha256[:12]}..)"
            )
        heatmap, embedding = self.heatmap[1], self.embedding[1]
        if (heatmap, embedding) != (manifest.face.heatmap, (manifest.face.embedding,)):
            raise BadPrediction(
                f"heatmap {heatmap} and embedding {embedding} are not the face's: "
                f"{manifest.face.heatmap} and ({manifest.face.embedding},)"
            )

    def answer(self, told: FrameAnswer) -> Answer:
        """Raises BadPrediction for an answer that is not sound. The arrays look into `told`."""
        if len(told.tensors) != _FLOAT_BYTES * self.floats:
            raise BadPrediction(f"the answer is malformed: {len(told.tensors)} bytes of tensors")
        floats = np.frombuffer(told.tensors, np.float32)
        heatmap, embedding = _cut(floats, self.heatmap), _cut(floats, self.embedding)
        score = judge_values(float(floats[0]), heatmap, embedding)
        return Answer(
            score, heatmap, embedding, self.model, self.version, self.sha256, told.server_ms
        )


def _cut(floats: NDArray[np.float32], place: Place) -> NDArray[np.float32]:
    offset, shape = place
    return floats[offset : offset + math.prod(shape)].reshape(shape)


def read_words(words: bytes) -> Described:
    """Raises PredictorUnavailable for an error in place of an answer, BadPrediction for words that
    are neither."""
    try:
        said = from_json(words)
        if "error" in said:
            raise PredictorUnavailable(str(said["error"])[:300])
        places, floats = _places(said["outputs"])
        if places["score"] != (0, (1,)):
            raise ValueError(f"score lies at {places['score']}")
        return Described(
            str(said["model"]),
            int(said["version"]),
            str(said["sha256"]),
            _of_one(places["heatmap"], 3),
            _of_one(places["embedding"], 2),
            floats,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadPrediction(f"the answer is malformed: {error!r}") from error


def _places(described: list[dict[str, Any]]) -> tuple[dict[str, Place], int]:
    """Where each output lies, and the floats of all."""
    places: dict[str, Place] = {}
    at = 0
    for tensor in described:
        shape = tuple(int(n) for n in tensor["shape"])
        if tensor["dtype"] != "float32" or min(shape, default=0) < 1:
            raise ValueError(f"{tensor['name']} is {tensor['dtype']} {list(shape)}")
        places[str(tensor["name"])] = at, shape
        at += math.prod(shape)
    return places, at


def _of_one(place: Place, rank: int) -> Place:
    """Without the axis of pictures, as there is one."""
    offset, shape = place
    if len(shape) != rank or shape[0] != 1:
        raise ValueError(f"an output of shape {list(shape)}")
    return offset, shape[1:]
