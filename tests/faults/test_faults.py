"""Whatever breaks, the line stays safe, hears what is wrong, and is ready again: one row a fault.

The rows stand in the tables beside this file; `make faults` writes what was seen to
build/faults.md.
"""

import shutil
from collections.abc import Callable

import pytest
from faults.fault import Fault, play
from faults.report import Told
from faults.rig import Rig
from faults.tables import FAULTS

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.broken)
def test_line_is_safe(
    fault: Fault, station: Callable[[], Rig], tell: Callable[[Told], None]
) -> None:
    if fault.needs and shutil.which(fault.needs) is None:
        why = f"{fault.needs} is not installed"
        tell(Told(fault.subject, fault.broken, skipped=why))
        pytest.skip(why)
    told = play(station(), fault)
    tell(told)
    assert told.complaints == ()
