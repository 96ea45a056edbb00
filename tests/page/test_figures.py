"""Counts with their intervals, against published and hand-computed values."""

import pytest

from edge.core.messages import Reason
from edge.page.figures import latency, pareto, share, verdict_shares


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [  # Clopper-Pearson 95 %, e.g. Agresti & Coull 1998; R: binom.test
        (0, 10, 0.0, 30.85),
        (5, 10, 18.71, 81.29),
        (1, 100, 0.0253, 5.446),
        (10, 10, 69.15, 100.0),
    ],
)
def test_share_carries_the_exact_interval(k, n, low, high):
    found = share("x", "pass", k, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


def test_no_parts_is_no_percentage():
    found = share("Passed", "pass", 0, 0)
    assert found.percent is None
    assert found.text == "no parts yet"


@pytest.mark.parametrize(
    ("k", "n", "text"),
    [
        (0, 50, "0 %"),
        (50, 50, "100 %"),
        (1, 10_000, "<0.1 %"),
        (9_999, 10_000, ">99.9 %"),
        (1, 8, "12.5 %"),
    ],
)
def test_a_rare_case_never_reads_as_none(k, n, text):
    assert share("x", "pass", k, n).text == text


def test_every_verdict_is_of_all_parts_with_a_verdict():
    passed, rework, review = verdict_shares({"pass": 90, "rework": 7, "review": 3})
    assert [s.n for s in (passed, rework, review)] == [100, 100, 100]
    assert (passed.k, rework.k, review.k) == (90, 7, 3)


def test_pareto_is_sorted_and_in_words():
    rows = pareto({Reason.NO_FRAME: 2, Reason.DEFECT: 9, "from_a_newer_gate": 2}, n_rework=12)
    assert [(row.label, row.k) for row in rows] == [
        ("The model sees a defect", 9),
        ("from a newer gate", 2),
        ("The camera gave no picture", 2),
    ]


def test_latency_quantiles_are_observed_values():
    found = latency([float(x) for x in range(100, 0, -1)])
    assert (found.n, found.p50_ms, found.p99_ms) == (100, 50.0, 99.0)
    assert latency([7.0]).p99_ms == 7.0
    assert latency([]).p50_ms is None
