"""Logging of a job: one JSON object a line on standard error, each with the job's name."""

import logging
import sys

import structlog


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
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.get_logger().info("start", version=version)
