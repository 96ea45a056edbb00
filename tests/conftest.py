"""Skips are counted, and where everything must run (CI) a missing system package fails the run."""

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# How long an example takes is no property of the code on a loaded machine.
settings.register_profile("linegate", deadline=None)
settings.load_profile("linegate")

# What no system package can bring: data, devices, modules of the kernel.
_ALLOWED = ("LINEGATE_SHARED", "evaluation data", "hardware", "gpio-sim")
_skipped: list[str] = []


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """A command that a test runs in this process sets logging up; the next test begins afresh."""
    yield
    structlog.reset_defaults()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        _skipped.append(f"{report.nodeid}: {report.longrepr[2]}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("LINEGATE_REQUIRE_ALL") and _lacking():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _skipped:
        return
    terminalreporter.section("skipped")
    for line in _skipped:
        terminalreporter.write_line(line)
    if os.environ.get("LINEGATE_REQUIRE_ALL") and _lacking():
        terminalreporter.write_line("FAILED: here every test must run", red=True)


def _lacking() -> list[str]:
    return [line for line in _skipped if not any(word in line for word in _ALLOWED)]
