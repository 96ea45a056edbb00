"""The judge can fail: each way in which a line is unsafe turns a fault's row red."""

from dataclasses import replace

import pytest
from faults.judge import Evidence, Meanwhile, Part, Row, complaints, safe_after_s

from edge.core.messages import Verdict
from edge.plc.rules import Lane

PASSED = Part("A", 1, sent_at=9.0, lane=Lane.PASS, why="pass by model", moved_at=9.1)
REWORKED = Part("B", 2, sent_at=11.0, lane=Lane.REWORK, why="no_frame", moved_at=11.4)
DEFECT = Part("C", 3, sent_at=10.5, lane=Lane.REWORK, why="defect", moved_at=10.6)
ROWS = (Row("A", 1, Verdict.PASS), Row("B", 2, Verdict.REWORK), Row("C", 3, Verdict.REWORK))
SAFE = Evidence((PASSED, REWORKED, DEFECT), ROWS, {}, broken_at=10.0, mended_at=20.0, told_at=12.0)


def judged(evidence: Evidence, meanwhile: Meanwhile = Meanwhile.NONE_PASSES) -> str:
    return "; ".join(complaints(meanwhile, silence=False, evidence=evidence))


def passed_at(sent_at: float) -> Evidence:
    part = replace(PASSED, part_id="D", seq=4, sent_at=sent_at)
    return replace(SAFE, parts=(*SAFE.parts, part), rows=(*ROWS, Row("D", 4, Verdict.PASS)))


def test_parts_that_went_to_rework_are_safe() -> None:
    assert judged(SAFE) == ""


@pytest.mark.parametrize("what", ["double", "unmatched", "unsafe_pass", "missed", "late"])
def test_what_the_plc_counts_against_the_gate_is_not_safe(what: str) -> None:
    assert judged(replace(SAFE, counts={what: 3})) == f"the PLC counted 3 {what}"


@pytest.mark.parametrize("what", ["double", "unmatched", "unsafe_pass"])
def test_one_of_these_is_too_many(what: str) -> None:
    assert judged(replace(SAFE, counts={what: 1})) == f"the PLC counted 1 {what}"


def test_silence_is_safe_where_the_fault_explains_it() -> None:
    silent = replace(SAFE, counts={"missed": 30, "late": 10})
    assert complaints(Meanwhile.NONE_PASSES, silence=True, evidence=silent) == []


def test_pass_while_it_was_broken_is_not_safe() -> None:
    assert "1 parts passed while it was broken: ['D']" in judged(passed_at(10.1))
    assert judged(passed_at(20.1)) == ""


def test_pass_before_anybody_could_know_is_no_fault_of_the_gate_but_one_after_it_is() -> None:
    slow = Meanwhile.NONE_PASSES_ONCE_TOLD
    assert judged(passed_at(11.9), slow) == ""
    assert "passed while it was broken" in judged(passed_at(12.1), slow)


def test_line_that_stands_still_for_nothing_is_no_good_line_either() -> None:
    assert "no part passed" in judged(SAFE, Meanwhile.ALL_GOES_ON)
    assert judged(passed_at(10.1), Meanwhile.ALL_GOES_ON) == ""


def test_pass_that_the_ledger_does_not_know_is_not_safe() -> None:
    reworked = replace(SAFE, rows=(Row("A", 1, Verdict.REWORK), *ROWS[1:]))
    for lost in (replace(SAFE, rows=ROWS[1:]), reworked):
        assert "1 parts passed the PLC without a recorded pass: ['A']" in judged(lost)


def test_part_that_stands_twice_or_open_in_the_ledger_is_not_safe() -> None:
    assert "stand twice" in judged(replace(SAFE, rows=(*ROWS, ROWS[0])))
    assert "no final verdict" in judged(replace(SAFE, rows=(*ROWS, Row("D", 4, None))))


def test_time_to_safe_ends_with_the_first_part_that_failed_safe_not_with_a_defect() -> None:
    assert safe_after_s(SAFE) == pytest.approx(1.4)
    assert safe_after_s(replace(SAFE, parts=(PASSED, DEFECT))) is None
