"""One station for all faults; a fault that it did not survive gets the next one a new station.
What was seen is written to build/faults.md, and shown at the end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from faults.report import Told, written
from faults.rig import Rig, feed_until, rig

REPORT = Path(__file__).parents[2] / "build" / "faults.md"
GRACE_S = 10.0  # for a station to get over the last fault
_told: list[Told] = []


@pytest.fixture(scope="session")
def station() -> Iterator[Callable[[], Rig]]:
    """`station()`: the one that is well."""
    with ExitStack() as stack:
        running: list[Rig] = []

        def well() -> Rig:
            if not running or not feed_until(running[0], running[0].is_well, GRACE_S):
                stack.close()
                running[:] = [stack.enter_context(rig())]
            return running[0]

        yield well


@pytest.fixture
def tell() -> Callable[[Told], None]:
    """`tell(what)`: into the report."""
    return _told.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _told:
        return
    report = written(_told)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report)
    terminalreporter.section(f"faults: {REPORT}")
    terminalreporter.write_line(report)
