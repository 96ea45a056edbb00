"""JSON Schemas of every message and record, made from the models: `schemas()`.

`python -m edge.core.schemas docs/schemas` writes the files that the docs point to.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from edge.core import messages, post, records

DIALECT = "https://json-schema.org/draft/2020-12/schema"

FOLDERS: dict[str, tuple[type[BaseModel], ...]] = {
    "line": (
        messages.Trigger,
        messages.TriggerAck,
        messages.VerdictMessage,
        messages.PlcAck,
        messages.RecipeOrder,
        messages.LevelOrder,
        messages.ChallengeOrder,
        messages.OrderAck,
        messages.StateMessage,
        messages.Heartbeat,
        messages.AlarmMessage,
    ),
    "records": (
        records.InspectionRecord,
        records.ReviewRecord,
        records.EventRecord,
        records.ImageEvent,
        records.AlarmRecord,
    ),
    "post": (post.Hello, post.Batch, post.Ack, post.Want),
}


def schemas() -> dict[str, dict[str, Any]]:
    """Each schema by its file's name without `.json`, such as `line/trigger_ack`."""
    return {
        f"{folder}/{_snake(kind.__name__)}": {"$schema": DIALECT, **kind.model_json_schema()}
        for folder, kinds in FOLDERS.items()
        for kind in kinds
    }


def as_text(schema: dict[str, Any]) -> str:
    """A schema as its file holds it."""
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def main(folder: Path) -> None:
    """Write all schemas below `folder`."""
    for name, schema in schemas().items():
        path = folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_text(schema))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
