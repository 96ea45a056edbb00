"""Which model judges by which cuts, for every recipe of the station."""

from collections.abc import Mapping

from edge.core.decide import Rules, cuts
from edge.core.manifest import Manifest
from edge.core.recipe import Recipe
from edge.gate.ledger import RecipeRules


def rules_of(
    recipes: Mapping[str, Recipe], manifests: Mapping[str, Manifest]
) -> dict[str, RecipeRules]:
    return {
        name: rules_for(recipe, manifests.get(recipe.model)) for name, recipe in recipes.items()
    }


def rules_for(recipe: Recipe, manifest: Manifest | None) -> RecipeRules:
    views = tuple(view.name for view in recipe.views)
    if manifest is None:  # nothing can pass by a model that is not there; people still can judge
        return RecipeRules(recipe, Rules(0.0, 0.0, None, views), None)
    pass_below, rework_from = cuts(manifest.thresholds, recipe.thresholds)
    return RecipeRules(
        recipe, Rules(pass_below, rework_from, manifest.sha256, views), manifest.label
    )
