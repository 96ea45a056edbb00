"""The addresses that the prediction server listens on."""

import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge.core.errors import ConfigError

BACKLOG = 128
MAX_PATH_BYTES = 107  # sun_path of Linux, less its final zero


@contextmanager
def unix_listener(path: Path) -> Iterator[socket.socket]:
    """A Unix socket for this user and group; its file goes when it closes. A file that a killed
    server left is removed. Raises ConfigError."""
    if len(str(path).encode()) > MAX_PATH_BYTES:
        raise ConfigError(f"{path}: a socket's path has at most {MAX_PATH_BYTES} bytes")
    _remove_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        try:
            listener.bind(str(path))
            path.chmod(0o660)
            listener.listen(BACKLOG)
        except OSError as error:
            raise ConfigError(f"{path}: cannot listen here: {error.strerror}") from error
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def tcp_listener(host: str, port: int) -> Iterator[socket.socket]:
    """Raises ConfigError if the address is taken or not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(f"{host}:{port}: cannot listen here: {error.strerror}") from error
    with listener:
        yield listener


def _remove_stale(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"{path}: is a file, not a socket; move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, suppress(OSError):
        probe.settimeout(1.0)
        probe.connect(str(path))
        raise ConfigError(f"{path}: another prediction server answers here; stop it first")
    path.unlink()
