"""What a model answered, judged by whoever will act on it. The server itself judges nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.core.decide import is_score
from edge.core.errors import BadPrediction
from edge.core.manifest import Face

Input = NDArray[np.uint8]  # one image [1, H, W, C], as edge.core.preprocess.to_input makes it
Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A sound answer: `score` and all of `heatmap` in 0..1, nothing NaN.

    `heatmap` is float32 [h, w], `embedding` float32 [D]. `server_ms` is the time between the
    server's having the whole request and its having the answer.
    """

    score: float
    heatmap: NDArray[np.float32]
    embedding: NDArray[np.float32]
    model: str
    version: int
    model_sha256: str
    server_ms: float


def output_names(face: Face) -> tuple[str, ...]:
    """The model's outputs in the order in which the server sends them."""
    return ("score", "heatmap", "embedding", "classes")[: 4 if face.classes else 3]


def judge(
    outputs: Outputs, face: Face | None = None
) -> tuple[float, NDArray[np.float32], NDArray[np.float32]]:
    """Score, heatmap [h, w] and embedding [D] of a model's outputs.

    Raises BadPrediction for what is missing, NaN, out of range or, with `face`, not of its shape.
    """
    score = float(_of_rank(outputs, "score", 1)[0])
    heatmap = _of_rank(outputs, "heatmap", 3)[0]
    embedding = _of_rank(outputs, "embedding", 2)[0]
    if not is_score(score):
        raise BadPrediction(f"score is {score}, not in 0..1")
    if not (heatmap.size and heatmap.min() >= 0.0 and heatmap.max() <= 1.0):  # false for NaN
        raise BadPrediction("heatmap is empty, or holds values that are not in 0..1")
    if not np.isfinite(embedding).all():
        raise BadPrediction("embedding holds NaN or infinity")
    if face is not None and (heatmap.shape, embedding.shape) != (face.heatmap, (face.embedding,)):
        raise BadPrediction(
            f"heatmap {heatmap.shape} and embedding {embedding.shape} are not the face's: "
            f"{face.heatmap} and ({face.embedding},)"
        )
    return score, heatmap, embedding


def _of_rank(outputs: Outputs, name: str, rank: int) -> NDArray[np.float32]:
    array = outputs.get(name)
    if array is None:
        raise BadPrediction(f"the answer has no {name}")
    if array.dtype != np.float32 or array.ndim != rank or array.shape[0] != 1:
        raise BadPrediction(f"{name} is {array.dtype} {list(array.shape)}")
    return array
