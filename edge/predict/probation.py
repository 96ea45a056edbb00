"""A new file runs first in a process that may die: under limits of memory, CPU and time.

A 139-byte ONNX file can ask for 40 GB at its first run, and a malformed one can crash ONNX
Runtime. Here that costs a child process (trial.py); the server, and the model it serves, go on.
"""

import signal
import subprocess
import sys

from edge.core.errors import ModelRefused
from edge.predict.bundle import Bundle

CPU_S = 20
WALL_S = 30.0


class Probation:
    """Tries bundles, one at a time."""

    def __init__(self, memory_bytes: int, cpu_s: int = CPU_S, wall_s: float = WALL_S) -> None:
        """`memory_bytes` is what one model may take beyond Python and ONNX Runtime."""
        self._limits = (str(memory_bytes), str(cpu_s))
        self._wall_s = wall_s
        self._child: subprocess.Popen[str] | None = None
        self._stopped = False

    def test(self, bundle: Bundle) -> None:
        """Raises ModelRefused, with the reason, unless the bundle passes."""
        folder, sha256 = str(bundle.folder.resolve()), bundle.manifest.sha256
        command = [sys.executable, "-P", "-m", "edge.predict.trial", folder, sha256, *self._limits]
        try:
            with subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            ) as child:
                said = self._watch(child)
        except OSError as error:
            raise ModelRefused(f"its trial could not be started: {error}") from error
        if self._stopped:
            raise ModelRefused("its trial was broken off: the server stops")
        reason = why_refused(child.returncode, said)
        if reason is not None:
            raise ModelRefused(reason)

    def _watch(self, child: subprocess.Popen[str]) -> str:
        """What the child says until it ends. It does not outlive this call."""
        self._child = child
        try:
            if self._stopped:
                child.kill()
            said, _ = child.communicate(timeout=self._wall_s)
        except subprocess.TimeoutExpired:
            raise ModelRefused(f"its trial took more than {self._wall_s:g} s") from None
        finally:
            self._child = None
            child.kill()
        return said

    def stop(self) -> None:
        """Break off a trial that is under way, and let none begin: the server stops."""
        self._stopped = True
        child = self._child
        if child is not None:
            child.kill()


def why_refused(returncode: int, said: str) -> str | None:
    """The child's end in words, or None if the bundle passed."""
    if returncode == 0:
        return None
    if returncode == -signal.SIGXCPU:
        return "its trial took too much processor time"
    if returncode < 0:
        return f"its trial crashed ({signal.Signals(-returncode).name})"
    return said.strip() or f"its trial ended with exit code {returncode}"
