import os

import pytest
from structlog.testing import capture_logs

from edge.camera.faults import Faults, FaultsFile


@pytest.fixture
def file(tmp_path):
    return tmp_path / "faults.json"


def test_no_file_means_no_faults(file):
    assert FaultsFile(None).read() == FaultsFile(file).read() == Faults()


def test_change_is_seen_and_removal_ends_it(file):
    faults = FaultsFile(file)
    file.write_text('{"lamp": 0.3}')
    assert faults.read().lamp == 0.3
    file.write_text('{"lamp": 0.25, "moved_px": [40, 10]}')
    assert faults.read() == Faults(lamp=0.25, moved_px=(40, 10))
    file.unlink()
    assert faults.read() == Faults()


def test_same_size_rewrite_is_seen_by_its_time(file):
    faults = FaultsFile(file)
    file.write_text('{"lamp": 0.3}')
    faults.read()
    file.write_text('{"lamp": 0.4}')
    os.utime(file, ns=(1, 1))
    assert faults.read().lamp == 0.4


@pytest.mark.parametrize(
    "text",
    [
        '{"lamp": ',
        '{"lampe": 0.3}',
        '{"lamp": 2}',
        "[]",
        "",
        '{"lamp": NaN}',
        '{"stuck": [[1, 2]]}',
    ],
)
def test_wrong_file_changes_nothing_and_is_logged_once(file, text):
    faults = FaultsFile(file)
    file.write_text('{"smear": 0.5}')
    faults.read()
    file.write_text(text)
    with capture_logs() as logs:
        assert [faults.read().smear for _ in range(3)] == [0.5] * 3
    assert [log["event"] for log in logs] == ["faults_file_ignored"]


def test_log_names_the_unknown_key(file):
    file.write_text('{"lampe": 0.3}')
    with capture_logs() as logs:
        FaultsFile(file).read()
    assert "lampe: unknown key" in logs[0]["problem"]
