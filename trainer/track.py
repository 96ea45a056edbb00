"""How long work tells how far it is."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

Track = Callable[[Sequence[Any], str], Iterable[Any]]
"""Hands the steps on one by one and shows what is being done; `commands.common.progress`."""
