"""A virtual environment of its own for each peer: their requirements contradict each other."""

import subprocess
from pathlib import Path

from bench.peers.peers import Peer

INSTALL_S = 900


class LeftOut(Exception):
    """A peer that cannot be measured here, and why."""


def programs(peer: Peer, folder: Path) -> Path:
    """The `bin` of its environment below `folder`, which is made if it is not there yet or was
    made of other packages. Raises LeftOut if pip cannot."""
    home = folder / peer.key
    made_of, wanted = home / "packages.txt", "\n".join(peer.packages)
    if not (made_of.exists() and made_of.read_text() == wanted):
        _run([peer.python, "-m", "venv", "--clear", str(home)])
        pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        _run([*pip, "install", "--quiet", *peer.packages])
        made_of.write_text(wanted)
    return home / "bin"


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LeftOut(f"not installed: {error}") from error
    if done.returncode != 0:
        raise LeftOut(f"not installed: {last_words(done.stderr)}")


def last_words(log: str) -> str:
    """The last line that is one, where programs say what ended them."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"
