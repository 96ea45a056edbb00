"""What the gate goes by: which model judges by which cuts for every recipe, and its bounds."""

from collections.abc import Mapping
from dataclasses import dataclass

from edge.core.decide import Rules, cuts
from edge.core.manifest import Manifest
from edge.core.recipe import Recipe


@dataclass(frozen=True, slots=True)
class RecipeRules:
    """A recipe, and what its model's verdicts are measured against."""

    recipe: Recipe
    rules: Rules
    model: str | None


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of the gate (config.Gate, config.Plc)."""

    max_in_flight: int
    max_waiting: int
    answer_margin_ms: int
    silent_after: int


def rules_of(
    recipes: Mapping[str, Recipe], manifests: Mapping[str, Manifest]
) -> dict[str, RecipeRules]:
    return {
        name: rules_for(recipe, manifests.get(recipe.model)) for name, recipe in recipes.items()
    }


def rules_for(recipe: Recipe, manifest: Manifest | None) -> RecipeRules:
    views = tuple(view.name for view in recipe.views)
    coded = (view.name for view in recipe.views if view.code is not None and view.code.required)
    code_view = next(coded, None)
    if manifest is None:  # nothing can pass by a model that is not there; people still can judge
        return RecipeRules(recipe, Rules(0.0, 0.0, None, views, code_view), None)
    pass_below, rework_from = cuts(manifest.thresholds, recipe.thresholds)
    rules = Rules(pass_below, rework_from, manifest.sha256, views, code_view)
    return RecipeRules(recipe, rules, manifest.label)
