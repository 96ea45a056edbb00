"""The report counts what really happened and says what to do."""

import pytest

from edge.camera.parts import part_id, truth_of
from edge.config import SimulatorSettings
from edge.core.messages import Verdict
from edge.demo.summary import Post
from edge.simulate.referee import Case, Finding, Said
from edge.simulate.report import (
    Timing,
    as_json,
    figures,
    in_words,
    script_finding,
    station_findings,
)

SETTINGS = SimulatorSettings(defect_share=0.5)
CLEAN = {"missed": 0, "late": 0, "double": 0, "unmatched": 0, "unsafe_pass": 0}
PLC = {
    "plc": CLEAN,
    "refused": {},
    "taken_late": 0,
    "latency_ms": {"n": 0, "p50": 5.0, "p99": None},
}
TIMING = Timing(late_ms=3.0, dropped=0)


def case(number: int, let_by: bool) -> Case:
    said = Said(Verdict.PASS if let_by else Verdict.REWORK, True, None)
    return Case(number, frozenset(), said, False, None, 0.0, 1.0, 2.0, let_by, False, False)


def result_of(cases: list[Case], **plc: object):
    return figures(cases, (), {**PLC, **plc}, Post(7, 7), SETTINGS, TIMING, 4)


def broken(result, troubled: bool = False, alpha: float | None = 0.03, timing: Timing = TIMING):
    found = station_findings(result, troubled, alpha, timing)
    return [finding.rule.partition(":")[0] for finding in found if not finding.kept]


def test_escapes_and_overkill_are_parts_that_really_went_there() -> None:
    cases = [case(number, let_by=number % 2 == 0) for number in range(20)]
    bad = {n for n in range(20) if truth_of(SETTINGS, part_id(n)).defective}
    result = result_of(cases)
    assert (result["went_by"], result["thrown"]) == (10, 10)
    assert result["truth"] == {
        "escapes": len(bad & set(range(0, 20, 2))),
        "overkill": 10 - len(bad & set(range(1, 20, 2))),
        "n_defect": len(bad),
        "n_good": 20 - len(bad),
    }


def test_run_without_a_fault_breaks_nothing() -> None:
    bad = {n for n in range(20) if truth_of(SETTINGS, part_id(n)).defective}
    assert broken(result_of([case(n, let_by=n not in bad) for n in range(20)])) == []


def test_verdicts_of_neighbours_refute_the_models_promise() -> None:
    bad = {n for n in range(40) if truth_of(SETTINGS, part_id(n)).defective}
    swapped = result_of([case(n, let_by=n ^ 1 not in bad) for n in range(40)])
    assert broken(swapped) == ["no more defective parts go by than the model promises"]
    assert broken(swapped, alpha=None) == []  # a model that promises nothing


@pytest.mark.parametrize("what", ["double", "unmatched", "unsafe_pass"])
@pytest.mark.parametrize("troubled", [True, False])
def test_no_trouble_allows_a_second_or_foreign_verdict(what: str, troubled: bool) -> None:
    result = result_of([case(0, False)], plc={**CLEAN, what: 1})
    assert broken(result, troubled) == ["one verdict each"]


def test_silence_is_allowed_in_trouble_alone() -> None:
    result = result_of([case(0, False)], plc={**CLEAN, "missed": 1})
    assert broken(result, troubled=False) == ["one verdict each"]
    assert broken(result, troubled=True) == []


def test_line_that_throws_everything_is_found() -> None:
    assert broken(result_of([case(n, False) for n in range(40)])) == ["good parts go by"]


def test_run_in_which_no_part_came_is_no_acceptance() -> None:
    assert broken(result_of([])) == ["good parts go by"]


def test_few_parts_may_be_held_up_by_the_machine_but_not_many() -> None:
    result = result_of([case(n, True) for n in range(200)])
    few = Timing(300, 0, frozenset(range(2)))
    many = Timing(300, 0, frozenset(range(3)))
    assert broken(result, alpha=None, timing=few) == []
    assert broken(result, alpha=None, timing=many) == ["this machine keeps up with the belt"]


def test_words_name_the_parts_and_the_mend() -> None:
    found = [Finding("kept", 0, 9, "nothing"), Finding("bent", 2, 9, "mend it", 3, (4, 5))]
    result = result_of([case(0, False)])
    lines = in_words(result, found)
    assert "ok         kept" in lines
    assert "BROKEN     bent: 2 of 9: part 4, 5 (3 more are excused)" in lines
    assert "           -> mend it" in lines
    assert lines[-1] == "NOT ACCEPTED: 1 of 2 promises broken"
    assert [check["kept"] for check in as_json(result, found)["checks"]] == [True, False]


def test_fault_that_did_not_happen_is_a_broken_promise_with_its_cause() -> None:
    why = "gate_killed, at 16.0 s: gate was not running"
    lines = in_words(result_of([]), [script_finding(2, (why,))])
    assert "BROKEN     every fault of the script happened, and ended: 1 of 2" in lines
    assert f"           -> {why}" in lines
    assert lines[-1] == "NOT ACCEPTED: 1 of 1 promises broken"
    assert script_finding(2, ()).kept
