"""The options that say what an error may cost."""

import functools
from collections.abc import Callable
from typing import Any

import click

from trainer.commands.common import Command
from trainer.judge.band import Costs
from trainer.judge.thresholds import Risk


def risk_options(command: Command) -> Command:
    """Options that end as one argument `risk`: see trainer.judge.thresholds.Risk."""

    @functools.wraps(command)
    def with_risk(*args: Any, **options: Any) -> Any:
        chosen = {name: options.pop(name) for name in _RISK}
        return command(*args, risk=_risk(chosen), **options)

    wrapped: Command = with_risk
    for option in reversed(_RISK.values()):
        wrapped = option(wrapped)
    return wrapped


def _risk(chosen: dict[str, Any]) -> Risk:
    prices = [chosen.pop(f"{what}_cost") for what in ("escape", "reject", "review")]
    if all(price is None for price in prices):
        return Risk(**chosen)
    if any(price is None for price in prices):
        raise click.UsageError("give all of --escape-cost, --reject-cost and --review-cost")
    return Risk(**chosen, costs=Costs(*prices))


def _share(name: str, default: float | None, text: str) -> Callable[[Command], Command]:
    share = click.FloatRange(0, 1, min_open=default is not None, max_open=default is not None)
    return click.option(name, type=share, default=default, show_default=True, help=text)


def _price(what: str, text: str) -> Callable[[Command], Command]:
    price = click.FloatRange(0)
    return click.option(f"--{what}-cost", type=price, help=f"{text}, in any currency.")


_RISK = {
    "alpha": _share("--alpha", 0.05, "Share of defects that may pass."),
    "delta": _share("--delta", 0.05, "1 - confidence in it."),
    "false_rejects": _share(
        "--false-rejects", 0.01, "Good parts that may be reworked without a person."
    ),
    "defect_rate": _share("--defect-rate", 0.02, "Share of defects that the line expects."),
    "review_capacity": _share(
        "--review-capacity", None, "Share of parts that persons can look at: the band is as wide."
    ),
    "escape_cost": _price(
        "escape",
        "Of a defect that passes: with all three costs the cheapest "
        "thresholds within the guarantee are taken",
    ),
    "reject_cost": _price("reject", "Of a good part that the model reworks"),
    "review_cost": _price("review", "Of a part that a person looks at"),
}
