"""What a model answered, judged by whoever will act on it. The server itself judges nothing."""

import math
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
_LEAST, _LARGEST, _SUM = np.minimum.reduce, np.maximum.reduce, np.add.reduce


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
    score = _of_rank(outputs, "score", 1)
    heatmap = _of_rank(outputs, "heatmap", 3)[0]
    embedding = _of_rank(outputs, "embedding", 2)[0]
    if face is not None and (heatmap.shape, embedding.shape) != (face.heatmap, (face.embedding,)):
        raise BadPrediction(
            f"heatmap {heatmap.shape} and embedding {embedding.shape} are not the face's: "
            f"{face.heatmap} and ({face.embedding},)"
        )
    return judge_values(float(score[0]), heatmap, embedding), heatmap, embedding


def judge_values(
    score: float, heatmap: NDArray[np.float32], embedding: NDArray[np.float32]
) -> float:
    """The score. Raises BadPrediction for values that are NaN or out of range. Every part waits
    for this with cold caches: the ufuncs are called directly, and a sum finds what is not finite.
    """
    if not is_score(score):
        raise BadPrediction(f"score is {score}, not in 0..1")
    least = _LEAST(heatmap, None, initial=1.0)  # NaN if one is; and so is the largest
    if not (heatmap.size and least >= 0.0 and _LARGEST(heatmap, None) <= 1.0):
        raise BadPrediction("heatmap is empty, or holds values that are not in 0..1")
    if not math.isfinite(_SUM(embedding, None, np.float64)):
        raise BadPrediction("embedding holds NaN or infinity")
    return score


def _of_rank(outputs: Outputs, name: str, rank: int) -> NDArray[np.float32]:
    array = outputs.get(name)
    if array is None:
        raise BadPrediction(f"the answer has no {name}")
    if array.dtype != np.float32 or array.ndim != rank or array.shape[0] != 1:
        raise BadPrediction(f"{name} is {array.dtype} {list(array.shape)}")
    return array
