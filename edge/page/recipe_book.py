"""The recipes by which parts were judged, whatever the station uses today."""

from collections.abc import Iterable

from edge.core.recipe import Recipe
from edge.store.reader import LedgerReader


class RecipeBook:
    """Finds a recipe by its hash. The gate keeps every recipe that it ever used in the ledger."""

    def __init__(self, reader: LedgerReader, current: Iterable[Recipe]) -> None:
        self._reader = reader
        self._known = {recipe.sha256: recipe for recipe in current}

    def find(self, sha256: str) -> Recipe | None:
        """Raises StoreError."""
        if sha256 not in self._known:
            text = self._reader.meta().get(f"recipe:{sha256}")
            if text is None:
                return None
            self._known[sha256] = Recipe.model_validate_json(text)
        return self._known[sha256]
