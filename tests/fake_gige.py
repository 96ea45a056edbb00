"""Aravis' own fake GigE camera on loopback: how it is found and opened, and a wire to it that loses
what it is told to."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from edge.camera.aravis import aravis
from edge.camera.gige import GigeCamera
from edge.camera.source import Shot
from edge.clock import SystemClock
from edge.config import Camera, GigeSettings

DEBIAN = "/usr/lib/python3/dist-packages"  # python3-gi lives there, beside any Python 3.11
FAKE = "arv-fake-gv-camera-0.8"
HERE = "127.0.0.1"

Plug = Callable[..., subprocess.Popen[bytes]]


def bind() -> None:
    """Load the binding, or skip."""
    if shutil.which(FAKE) is None or not Path(DEBIAN, "gi").is_dir():
        pytest.skip("needs aravis-tools, gir1.2-aravis-0.8 and python3-gi")
    if DEBIAN not in sys.path:
        sys.path.append(DEBIAN)
    aravis()


@pytest.fixture
def plug() -> Iterator[Plug]:
    """Plug in a fake camera; it is pulled out at the end."""
    made: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> subprocess.Popen[bytes]:
        command = [FAKE, "-i", HERE, "-s", "GV01", *options]
        made.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(0.3)
        return made[-1]

    yield start
    for fake in made:
        fake.kill()
        fake.wait()


def gige(**settings: object) -> Camera:
    usual = {"id": HERE, "region": {"x_px": 0, "y_px": 0, "w_px": 320, "h_px": 240}}
    return Camera(kind="gige", gige=GigeSettings.model_validate(usual | settings))


def camera(**settings: object) -> GigeCamera:
    return GigeCamera(gige(**settings).gige, SystemClock())


def shot(lead_ns: int = 0) -> Shot:
    return Shot("P1", "main", time.monotonic_ns(), lead_ns)


class Wire:
    """Between an open camera and this machine. Its packets come by here from now on."""

    PORT = 0x0D00  # the register with the port that a GigE Vision camera sends its stream to
    LEADER = 1  # the kind of a frame's first packet

    def __init__(self, source: GigeCamera) -> None:
        self._source = source
        self._in = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)
        self._frame = -1
        self._lose = self._behead = 0  # of the next frames
        self._loses = self._beheads = False  # the one that is coming

    def __enter__(self) -> Self:
        camera = self._source._camera  # not kept: it is let go of when nobody holds it
        device = camera.get_device()
        self._to = HERE, device.read_register(self.PORT)
        self._in.bind((HERE, 0))
        camera.stop_acquisition()
        time.sleep(0.2)  # it looks for its target only while it stands
        device.write_register(self.PORT, self._in.getsockname()[1])
        camera.start_acquisition()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._out.sendto(b"", self._in.getsockname())
        self._thread.join(5)
        self._in.close()
        self._out.close()

    def lose(self, frames: int) -> None:
        """Let nothing of the next frames through."""
        self._lose = frames

    def behead(self, frames: int) -> None:
        """Keep back the first packets of the next frames."""
        self._behead = frames

    def _run(self) -> None:
        while packet := self._in.recv(65_536):  # an empty one is the end
            self._new_frame(int.from_bytes(packet[2:4], "big"))
            headless = self._beheads and packet[4] & 0x0F == self.LEADER
            if not self._loses and not headless:
                self._out.sendto(packet, self._to)

    def _new_frame(self, frame: int) -> None:
        if frame == self._frame:
            return
        self._frame = frame
        self._loses, self._beheads = self._lose > 0, self._behead > 0
        self._lose -= self._loses
        self._behead -= self._beheads
