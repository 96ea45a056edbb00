"""Whether every promise was kept: the PLC's sightings against the ledger and the model itself.

Pure. An escape by software is a part that went on as `pass` without the model's word for it, or
after its time. That the model takes a defect for good is no fault of the software.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from edge.core.messages import By, Verdict
from edge.core.metrics import percentile
from edge.core.records import InspectionRecord
from edge.plc.rules import Lane
from soak.plc import Outcome
from soak.usage import Sample, Trend, trends
from soak.witness import Sighting

IN_TIME_SHARE = 0.999
SLOPE_MB_H = 1.0
WORST = 10  # parts that are shown with where their time went

Key = tuple[str, int]  # part_id and seq


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a run left behind. `records`: the ledger's newest revision by part; `rejudged`:
    what the model says of a part's own picture, asked once more by ourselves (None: the record
    names another picture); `cut`: the score below which the model's word is pass."""

    outcome: Outcome
    records: Mapping[Key, InspectionRecord]
    rejudged: Mapping[Key, float | None]
    cut: float
    samples: Sequence[Sample]
    left_over: int  # records that the trainer does not have

    @property
    def trends(self) -> dict[str, Trend]:
        return trends(self.samples)


@dataclass(frozen=True, slots=True)
class Goal:
    """`met`: None where the run was too short to tell. `parts` names some that broke it."""

    name: str
    value: str
    wanted: str
    met: bool | None
    parts: tuple[str, ...] = ()


def goals(evidence: Evidence) -> list[Goal]:
    return [*_of_time(evidence), *_of_safety(evidence), *_of_usage(evidence.trends)]


# ---- in time ----


def _of_time(evidence: Evidence) -> list[Goal]:
    """Who was refused has no verdict, but knows where to go: told in time, too."""
    seen = evidence.outcome.sightings
    accepted = [each for each in seen if each.refusal is None]
    verdicts = [each for each in accepted if each.verdict_in_time]
    rest = [each for each in seen if not each.verdict_in_time]
    strayed = tuple(each.part_id for each in rest if each.lane is not Lane.REWORK)
    return [
        _share("verdict by deadline + 5 ms, of accepted parts", len(verdicts), len(accepted)),
        _share(
            "told by deadline + 5 ms: a verdict, or refused",
            sum(each.told_in_time for each in seen),
            len(seen),
        ),
        Goal(
            "the PLC treats the rest as rework",
            f"{len(rest) - len(strayed)} of {len(rest)}",
            "all",
            not strayed,
            strayed[:WORST],
        ),
    ]


def _share(name: str, kept: int, of: int) -> Goal:
    wanted = f"at least {IN_TIME_SHARE:.1%}"
    value = f"{kept} of {of}" + (f" ({kept / of:.3%})" if of else "")
    return Goal(name, value, wanted, of > 0 and kept / of >= IN_TIME_SHARE)


# ---- safe ----


def escape(seen: Sighting, evidence: Evidence) -> str | None:
    """Why this part should not have gone on as pass; None if it did not, or with every right."""
    if seen.lane is not Lane.PASS:
        return None
    key = (seen.part_id, seen.seq)
    record = evidence.records.get(key)
    if record is None:
        return "the ledger does not know it"
    if record.verdict is not Verdict.PASS or record.by is not By.MODEL:
        return f"the ledger says {record.verdict} by {record.by}"
    if record.score is None or record.score >= evidence.cut:
        return f"its score is {record.score}, not below {evidence.cut:g}"
    return _too_late(seen, record) or _not_by_the_model(evidence, key, record.score)


def _too_late(seen: Sighting, record: InspectionRecord) -> str | None:
    """By the same wall clock on both sides."""
    valid_until = record.triggered_at + timedelta(milliseconds=record.deadline_ms)
    if seen.moved_at is None or seen.moved_at <= valid_until:
        return None
    late_ms = (seen.moved_at - valid_until) / timedelta(milliseconds=1)
    return f"acted upon {late_ms:.1f} ms after its time"


def _not_by_the_model(evidence: Evidence, key: Key, score: float) -> str | None:
    if key not in evidence.rejudged:
        return None
    again = evidence.rejudged[key]
    if again is None:
        return "it was judged by a picture of something else"
    return None if abs(again - score) < 1e-6 else f"its picture scores {again:g}, not {score:g}"


