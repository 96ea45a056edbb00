"""`linegate record`: frames of a camera as a data set that the trainer can import."""

import csv
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import click
import cv2
import numpy as np

from edge.camera.frame_list import read_frame_list
from edge.camera.opening import open_camera
from edge.camera.parts import part_id
from edge.camera.source import Frame, FrameSource, FrameTruth, KnowsTruth, Shot
from edge.clock import SystemClock
from edge.config import Camera, StationConfig, load_station
from edge.core.cli import print_json
from edge.core.clock import Clock
from edge.core.errors import CameraTimeout, ConfigError, LinegateError
from edge.core.preprocess import Image, crop
from edge.core.quality import measure
from edge.core.recipe import Roi

COLUMNS = ("path", "label", "defect_kind", "mask_or_box_path", "group", "split", "domain", "order")
TRIES = 3  # for one frame, if none comes in time


@click.command(
    "record",
    epilog="Example: linegate record --config station.toml --parts 500 --to frames/monday",
)
@click.option("--config", "config_file", required=True, type=click.Path(path_type=Path))
@click.option("--parts", required=True, type=click.IntRange(1), help="How many parts.")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path), help="New folder.")
@click.option("--camera", "camera_name", help="Only this camera; otherwise all of the station.")
@click.option("--roi", help="Keep only this region: the recipe's x,y,w,h, in pixels.")
@click.option("--defect-share", type=click.FloatRange(0, 1), help="Simulator: share of defects.")
@click.option("--seed", type=int, help="Simulator: other parts than the station's own.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, last line.")
def command(
    config_file: Path,
    parts: int,
    folder: Path,
    camera_name: str | None,
    roi: str | None,
    defect_share: float | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Grab frames and write them as PNG, with a parts.csv for `linegate-trainer import`.

    What is known about a part (by the simulator, or by the list of a replay) fills label, kind
    and mask; for any other camera these stay empty. Where the recipe has a region (roi), give
    it here, too: a model must learn from what it will see. Ctrl-C keeps what was recorded.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: not an empty folder; choose a new one")
    cameras = [
        _simulate(camera, defect_share, seed)
        for camera in _chosen(load_station(config_file), camera_name)
    ]
    data_set = DataSet(folder, None if roi is None else _parse_roi(roi))
    _record(cameras, _part_ids(cameras[0], parts), data_set, SystemClock())
    if as_json:
        result = {"to": str(folder), "pictures": data_set.pictures, "kinds": data_set.kinds}
        print_json(result | {"quality": data_set.quality})
    else:
        _report(folder, data_set)


class DataSet:
    """A folder of frames with its parts.csv, written as they come."""

    def __init__(self, folder: Path, roi: Roi | None) -> None:
        self._folder = folder
        self._roi = roi
        self.pictures = 0
        self.kinds: Counter[str] = Counter()
        self.quality: dict[str, tuple[float, float]] = {}  # lowest and highest of each figure

    def __enter__(self) -> Self:
        (self._folder / "images").mkdir(parents=True, exist_ok=True)
        self._file = (self._folder / "parts.csv").open("w", newline="", encoding="utf-8")
        self._csv = csv.writer(self._file)
        self._csv.writerow(COLUMNS)
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def add(self, shot: Shot, image: Image, truth: FrameTruth, order: int) -> None:
        name = f"{shot.part_id}_{shot.view}.png"
        _write(self._folder / "images" / name, self._cut(image))
        mask = ""
        if truth.mask is not None:
            mask = f"masks/{name}"
            (self._folder / "masks").mkdir(exist_ok=True)
            _write(self._folder / mask, self._cut(truth.mask), (cv2.IMWRITE_PNG_BILEVEL, 1))
        label = "" if truth.label is None else truth.label
        group = truth.group or shot.part_id
        self._csv.writerow(
            (f"images/{name}", label, truth.defect_kind, mask, group, "", truth.domain, order)
        )
        self.pictures += 1
        self.kinds[truth.defect_kind] += 1
        for name, figure in measure(image).model_dump().items():
            low, high = self.quality.get(name, (figure, figure))
            self.quality[name] = (round(min(low, figure), 4), round(max(high, figure), 4))

    def _cut(self, image: Image) -> Image:
        return image if self._roi is None else np.ascontiguousarray(crop(image, self._roi))


def _record(cameras: Sequence[Camera], ids: Sequence[str], data_set: DataSet, clock: Clock) -> None:
    with ExitStack() as stack:
        sources = [stack.enter_context(open_camera(camera, clock)) for camera in cameras]
        stack.enter_context(data_set)
        bar = stack.enter_context(click.progressbar(ids, label="Recording", file=sys.stderr))
        for order, part in enumerate(bar):
            for camera, source in zip(cameras, sources, strict=True):
                shot = Shot(part, camera.name, clock.monotonic_ns())
                frame = _grab(source, shot, camera.grab_timeout_ms / 1000)
                truth = source.truth(shot) if isinstance(source, KnowsTruth) else FrameTruth(None)
                data_set.add(shot, frame.image, truth, order)


def _report(folder: Path, data_set: DataSet) -> None:
    kinds = ", ".join(f"{kind or 'not labelled'} {n}" for kind, n in data_set.kinds.most_common())
    click.echo(f"{data_set.pictures} pictures in {folder} ({kinds})")
    click.echo("Their quality, for the limits in the recipe:")
    for name, (low, high) in data_set.quality.items():
        click.echo(f"  {name:10} {low:8.2f} to {high:8.2f}")
    click.echo(f"Next: linegate-trainer import {folder / 'parts.csv'} --name NAME")


def _grab(source: FrameSource, shot: Shot, timeout_s: float) -> Frame:
    for _ in range(TRIES - 1):
        try:
            return source.grab(shot, timeout_s)
        except CameraTimeout:
            continue
    return source.grab(shot, timeout_s)


def _chosen(station: StationConfig, name: str | None) -> list[Camera]:
    cameras = [camera for camera in station.camera if name in (None, camera.name)]
    if not cameras:
        names = ", ".join(camera.name for camera in station.camera)
        raise ConfigError(f"no camera named {name!r}; the station has {names}")
    return cameras


def _simulate(camera: Camera, defect_share: float | None, seed: int | None) -> Camera:
    """The camera with the simulator's settings overridden from the command line."""
    changes: dict[str, Any] = {"defect_share": defect_share, "seed": seed}
    changes = {key: value for key, value in changes.items() if value is not None}
    if changes and camera.kind != "simulator":
        raise ConfigError(
            f"--defect-share and --seed are for simulators; camera {camera.name!r} is a "
            f"{camera.kind} camera"
        )
    return camera.model_copy(update={"simulator": camera.simulator.model_copy(update=changes)})


def _part_ids(camera: Camera, parts: int) -> list[str]:
    if camera.kind == "replay" and camera.replay is not None:
        return [row.part_id for row in read_frame_list(camera.replay)[:parts]]
    return [part_id(number) for number in range(parts)]


def _parse_roi(text: str) -> Roi:
    try:
        x, y, w, h = (int(number) for number in text.split(","))
        return Roi(x_px=x, y_px=y, w_px=w, h_px=h)
    except ValueError as error:
        raise ConfigError(f"--roi {text}: give x,y,w,h in pixels, such as 80,0,480,480") from error


def _write(path: Path, image: Image, options: Sequence[int] = ()) -> None:
    if not cv2.imwrite(str(path), image, options):
        raise LinegateError(f"{path}: cannot be written; is the disk full?")
