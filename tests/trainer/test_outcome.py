"""What thresholds do to parts, as it is told: shares with n, intervals, domains, costs."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import Result

from edge.core.errors import LinegateError
from edge.core.manifest import Thresholds
from edge.core.metrics import Share
from trainer.clock import SystemClock
from trainer.commands import telling
from trainer.config import Home
from trainer.data import catalog
from trainer.judge import outcome, record, scores
from trainer.judge.band import Costs
from trainer.judge.outcome import LineShare
from trainer.judge.scores import Row
from trainer.judge.thresholds import Risk
from trainer.runs import Runs

CUTS = Thresholds(pass_below=0.3, rework_from=0.7, no_guarantee="a test")


def rows(label: int, values: list[float], domain: str = "", kind: str = "") -> list[Row]:
    """One part each."""
    return [
        Row(f"{domain}{kind}{label}-{n}.png", label, v, f"{domain}{label}-{n}", kind, domain, v)
        for n, v in enumerate(values)
    ]


TABLE = rows(0, [0.1] * 8 + [0.5, 0.9]) + rows(1, [0.2, 0.6, 0.8, 0.9])


def test_shares_are_counted_on_the_side_that_they_speak_of() -> None:
    found = outcome.outcome(TABLE, CUTS, 0.02)
    assert found.escapes == Share(1, 4) and found.overkill == Share(1, 10)
    assert found.review == LineShare(Share(1, 10), Share(1, 4), 0.02)


def test_review_is_told_of_the_lines_parts_and_not_of_the_held_out_mix() -> None:
    share = LineShare(Share(10, 100), Share(50, 100), 0.02)
    low, high = share.interval
    assert share.value == pytest.approx(0.98 * 0.1 + 0.02 * 0.5)
    assert low < share.value < high
    assert str(share).startswith("10.8% (95 %: ") and "at 2.0% defects" in str(share)


def test_without_defects_nothing_is_said_of_escapes() -> None:
    found = outcome.outcome(rows(0, [0.1, 0.5]), CUTS, 0.02)
    assert found.words()["escapes"] == "unknown (0 of 0)"
    assert found.figures()["escapes"] == {"value": None, "interval": [0.0, 1.0]}
    assert found.review.value == 0.5
    assert found.review.interval[1] <= 1


def test_pictures_of_one_part_count_once_for_both_promises() -> None:
    table = [
        Row(f"{label}-{n}.png", label, 0.1 + 0.8 * label, f"{label}-{n // 2}", "", "", None)
        for label in (0, 1)
        for n in range(600)
    ]
    cuts = outcome.fit(table, Risk(alpha=0.01))
    assert cuts.guarantee is not None and cuts.guarantee.n_defects == 300
    assert cuts.false_rejects is not None and cuts.false_rejects.n_good == 300


def test_shares_and_intervals_count_parts_and_not_their_pictures() -> None:
    """Six shots of each part: one that passes is an escape, one that is rejected is overkill."""
    table = [
        Row(f"{label}-{part}-{shot}", label, score, f"{label}-{part}", "", "", None)
        for label in (0, 1)
        for part in range(20)
        for shot in range(6)
        for score in [(0.1, 0.9)[label if (part, shot) != (3, 5) else 1 - label]]
    ]
    found = outcome.outcome(table, CUTS, 0.02)
    assert found.escapes == Share(1, 20) and found.overkill == Share(1, 20)
    assert Share(60, 120).of_parts(20) == Share(10, 20).interval
    assert Share(120, 120).of_parts(20) == Share(20, 20).interval
    low, high = Share(61, 120).of_parts(20)  # 10.2 of 20: the wider way
    assert (low, high) == (Share(10, 20).interval[0], Share(11, 20).interval[1])
    assert Share(0, 0).of_parts(0) == (0.0, 1.0)


LIGHT = rows(0, [0.1] * 60, "light") + rows(1, [0.5] * 60, "light")
DARK = rows(0, [0.6] * 60, "dark") + rows(1, [0.9] * 60, "dark")


def test_one_threshold_for_two_domains_is_shown_to_waste_the_second() -> None:
    kept = record.thresholds([*LIGHT, *DARK], Risk())
    dark, light = kept["domains"]
    assert (dark["domain"], dark["n_good"], dark["n_defect"]) == ("dark", 60, 60)
    assert dark["with_the_runs"]["good_passed"] == 0 and dark["with_its_own"]["good_passed"] == 1
    assert light["with_the_runs"]["escapes"] == light["with_its_own"]["escapes"] == 0
    told = "\n".join(telling.domain_lines(kept["domains"]))
    assert "dark" in told and "  0.0% /100.0%" in told


def test_thresholds_of_a_domain_rest_on_its_parts_alone() -> None:
    kept = record.thresholds([*LIGHT, *DARK], Risk(), "dark")
    cuts = Thresholds.model_validate(kept["thresholds"])
    assert cuts.domain == "dark" and 0.6 < cuts.pass_below < 0.61
    assert cuts.guarantee is not None and cuts.guarantee.n_defects == 60
    assert kept["shares"]["escapes"]["value"] == 0 and kept["domains"] == []
    assert telling.describe(cuts).splitlines()[0].endswith("a person between, for dark")


def test_domain_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(LinegateError, match="there is dark, light"):
        outcome.fit([*LIGHT, *DARK], Risk(), "grey")
    with pytest.raises(LinegateError, match="there is none"):
        outcome.fit(TABLE, Risk(), "grey")


def test_cut_at_what_was_counted_promises_nothing_of_coming_good_parts() -> None:
    table = [*rows(0, [n / 1000 for n in range(400)]), *rows(1, [0.01] * 100)]
    kept = record.thresholds(table, Risk())
    assert kept["thresholds"]["false_rejects"] is None
    assert kept["no_reject_promise"].startswith("rework begins lower than 400 held-out good parts")


def test_wish_is_read_back_as_it_was_kept() -> None:
    risk = Risk(alpha=0.1, review_capacity=0.2, costs=Costs(100, 5, 1))
    assert record.risk_of({"risk": asdict(risk)}) == risk
    assert record.risk_of({}) == Risk()


def test_table_is_read_back_with_all_digits() -> None:
    table = rows(1, [1 / 3, 0.1 + 0.2], "x,y", 'a "kind"')
    assert scores.read(scores.write(table)) == table


def test_table_of_an_older_version_knows_less() -> None:
    (row,) = scores.read(b"path,label,score\na.png,1,0.25\n")
    assert row == Row("a.png", 1, 0.25, "a.png", "", "", None)


# ---- through the commands ----


@pytest.fixture
def calibrate(home: Path, workshop: Callable[..., Result]) -> Callable[..., Result]:
    """`calibrate` on a run that only kept its scores."""
    place = Home(home)
    home.mkdir(parents=True)
    runs = Runs(catalog.open_catalog(place), place, SystemClock())
    with runs.begin("parts", "r" * 64, "supervised", "linegate-trainer train", {}) as run:
        runs.keep(run, "scores-val.csv", scores.write([*LIGHT, *DARK]))
        run.results |= {"evaluation-test": {"auroc": 0.9}, "near_copies": 0}

    def call(*words: object, code: int = 0) -> Result:
        return workshop("calibrate", "--run", "parts-1", *words, code=code)

    return call


def test_calibrate_tells_promises_intervals_and_domains(calibrate: Callable[..., Result]) -> None:
    told = calibrate("--false-rejects", "0.05").output
    assert "guarantee: at most 5.0% of defects pass, with 95% confidence, from 120" in told
    assert "and at most 5.0% of good parts are reworked by the model alone" in told
    assert "escapes, of defective parts        0.0% (0 of 120; 95 %: 0.0% to 3.0%)" in told
    assert "at 2.0% defects" in told and "per domain" in told


def test_calibrate_tells_how_many_good_parts_a_promise_lacks(
    calibrate: Callable[..., Result],
) -> None:
    assert "120 held-out good parts; 179 more would carry 1.0% at 95% confidence" in (
        calibrate().output
    )


def test_calibrate_for_one_domain_names_it(calibrate: Callable[..., Result]) -> None:
    assert "a person between, for dark" in calibrate("--domain", "dark").output
    assert "there is dark, light" in calibrate("--domain", "grey", code=1).output


def test_calibrate_by_cost_tells_what_a_part_will_cost(calibrate: Callable[..., Result]) -> None:
    prices = ("--escape-cost", 100, "--reject-cost", 5, "--review-cost", 1)
    assert "expected cost of a part" in calibrate(*prices, "--defect-rate", 0.1).output
    assert "give all of --escape-cost" in calibrate(*prices[:2], code=2).output
    assert "expected cost" not in calibrate().output


def test_band_fits_the_persons_that_there_are(calibrate: Callable[..., Result]) -> None:
    assert "for a person, of the line's parts  0.0%" in calibrate("--review-capacity", 0).output