def _of_safety(evidence: Evidence) -> list[Goal]:
    escapes = [
        f"{s.part_id}: {why}" for s in evidence.outcome.sightings if (why := escape(s, evidence))
    ]
    passed = sum(each.lane is Lane.PASS for each in evidence.outcome.sightings)
    told = {(s.part_id, s.seq) for s in evidence.outcome.sightings if s.answer is not None}
    unknown = sorted(part_id for part_id, _ in told - evidence.records.keys())
    unheard = {name: evidence.outcome.counts[name] for name in ("double", "unmatched")}
    return [
        Goal(
            "escapes by software",
            f"{len(escapes)} of {passed} passed, {len(evidence.rejudged)} of them judged again",
            "0",
            not escapes,
            tuple(escapes[:WORST]),
        ),
        Goal(
            "verdicts doubled or for nobody",
            ", ".join(f"{n} {name}" for name, n in unheard.items()),
            "0",
            not any(unheard.values()),
        ),
        Goal(
            "verdicts that the ledger does not know",
            str(len(unknown)),
            "0",
            not unknown,
            tuple(unknown[:WORST]),
        ),
        Goal(
            "records that are not at the trainer",
            str(evidence.left_over),
            "0",
            evidence.left_over == 0,
        ),
    ]


# ---- nothing grows ----


def _of_usage(trends: Mapping[str, Trend]) -> list[Goal]:
    return [goal for trend in trends.values() for goal in (_slope(trend), _descriptors(trend))]


def _slope(trend: Trend) -> Goal:
    name, wanted = f"memory of {trend.job}", f"under {SLOPE_MB_H:g} MB/h"
    if trend.slope_mb_h is None:
        return Goal(name, f"{trend.pss_last_mb:.1f} MB; too short for a slope", wanted, None)
    interval = f"95 %: {trend.slope_low_mb_h:+.2f} to {trend.slope_high_mb_h:+.2f}"
    value = f"{trend.slope_mb_h:+.2f} MB/h ({interval}; {trend.samples} samples)"
    return Goal(name, value, wanted, trend.slope_mb_h < SLOPE_MB_H)


def _descriptors(trend: Trend) -> Goal:
    value = f"{trend.fds_first} at the beginning, {trend.fds_last} at the end"
    return Goal(f"descriptors of {trend.job}", value, "constant", trend.fds_last <= trend.fds_first)


# ---- figures ----


def figures(evidence: Evidence) -> dict[str, object]:
    """What it came to, beside the goals."""
    seen = evidence.outcome.sightings
    took_ms = [each.took_ms for each in seen if each.took_ms is not None]
    all_in_time = sum(each.verdict_in_time for each in seen)
    rest = [each for each in seen if not each.verdict_in_time]
    return {
        "parts": len(seen),
        "verdict_in_time_of_all": all_in_time,
        "lanes": _count(each.lane for each in seen),
        "refused": _count(each.refusal for each in seen if each.refusal is not None),
        "rest_moved_by": _count(each.why for each in rest),
        "reasons": _count(
            reason for each in seen if each.answer is not None for reason in each.answer.reasons
        ),
        "by": _count(each.answer.by for each in seen if each.answer is not None),
        "took_ms": {
            **{f"p{q:g}": percentile(took_ms, q) for q in (50, 99, 99.9)},
            "max": max(took_ms, default=None),
        },
        "late_ms": _late_ms(seen),
        "latest": [_where_it_went(s, evidence) for s in _latest(seen)],
        "plc": evidence.outcome.counts,
        "plc_itself": {
            "real_time": evidence.outcome.real_time,
            "late_ms": evidence.outcome.late_ms,
        },
    }


def _count(values: object) -> dict[str, int]:
    return {str(value): n for value, n in Counter(values).most_common()}  # type: ignore[call-overload]


def _lateness_ms(seen: Sighting) -> float:
    """How long after its deadline the verdict came; negative: before."""
    assert seen.took_ms is not None
    return seen.took_ms - seen.deadline_ms


def _late_ms(sightings: Sequence[Sighting]) -> dict[str, float | None]:
    """Of the verdicts that came at the guard's word or later, by the deadline."""
    late = [_lateness_ms(s) for s in sightings if s.took_ms is not None and _lateness_ms(s) > -50]
    return {
        "n": len(late),
        **{f"p{q:g}": percentile(late, q) for q in (50, 99, 99.9)},
        "max": max(late, default=None),
    }


def _latest(sightings: Sequence[Sighting]) -> list[Sighting]:
    told = [each for each in sightings if each.took_ms is not None]
    return sorted(told, key=_lateness_ms, reverse=True)[:WORST]


def _where_it_went(seen: Sighting, evidence: Evidence) -> dict[str, object]:
    """To the gate, in the gate, and back to the PLC, by the wall clock of both."""
    record = evidence.records.get((seen.part_id, seen.seq))
    answer, took_ms = seen.answer, seen.took_ms
    assert answer is not None and took_ms is not None
    shown = {"part": seen.part_id, "late_ms": _lateness_ms(seen), "reasons": list(answer.reasons)}
    if record is None:
        return shown
    there_ms = (record.triggered_at - seen.sent_at) / timedelta(milliseconds=1)
    inside_ms = answer.latency_ms
    ways = {"to_gate": there_ms, "in_gate": inside_ms, "back": took_ms - there_ms - inside_ms}
    return shown | {name: round(ms, 2) for name, ms in ways.items()}
