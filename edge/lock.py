"""One writer per file: a job holds its lock as long as it lives, and the kernel frees it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.core.errors import LinegateError


@contextmanager
def job_lock(state_dir: Path, job: str) -> Iterator[None]:
    """Raises LinegateError if another process runs this job on this state directory."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / f"{job}.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise LinegateError(
                f"the job {job!r} of {state_dir} runs already (process {holder}); stop it first"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
