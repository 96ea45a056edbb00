"""What the prediction server says of itself at /metrics, in Prometheus' text format."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from edge.core.errors import PredictorError
from edge.predict.repository import Repository

OK, REFUSED, FAILED = "ok", "refused", "failed"
_BUCKETS_MS = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 25, 50, 100, 250, 500, 1000, 5000)


class Meters:
    """Counts and times inference requests. Model labels come from loaded models only: a caller
    cannot make up new ones."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "linegate_predict_requests",
            "Inference requests by outcome: ok, refused (the caller's fault), failed (ours).",
            ["model", "outcome"],
            registry=self._registry,
        )
        self._latency_ms = Histogram(
            "linegate_predict_latency_ms",
            "From the request's head to the answer, in milliseconds.",
            ["model"],
            buckets=_BUCKETS_MS,
            registry=self._registry,
        )
        self._loaded = Gauge(
            "linegate_predict_model_loaded",
            "1 for each version of a model that is loaded.",
            ["model", "version"],
            registry=self._registry,
        )
        rss = Gauge(
            "linegate_predict_rss_bytes",
            "Resident memory of the prediction server.",
            registry=self._registry,
        )
        process = psutil.Process()
        rss.set_function(lambda: float(process.memory_info().rss))

    @contextmanager
    def request(self, model: str) -> Iterator[None]:
        """Count what happens inside by how it ends."""
        started = time.perf_counter()
        outcome = REFUSED
        try:
            yield
            outcome = OK
        except (PredictorError, MemoryError):
            outcome = FAILED
            raise
        finally:
            self.count(model, outcome, time.perf_counter() - started)

    def count(self, model: str, outcome: str, seconds: float) -> None:
        self._requests.labels(model, outcome).inc()
        self._latency_ms.labels(model).observe(seconds * 1000)

    def text(self, repository: Repository) -> bytes:
        self._loaded.clear()
        for session in repository.sessions:
            self._loaded.labels(session.manifest.name, str(session.manifest.version)).set(1)
        return generate_latest(self._registry)
