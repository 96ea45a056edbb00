"""A box with a filled ledger, a broker that can be killed, and a trainer that can be killed."""

import hashlib
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import numpy as np
import pytest

from edge.clock import SystemClock
from edge.config import StationConfig
from edge.core.clock import Clock
from edge.core.messages import Verdict
from edge.core.records import EventRecord, ImageEvent
from edge.plc.broker import Broker, find_mosquitto
from edge.store.images import ImageStore
from edge.store.ledger_db import LedgerDb
from edge.store.reader import LedgerReader
from edge.store.writes import AddEvent, KeepImage
from edge.sync.job import run_sync
from trainer.ingest.catalog import Catalog

START = datetime(2030, 1, 1, tzinfo=UTC)
REAL_TIME = SystemClock()


def make_station(folder: Path, port: int, device: str = "box1") -> StationConfig:
    return StationConfig.model_validate(
        {
            "state_dir": folder,
            "station": {"device": device},
            "camera": [{"kind": "simulator"}],
            "predict": {"models": folder},
            "gate": {"recipe": "r"},
            "sync": {"port": port},
        }
    )


class Box:
    """The device's side: `write` fills its ledger as the gate would."""

    def __init__(self, config: StationConfig) -> None:
        self.config = config
        self.images = ImageStore(config.images_dir)
        self.reader = LedgerReader(config.ledger_path)
        self.kept: list[str] = []  # images that the trainer should have

    def open_ledger(self) -> LedgerDb:
        device = self.config.station.device
        return LedgerDb.open(self.config.ledger_path, device, lambda: "epoch-1", SystemClock())

    def write(self, records: int, images: int = 0, pixels: int = 200, seed: int = 1) -> None:
        random = Random(seed)
        every = max(1, records // images) if images else records + 1
        ledger = self.open_ledger()
        for first in range(0, records, 500):
            numbers = range(first, min(first + 500, records))
            writes = [
                self._picture(random, f"i{seed}-{n}", pixels)
                if n % every == 0 and n // every < images
                else AddEvent(EventRecord(code="part", text=f"{seed}/{n} " + "x" * 300, at=START))
                for n in numbers
            ]
            ledger.commit(writes)
        ledger.close()

    def _picture(self, random: Random, inspection_id: str, pixels: int) -> KeepImage:
        noise = np.random.default_rng(random.randrange(2**32))
        kept = self.images.keep(noise.integers(0, 256, (pixels, pixels), np.uint8))
        self.kept.append(kept.sha256)
        event = ImageEvent(
            inspection_id=inspection_id,
            view="main",
            sha256=kept.sha256,
            bytes=kept.bytes,
            send=True,
            at=START,
        )
        return KeepImage(event, Verdict.REWORK)

    def digest(self) -> dict[tuple[str, str, int], str]:
        """As Catalog.digest, from the ledger."""
        extent = self.reader.extent()
        found, seq = {}, 0
        while records := self.reader.records_after(seq):
            seq = records[-1].seq
            found |= {(extent.device, extent.epoch, r.seq): r.sha256 for r in records}
        return found

    @contextmanager
    def syncing(self, clock: Clock = REAL_TIME):
        """The job, in a thread of its own."""
        stop = threading.Event()
        thread = threading.Thread(target=run_sync, args=(self.config, clock, stop))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(10)
            assert not thread.is_alive(), "sync did not stop in order"


class Trainer:
    """`linegate-trainer ingest` as a process, its folder, and eyes on its catalog."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        home.mkdir()
        self._port = port
        self._log = home.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "trainer", "ingest", "--home", str(self.home), "--json"]
        command += ["--broker", f"127.0.0.1:{self._port}"]
        connected = self._log.read_text().count("connected to") if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert _until(lambda: self._log.read_text().count("connected to") > connected, 30)

    def stop(self) -> bytes:
        """Ctrl-C; returns what it printed."""
        assert self._process is not None
        self._process.terminate()
        out, _ = self._process.communicate(timeout=20)
        assert self._process.returncode == 0
        self._process = None
        return out

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=20)
            self._process = None

    @property
    def catalog_path(self) -> Path:
        return self.home / "ingest" / "catalog.db"

    def counts(self) -> dict[str, int]:
        if not self.catalog_path.exists():
            return {}
        with Catalog.read_only(self.catalog_path) as catalog:
            return catalog.counts()

    def digest(self) -> dict[tuple[str, str, int], str]:
        with Catalog.read_only(self.catalog_path) as catalog:
            return catalog.digest()

    def images(self) -> dict[str, str]:
        """Hash of the bytes by name, of every image file."""
        files = (self.home / "ingest" / "images").rglob("*.png")
        return {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _until(condition, timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


@pytest.fixture
def until():
    """`until(condition, timeout_s)`: whether it came true in time."""
    return _until


@pytest.fixture
def broker():
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    with Broker() as running:
        yield running


@pytest.fixture
def box(tmp_path, broker):
    return Box(make_station(tmp_path / "box", broker.port))


@pytest.fixture
def trainer(tmp_path, broker):
    made = Trainer(tmp_path / "home", broker.port)
    yield made
    made.kill()
