"""Logging of a job: one JSON object a line on standard error, each with the job's name."""

import logging
import sys

import structlog


def setup(job: str, version: str) -> None:
    """Log from here on as `job`; the first line says which version runs."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(job=job)
    structlog.get_logger().info("start", version=version)
