"""HTTP/1.1 over a Unix socket, as thin as the gate's deadline asks for.

Both ends are ours: a response has a Content-Length. Time is the socket's own, so no clock is
handed in. Raises OSError (TimeoutError among them) or WireError, nothing else.
"""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
_RECV_BYTES = 64 * 1024


class WireError(Exception):
    """The other end does not speak our HTTP."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: dict[bytes, bytes]  # names in lower case
    body: memoryview


class Deadline:
    """One span of time for a whole exchange, however many calls it takes."""

    def __init__(self, timeout_s: float) -> None:
        self._end = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """Seconds left. Raises TimeoutError if none are."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is over")
        return left


def connected(path: Path, deadline: Deadline) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.settimeout(deadline.left_s())
        link.connect(str(path))
    except OSError:
        link.close()
        raise
    return link


def received(link: socket.socket, most: int, deadline: Deadline) -> bytes:
    """Some bytes, `most` at most. Raises ConnectionResetError if there are to be no more."""
    link.settimeout(deadline.left_s())
    data = link.recv(most)
    if not data:
        raise ConnectionResetError("the server closed the connection")
    return data


class Connection:
    """One keep-alive connection."""

    def __init__(self, path: Path, deadline: Deadline) -> None:
        self._socket = connected(path, deadline)

    def close(self) -> None:
        self._socket.close()

    def exchange(self, parts: Sequence[bytes | memoryview], deadline: Deadline) -> Response:
        """Send one request, return its response; afterwards another may follow."""
        self._send(parts, deadline)
        data = bytearray()
        end = -1
        while end < 0:
            if len(data) > MAX_HEAD_BYTES:
                raise WireError("the response's head does not end")
            data += received(self._socket, _RECV_BYTES, deadline)
            end = data.find(b"\r\n\r\n")
        status, headers = _parse_head(bytes(data[:end]))
        size = _content_length(headers)
        start = end + 4
        while len(data) < start + size:
            data += received(self._socket, start + size - len(data), deadline)
        return Response(status, headers, memoryview(data)[start : start + size])

    def _send(self, parts: Sequence[bytes | memoryview], deadline: Deadline) -> None:
        self._socket.settimeout(deadline.left_s())
        sent = self._socket.sendmsg(parts)
        for part in parts:
            if sent < len(part):
                self._socket.settimeout(deadline.left_s())
                self._socket.sendall(memoryview(part)[sent:])
                sent = 0
            else:
                sent -= len(part)


def request_head(method: str, path: str, headers: dict[str, int], content_bytes: int) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: predict", f"content-length: {content_bytes}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _parse_head(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = head.split(b"\r\n")
    words = first.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise WireError(f"the response begins with {first[:40]!r}")
    pairs = [line.partition(b":") for line in lines]
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


def _content_length(headers: dict[bytes, bytes]) -> int:
    text = headers.get(b"content-length", b"")
    if not text.isdigit() or len(text) > 10 or int(text) > MAX_BODY_BYTES:
        raise WireError(f"the response's length is {text[:20]!r}")
    return int(text)
