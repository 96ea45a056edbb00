"""Run as a script: the gate of a station, its GPIO chip played by files.

`python gpio_gate.py STATION.TOML FOLDER`. Not a test itself: tests/system/test_gpio.py drives it.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from plc.chip import FakeChip

from edge import log
from edge.build import gate
from edge.clock import SystemClock
from edge.config import load_station
from edge.core.cli import on_signal


def main() -> None:
    log.setup("gate", "test")
    config = load_station(Path(sys.argv[1]))
    chip = FakeChip(Path(sys.argv[2]))
    with gate(config, SystemClock(), chip.request_lines) as loop:
        on_signal(loop.stop)
        loop.run()


if __name__ == "__main__":
    main()
