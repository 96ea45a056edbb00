"""What cross-validation, the choice between learners and the search said, for people."""

from collections.abc import Mapping, Sequence
from typing import Any

WHOSE = (
    "These scores are of other models than the one that ships, each fitted without the parts that "
    "it was asked about: they say what to expect, and no threshold or guarantee rests on them."
)
_NAMES = {
    "auroc": "AUROC",
    "ap": "AP",
    "recall_at_1pct_fr": "recall at 1 % false rejects",
    "recall_at_5pct_fr": "at 5 %",
}


def lines(results: Mapping[str, Any]) -> list[str]:
    """For the terminal; nothing of what was not asked for."""
    return [
        *_choice(results.get("choice")),
        *_search(results.get("search")),
        *_crossval(results.get("crossval")),
    ]


def markdown(results: Mapping[str, Any]) -> list[str]:
    """For the card."""
    choice, crossval = results.get("choice"), results.get("crossval")
    if not lines(results):
        return []
    return [
        "## Before the fit",
        "",
        *_rows(choice),
        *([f"Learner `{choice['learner']}`: {_reason(choice)}.", ""] if choice else []),
        *_spaced(_search(results.get("search"))),
        *([*_spaced(_crossval(crossval)[:1]), WHOSE, ""] if crossval else []),
    ]


def _choice(choice: Mapping[str, Any] | None) -> list[str]:
    if choice is None:
        return []
    head = (
        f"{'learner':12} {'folds':>5} {'AUROC':>7} {'sd':>7} {'worst':>7} {'AP':>7} {'seconds':>8}"
    )
    return [
        *([head] if choice["rows"] else []),
        *(
            f"{row['learner']:12} {row['folds']:5} {' '.join(f'{v:>7}' for v in _figures(row))} "
            f"{row['seconds']:8.0f}  {row['reason']}"
            for row in choice["rows"]
        ),
        *([f"deep was not tried: {choice['no_deep']}"] if choice.get("no_deep") else []),
        f"learner: {choice['learner']}, {_reason(choice)}",
        *([f"no search: {choice['no_search']}"] if choice.get("no_search") else []),
    ]


def _rows(choice: Mapping[str, Any] | None) -> list[str]:
    if choice is None or not choice["rows"]:
        return []
    return [
        "| learner | folds | AUROC | sd | worst | AP | seconds | |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {row['learner']} | {row['folds']} | {' | '.join(_figures(row))} | "
            f"{row['seconds']:.0f} | {row['reason']} |"
            for row in choice["rows"]
        ),
        "",
    ]


def _figures(row: Mapping[str, Any]) -> list[str]:
    auroc = row["auroc"]
    return [f"{v:.4f}" for v in (auroc["mean"], auroc["sd"], auroc["min"], row["ap"]["mean"])]


def _reason(choice: Mapping[str, Any]) -> str:
    return str(
        choice.get("reason")
        or "by the same folds of train and val: a costlier learner must be better by more than "
        "the standard error"
    )


def _crossval(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    what = (
        f"cross-validated ({found['learner']}, {found['folds']} folds of train and val, "
        f"{found['n_good']} good, {found['n_defect']} defective)"
    )
    if found["auroc"] is None:
        return [f"{what}: no figures without defects"]
    figures = ", ".join(_spread(found, key) for key in _NAMES)
    near = found["near_copies"]
    flattered = (
        f"; {near} pictures look like near-copies across folds, which flatters" if near else ""
    )
    return [f"{what}: {figures}{flattered}", WHOSE]


def _spread(found: Mapping[str, Any], key: str) -> str:
    value = found[key]
    return f"{_NAMES[key]} {value['mean']:.4f} +- {value['sd']:.4f} (worst {value['min']:.4f})"


def _search(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    knobs = ", ".join(f"{name} {value:.3g}" for name, value in found["best"]["knobs"].items())
    gain = found["gain"]
    return [
        f"search: {found['trials']} trials in {found['minutes']:.0f} min, {found['pruned']} of "
        f"them stopped early: AUROC {found['best']['auroc']:.4f} with {knobs}; the defaults "
        f"{found['defaults']['auroc']:.4f} ({gain['mean']:+.4f} +- {gain['error']:.4f}). The best "
        "of several on the same folds is a little flattered."
    ]


def _spaced(paragraphs: Sequence[str]) -> list[str]:
    return [line for paragraph in paragraphs for line in (paragraph, "")]
