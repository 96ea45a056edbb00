"""`linegate replay`: the whole gate over recorded frames, as fast as it goes."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from edge import log
from edge.camera.frame_list import read_frame_list
from edge.clock import SystemClock
from edge.config import ReplaySettings, load_station
from edge.core.cli import print_json
from edge.core.messages import Level
from edge.replay.figures import line_of, summary
from edge.replay.run import Judged, judge_all, over_frames, state_folder


@click.command(
    epilog="Example: linegate replay --config station.toml --frames shift.csv --out shift.jsonl"
)
@click.option("--config", type=click.Path(path_type=Path), default=Path("station.toml"))
@click.option(
    "--frames",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="A folder of pictures, or a CSV with a `path` column.",
)
@click.option("--split", help="Only the rows of this split (a column of the CSV).")
@click.option("--out", type=click.Path(path_type=Path), help="One JSON line per part.")
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    help="Instead of the station's own.",
)
@click.option("--deadline-ms", default=10_000, show_default=True)
@click.option("--state", type=click.Path(path_type=Path), help="Keep ledger and images here.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object.")
def command(
    config: Path,
    frames: Path,
    split: str | None,
    out: Path | None,
    level: str | None,
    deadline_ms: int,
    state: Path | None,
    as_json: bool,
) -> None:
    """Inspect recorded frames: camera, quality, model, decision and ledger as on the line.

    The station's own ledger is not touched. No person answers here: a part that would wait for
    one counts as review.
    """
    log.setup("replay", "", quiet=True)
    settings = ReplaySettings(frames=frames.resolve(), split=split)
    rows = read_frame_list(settings)
    with state_folder(state) as folder:
        station = over_frames(load_station(config), settings, folder.resolve())
        if level is not None:
            gate = station.gate.model_copy(update={"level": Level(level)})
            station = station.model_copy(update={"gate": gate})
        if state is None:
            store = station.store.model_copy(update={"keep_passes": False, "ballast_mb": 0})
            station = station.model_copy(update={"store": store})
        judged = _written(_shown(judge_all(station, rows, deadline_ms, SystemClock()), rows), out)
    result = summary(judged)
    print_json(result) if as_json else _say(result)


def _shown(judged: Iterable[Judged], rows: list[Any]) -> Iterator[Judged]:
    with click.progressbar(judged, len(rows), "inspecting", file=sys.stderr) as bar:
        yield from bar


def _written(judged: Iterable[Judged], out: Path | None) -> list[Judged]:
    """Each line is there as soon as its part is judged."""
    if out is None:
        return list(judged)
    done = []
    with out.open("w") as file:
        for one in judged:
            file.write(json.dumps(line_of(one)) + "\n")
            done.append(one)
    return done


def _say(result: dict[str, Any]) -> None:
    verdicts = ", ".join(f"{n} {word}" for word, n in result["verdicts"].items())
    click.echo(f"{result['parts']} parts: {verdicts}")
    if result["auroc"] is not None:
        click.echo(
            f"AUROC {result['auroc']:.4f}, AP {result['ap']:.4f} from {result['n_good']} good "
            f"and {result['n_defect']} defective; recall {result['recall_at_1pct_fr']:.3f} at 1 % "
            f"and {result['recall_at_5pct_fr']:.3f} at 5 % false rejects"
        )
    latency = result["latency_ms"]
    click.echo(f"trigger to verdict: {latency['p50']:.1f} ms (p50), {latency['p99']:.1f} ms (p99)")
