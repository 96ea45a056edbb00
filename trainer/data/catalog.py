"""The catalog: data sets in SQLite. Pictures stay where they are; their hashes are kept."""

import json
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from edge.core.errors import LinegateError
from trainer.config import Home
from trainer.data.items import Dataset, Item


def open_catalog(home: Home) -> Database:
    """Open (and, the first time, make) the catalog."""
    db = Database(home.catalog)
    db.execute("PRAGMA busy_timeout = 10000")
    with db.atomic():
        _create(db)
    return db


def _create(db: Database) -> None:
    db.table("datasets").create(
        {"name": str, "root": str, "revision": str, "imported_at": str, "commands": str},
        pk="name",
        strict=True,
        if_not_exists=True,
    )
    columns = {name: _column(name) for name in Item.__dataclass_fields__}
    db.table("items").create(
        {"dataset": str, **columns}, pk=("dataset", "path"), strict=True, if_not_exists=True
    )


def _column(name: str) -> type:
    if name == "thumb":
        return bytes
    return int if name in ("label", "width_px", "height_px", "channels") else str


def save(db: Database, dataset: Dataset, at: datetime, replace: bool = False) -> None:
    """Write a data set whole, or not at all.

    Raises LinegateError if a different one has its name and `replace` was not asked for.
    """
    with db.atomic():
        known = next(db.query("SELECT * FROM datasets WHERE name = ?", [dataset.name]), None)
        if known and known["revision"] != dataset.revision and not replace:
            raise LinegateError(
                f"a data set {dataset.name!r} with other content exists (from {known['root']}): "
                "choose another --name, or --replace it"
            )
        db.execute("DELETE FROM items WHERE dataset = ?", [dataset.name])
        db.table("items").insert_all({"dataset": dataset.name, **i.row()} for i in dataset.items)
        db.table("datasets").upsert(_head(dataset, at), pk="name")


def _head(dataset: Dataset, at: datetime) -> dict[str, str]:
    return {
        "name": dataset.name,
        "root": str(dataset.root),
        "revision": dataset.revision,
        "imported_at": at.isoformat(timespec="seconds"),
        "commands": json.dumps(dataset.commands),
    }


def load(db: Database, name: str) -> Dataset:
    """Raises LinegateError with the names that exist."""
    head = next(db.query("SELECT * FROM datasets WHERE name = ?", [name]), None)
    if head is None:
        names = ", ".join(row["name"] for row in db.query("SELECT name FROM datasets ORDER BY 1"))
        raise LinegateError(
            f"no data set {name!r}; there is {names or 'none'}: "
            "`linegate-trainer import DIR --name NAME` makes one"
        )
    rows = db.query("SELECT * FROM items WHERE dataset = ? ORDER BY path", [name])
    items = tuple(Item(**{k: v for k, v in row.items() if k != "dataset"}) for row in rows)
    return Dataset(name, Path(head["root"]), items, tuple(json.loads(head["commands"])))
