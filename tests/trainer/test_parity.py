"""int8 beside its float twin: what moved, what flipped, and which way."""

import platform
from pathlib import Path

from edge.core.manifest import Thresholds
from trainer.commands.telling import parity_lines
from trainer.judge import parity
from trainer.judge.processor import flags, processor
from trainer.judge.scores import Row

CUTS = Thresholds(pass_below=0.3, rework_from=0.7, no_guarantee="a test")


def row(label: int, int8: float, twin: float | None, kind: str = "") -> Row:
    return Row("a.png", label, int8, "a", kind, "", twin)


TABLE = [
    row(0, 0.1, 0.1),
    row(0, 0.25, 0.35),  # only int8 passes it: a good part, so all the better
    row(0, 0.4, 0.2),  # held by int8
    row(1, 0.9, 0.8, "crack"),
    row(1, 0.28, 0.75, "crack"),  # the flip that costs
    row(1, 0.65, 0.75, "fray"),  # from rework to a person
]


def test_flips_are_counted_and_the_dear_ones_named_apart() -> None:
    found = parity.parity(TABLE, CUTS)
    assert found is not None
    assert (found.n, found.flips, found.defect_to_pass) == (6, 4, 1)
    assert found.max_score_change == 0.75 - 0.28
    assert found.auroc_float == 1.0 and found.auroc_int8 == 8 / 9


def test_every_kind_is_judged_against_all_good_parts() -> None:
    good, crack, fray = parity.by_kind(TABLE, CUTS)
    assert (good["kind"], good["n"], good["flips"], good["to_pass"]) == ("good", 3, 2, 1)
    assert good["auroc_int8"] is None
    assert (crack["kind"], crack["n"], crack["flips"], crack["to_pass"]) == ("crack", 2, 1, 1)
    assert crack["auroc_int8"] == 5 / 6 and crack["auroc_float"] == 1.0
    assert (fray["kind"], fray["flips"], fray["to_pass"]) == ("fray", 1, 0)
    told = parity_lines(parity.parity(TABLE, CUTS).model_dump(), [good, crack, fray])
    assert "4 of 6 decisions differ, 1 defect(s) pass with int8 alone" in told[0]
    assert len(told) == 5


def test_without_defects_there_is_no_auroc_and_all_else() -> None:
    found = parity.parity(TABLE[:3], CUTS)
    assert found is not None
    assert found.auroc_int8 is None and found.flips == 2 and found.defect_to_pass == 0


def test_table_without_float_scores_says_nothing() -> None:
    table = [*TABLE, row(0, 0.1, None)]
    assert parity.parity(table, CUTS) is None and parity.by_kind(table, CUTS) == []


def test_processor_is_named_by_what_its_int8_kernels_use() -> None:
    x86 = "processor\t: 0\nflags\t\t: fpu avx2 avx512bw avx512_vnni\nflags\t\t: fpu\n"
    assert flags(x86) == ["avx2", "avx512bw", "avx512_vnni"]
    assert flags("Features\t: fp asimd asimddp\n") == ["asimddp"]
    assert flags("") == []
    assert processor(Path("no such file")) == platform.machine()
