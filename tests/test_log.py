"""The log of a job whose standard error takes nothing any more."""

import subprocess
import sys
from pathlib import Path

LOG = """\
import sys
import structlog
from edge import log
log.setup("gate", "1")
try:
    raise ValueError("seen")
except ValueError:
    structlog.get_logger().exception("still here")
print("done")
"""


def logged(stderr: str) -> subprocess.CompletedProcess[bytes]:
    with Path(stderr).open("wb") as full:
        return subprocess.run(
            [sys.executable, "-c", LOG], stdout=subprocess.PIPE, stderr=full, timeout=60
        )


def test_full_disk_under_the_log_does_not_end_the_job() -> None:
    assert logged("/dev/full").stdout == b"done\n"


def test_log_is_one_object_a_line_with_the_job(tmp_path: Path) -> None:
    assert logged(str(tmp_path / "log")).stdout == b"done\n"
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.startswith('{"job": "gate"') for line in lines] == [True, True]
    assert "ValueError: seen" in lines[1]
