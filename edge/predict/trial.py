"""The child process in which a new model file runs first (see probation.py).

    python -m edge.predict.trial FOLDER SHA256 MEMORY_BYTES CPU_S

Exit code 0: it passed; 1: refused, the reason on standard output.
"""

import os
import resource
import sys
from pathlib import Path

import numpy as np
import psutil

from edge.core.errors import LinegateError, ModelRefused
from edge.predict.answer import judge
from edge.predict.bundle import Bundle, read_bundle
from edge.predict.golden import read_golden
from edge.predict.session import ModelSession

_NICENESS = 5  # the model in service goes first


def try_bundle(bundle: Bundle) -> None:
    """Load the model, run it on zeros and on the golden set. Raises LinegateError."""
    manifest = bundle.manifest
    session = ModelSession(bundle.model, manifest)
    judge(session.run(np.zeros(manifest.face.input_shape, np.uint8)), manifest.face)
    tolerance = manifest.parity.golden_tolerance
    for golden, (image, expected) in zip(manifest.golden, read_golden(bundle), strict=True):
        score, _, _ = judge(session.run(image), manifest.face)
        if not abs(score - expected) <= tolerance:
            raise ModelRefused(
                f"{golden.file} scores {score:.4f} here, {expected:.4f} where it was made: "
                f"more than {tolerance:g} apart"
            )


def main(folder: str, sha256: str, memory_bytes: str, cpu_s: str) -> int:
    _limit(int(memory_bytes), int(cpu_s))
    try:
        bundle = read_bundle(Path(folder))
        if bundle.manifest.sha256 != sha256:
            raise ModelRefused("the bundle changed during its trial")
        try_bundle(bundle)
    except (LinegateError, MemoryError) as error:
        sys.stdout.write(f"{str(error) or 'not enough memory'}\n")
        return 1
    return 0


def _limit(memory_bytes: int, cpu_s: int) -> None:
    os.nice(_NICENESS)
    used = psutil.Process().memory_info().vms
    _, inherited = resource.getrlimit(resource.RLIMIT_AS)
    if inherited == resource.RLIM_INFINITY or used + memory_bytes < inherited:
        resource.setrlimit(resource.RLIMIT_AS, (used + memory_bytes, inherited))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))  # SIGXCPU says why, SIGKILL not
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
