"""Running cells, each as processes of its own, so that seconds and memory are its own too."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.core.errors import LinegateError
from trainer.bench import slots
from trainer.bench.cells import Cell, Measured
from trainer.shipped import OURS
from trainer.track import Track

LONGEST_S = 3600.0


class Bench:
    """A folder that keeps what was measured; what is there is not measured again."""

    def __init__(self, folder: Path, shared: Path, environment: dict[str, str]) -> None:
        self.folder, self.data = folder, shared / "data"
        self._file, self._weights = folder / "cells.jsonl", shared / "weights"
        self._environment = environment | {"LINEGATE_HOME": str(folder / "home")}
        folder.mkdir(parents=True, exist_ok=True)

    def measured(self) -> list[Measured]:
        """In the order of measuring."""
        if not self._file.exists():
            return []
        lines = [_parsed(line) for line in self._file.read_text().splitlines()]
        return [Measured(Cell(**x["cell"]), x["trained"], x["judged"]) for x in lines if x]

    def run(self, cells: Sequence[Cell], track: Track) -> None:
        """Measure what is still open. Raises LinegateError if a command fails."""
        done = {each.cell.key for each in self.measured()}
        for cell in track([cell for cell in cells if cell.key not in done], "cells"):
            self.take_in(self._source(cell.data), cell.data)
            trained = self.linegate(cell.train_words(self.backbone(cell.backbone)))
            words = ["evaluate", "--run", trained["run"], "--split", "test", "--json"]
            self.keep(Measured(cell, trained, self.linegate(words)))

    def _source(self, data: str) -> Path:
        """Where the set lies; one that shows several places per picture is cut up first."""
        source = self.data / data
        several = (source / slots.LIST).exists()
        return slots.cut(source, self.folder / "sets" / data) if several else source

    def backbone(self, name: str) -> str:
        """What `--backbone` says for it."""
        return name if name == OURS else str(self._weights / f"{name}.onnx")

    def take_in(self, source: Path, name: str) -> None:
        """Import a set under a name."""
        self.linegate(["import", str(source), "--name", name, "--drop-copies"])

    def linegate(self, words: list[str]) -> dict[str, Any]:
        """A command in a process of its own; its JSON answer. Raises LinegateError if it fails."""
        try:
            done = subprocess.run(
                [sys.executable, "-m", "trainer", *words],
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=LONGEST_S,
            )
        except subprocess.TimeoutExpired as error:
            raise LinegateError(
                f"linegate-trainer {' '.join(words)}: not done after {LONGEST_S:.0f} s; run the "
                f"same command again to go on behind what is measured"
            ) from error
        if done.returncode != 0:
            tail = done.stderr.strip().splitlines()[-1:]
            raise LinegateError(f"linegate-trainer {' '.join(words)}: {' '.join(tail)}")
        last = done.stdout.strip().splitlines()[-1:]
        answer: dict[str, Any] = json.loads(last[0]) if last and last[0].startswith("{") else {}
        return answer

    def keep(self, measured: Measured) -> None:
        """Durable: it is not measured again."""
        line = {
            "cell": {name: getattr(measured.cell, name) for name in Cell.__slots__},
            "trained": measured.trained,
            "judged": measured.judged,
        }
        with self._file.open("a") as file:
            file.write(f"\n{json.dumps(line)}\n")  # what a power cut tore is a line of its own
            file.flush()
            os.fsync(file.fileno())


def _parsed(line: str) -> dict[str, Any]:
    """Empty, if it is no whole line: then its cell is measured again."""
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return found
