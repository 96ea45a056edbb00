"""A broker for the demo and the tests: mosquitto where it is installed, else amqtt.

On a line, the broker is the plant's or the box's own (docs/plc.md); this one is open to everybody
on this machine, forgets everything and lives as long as the `with` block.
"""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from edge.core.errors import LinegateError

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0

_MOSQUITTO_CONF = """\
listener {port} {host}
allow_anonymous true
persistence false
set_tcp_nodelay true
max_packet_size 1048576
max_queued_messages 1000
max_inflight_messages 100
log_dest stderr
log_type error
log_type warning
"""


def find_mosquitto() -> Path | None:
    """The broker's program: on PATH, or where Debian puts it for root alone."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


class Broker:
    """`with Broker() as broker: ... broker.port`. Raises LinegateError if none can be started."""

    def __init__(self, port: int | None = None) -> None:
        self.host = "127.0.0.1"
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running broker."""
        assert self._process is not None, "the broker is not running"
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self._check_port()
        with tempfile.TemporaryDirectory(prefix="linegate-broker-") as folder:
            log_path = Path(folder) / "broker.log"
            with log_path.open("wb") as log:
                self._process = subprocess.Popen(
                    self._command(Path(folder)), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            try:
                self._wait_until_it_accepts(log_path)
            except BaseException:
                self.kill()
                raise

    def stop(self) -> None:
        """End it in order, or by force when it does not listen."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: all that it held is gone."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it and start another on the same port."""
        self.kill()
        self.start()

    def _check_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                raise LinegateError(
                    f"the broker cannot have port {self.port}: {error.strerror}"
                ) from error

    def _command(self, folder: Path) -> list[str]:
        mosquitto = find_mosquitto()
        if mosquitto is not None:
            conf = folder / "mosquitto.conf"
            conf.write_text(_MOSQUITTO_CONF.format(host=self.host, port=self.port))
            return [str(mosquitto), "-c", str(conf)]
        if find_spec("amqtt") is None:
            raise LinegateError(
                "no MQTT broker: install mosquitto (apt install mosquitto) "
                "or amqtt (pip install 'linegate[demo]')"
            )
        return [sys.executable, "-m", "edge.plc.amqtt_broker", str(self.port)]

    def _wait_until_it_accepts(self, log_path: Path) -> None:
        assert self._process is not None
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise LinegateError(f"the broker ended at once: {_last_words(log_path)}")
            try:
                socket.create_connection((self.host, self.port), timeout=1.0).close()
                return
            except OSError:
                time.sleep(0.02)
        raise LinegateError(
            f"the broker did not listen on port {self.port} within {START_TIMEOUT_S:g} s: "
            f"{_last_words(log_path)}"
        )

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # a stopped process hears nothing else
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)


def _last_words(log_path: Path) -> str:
    lines = log_path.read_text(errors="replace").splitlines()
    return " | ".join(line for line in lines[-4:] if line) or "it said nothing"
