"""What start-up built is not walked again."""

import subprocess
import sys

SEEN = """
import gc
from edge.garbage import spare_what_lasts
lasting = [[number] for number in range(1000)]
before = len(gc.get_objects())
spare_what_lasts()
print(before, len(gc.get_objects()), gc.get_freeze_count(), gc.isenabled())
"""


def test_collector_goes_on_but_leaves_out_what_was_there() -> None:
    told = subprocess.run([sys.executable, "-c", SEEN], capture_output=True, text=True, timeout=60)
    before, walked, spared, enabled = told.stdout.split()
    assert int(walked) < 100 < 1000 < int(before)
    assert int(spared) > 1000 and enabled == "True"
