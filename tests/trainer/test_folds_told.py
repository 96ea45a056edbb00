"""How the table of learners, the spread and the search are told."""

from trainer.report import folds

SPREAD = {"each": [0.9, 1.0], "mean": 0.95, "sd": 0.0707, "min": 0.9}
CROSSVAL = {
    "learner": "supervised",
    "folds": 2,
    "seconds": 61.0,
    "near_copies": 3,
    "n_good": 40,
    "n_defect": 20,
    **dict.fromkeys(("auroc", "ap", "recall_at_1pct_fr", "recall_at_5pct_fr"), SPREAD),
}
ROW = {"learner": "good-only", "folds": 2, "auroc": SPREAD, "ap": SPREAD, "seconds": 30.0}
CHOICE = {
    "learner": "supervised",
    "rows": [
        ROW | {"reason": "the simplest"},
        ROW | {"learner": "supervised", "reason": "better than good-only: +0.1000 +- 0.0300"},
    ],
    "no_deep": "20 defective pictures; below 200 it was not worth its minutes",
}
SEARCH = {
    "trials": 9,
    "pruned": 4,
    "minutes": 30.2,
    "defaults": {"knobs": {"steps": 400}, "auroc": 0.95},
    "best": {"knobs": {"steps": 600, "rate": 0.00123}, "auroc": 0.96},
    "gain": {"mean": 0.01, "error": 0.02},
}


def test_run_that_was_not_asked_says_nothing() -> None:
    assert folds.lines({"val": {}}) == [] and folds.markdown({"val": {}}) == []


def test_table_gives_every_learner_a_row_with_its_reason() -> None:
    head, first, second, deep, last = folds.lines({"choice": CHOICE})
    assert head.split() == ["learner", "folds", "AUROC", "sd", "worst", "AP", "seconds"]
    assert first.split()[:3] == ["good-only", "2", "0.9500"] and first.endswith("the simplest")
    assert second.endswith("+0.1000 +- 0.0300") and "below 200" in deep
    assert last.startswith("learner: supervised, by the same folds")


def test_choice_without_a_comparison_is_its_reason() -> None:
    choice = {"learner": "good-only", "reason": "3 defective pictures", "rows": []}
    assert folds.lines({"choice": choice}) == ["learner: good-only, 3 defective pictures"]
    assert "Learner `good-only`: 3 defective pictures." in folds.markdown({"choice": choice})


def test_spread_is_told_with_the_worst_fold_and_with_what_it_is_not() -> None:
    told, whose = folds.lines({"crossval": CROSSVAL})
    assert "40 good, 20 defective" in told
    assert "AUROC 0.9500 +- 0.0707 (worst 0.9000)" in told
    assert "3 pictures look like near-copies" in told
    assert "no threshold or guarantee rests on them" in whose
    alone = CROSSVAL | {"auroc": None}
    assert "no figures without defects" in folds.lines({"crossval": alone})[0]


def test_search_tells_what_was_gained_and_that_it_flatters() -> None:
    (told,) = folds.lines({"search": SEARCH})
    assert "9 trials in 30 min, 4 of them stopped early" in told
    assert "steps 600, rate 0.00123" in told and "+0.0100 +- 0.0200" in told
    assert "flattered" in told


def test_card_has_table_reason_and_spread() -> None:
    text = "\n".join(folds.markdown({"choice": CHOICE, "crossval": CROSSVAL, "search": SEARCH}))
    assert text.startswith("## Before the fit") and "| supervised | 2 | 0.9500 |" in text
    assert "Learner `supervised`: by the same folds" in text and "9 trials" in text
