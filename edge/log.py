"""Logging of a job: one JSON object a line on standard error, each with the job's name."""

import logging
import sys
from contextlib import suppress

import structlog


class _Lossy(structlog.PrintLogger):
    """Drops a line that nothing takes: a full disk under the log, a reader that is gone. What is
    wrong stands on `state`, too, and no job may end for want of a log."""

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def setup(job: str, version: str, quiet: bool = False) -> None:
    """Log from here on as `job`; the first line says which version runs. `quiet`: only errors,
    for commands that speak to a person."""
    structlog.configure(
        processors=[
            lambda logger, method, event: {"job": job, **event},
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.ERROR if quiet else logging.INFO
        ),
        # Looked up for each line: the stream of the moment, not of the setup.
        logger_factory=lambda *_: _Lossy(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.get_logger().info("start", version=version)
