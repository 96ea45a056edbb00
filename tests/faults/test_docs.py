"""Every fault stands in docs/faults.md: what one sees of it, and what to do."""

import re
from pathlib import Path

from faults.tables import FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


def sections() -> dict[str, list[str]]:
    """The first cells of the tables, by heading."""
    found: dict[str, list[str]] = {}
    for part in PAGE.read_text().split("\n## ")[1:]:
        rows = re.findall(r"^\| ([^|]+?) \|", part, re.MULTILINE)
        found[part.partition("\n")[0]] = [row for row in rows if row not in ("fault", "---")]
    return {heading: rows for heading, rows in found.items() if rows}


def test_page_has_the_faults_of_the_tables_in_their_order() -> None:
    tables: dict[str, list[str]] = {}
    for fault in FAULTS:
        tables.setdefault(fault.subject, []).append(fault.broken)
    assert sections() == tables
