"""The sections of cameras: one table of each kind."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edge.config.section import Section
from edge.core.messages import Name
from edge.core.recipe import Roi


class SimulatorSettings(Section):
    """The virtual conveyor (camera/simulator.py). All cameras of one station share seed, share
    and views. The first view shows the part's top, any other its rim; a defect shows in one."""

    seed: int = 1
    defect_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    width_px: Annotated[int, Field(ge=64, le=4096)] = 640
    height_px: Annotated[int, Field(ge=64, le=4096)] = 480
    views: Annotated[tuple[Name, ...], Field(min_length=1, max_length=8)] = ("main",)
    mark: bool = False  # a printed mark in the upper left corner, the same in every frame
    codes: Literal["data_matrix", "qr", "code128"] | None = None  # a tag with the part's id
    faults: Path | None = None  # a JSON file, read again whenever it changes: faults on demand
    belt: Path | None = None  # a JSON file: who stands before it when; None: whom the trigger names

    @model_validator(mode="after")
    def _tag_fits_in(self) -> Self:
        if self.codes is not None and 9 * self.width_px < 16 * self.height_px:
            raise ValueError("codes needs frames of 16:9 or wider: the tag lies beside the part")
        return self


class ReplaySettings(Section):
    """Recorded frames, in order (camera/replay.py)."""

    frames: Path  # a folder of pictures, or a CSV with a `path` column
    split: str | None = None  # only the rows of this split, where the CSV has one
    loop: bool = False  # begin again at the end instead of being lost


class UsbSettings(Section):
    """A camera of the system or the network (camera/usb.py). What is None stays as it is."""

    device: str  # /dev/v4l/by-id/...: its name stays the same, unlike /dev/video0; or rtsp://...
    width_px: Annotated[int, Field(ge=16, le=16_384)] | None = None
    height_px: Annotated[int, Field(ge=16, le=16_384)] | None = None
    fps: Annotated[float, Field(gt=0, le=1000)] | None = None
    fourcc: Annotated[str, Field(min_length=4, max_length=4)] | None = None  # MJPG, YUYV, GREY
    grey: bool = False
    exposure_us: Annotated[float, Field(gt=0)] | None = None  # locked, as are those below
    gain: float | None = None
    white_balance_k: Annotated[int, Field(ge=1000, le=20_000)] | None = None
    focus: float | None = None
    latency_ms: Annotated[float, Field(ge=0, le=10_000)] = 0.0  # from exposure to arrival


class LinescanSettings(Section):
    """How lines become frames (camera/linescan.py). The camera makes a line every so many counts
    of the belt's encoder, and sends them in blocks as high as the region."""

    rows_px: Annotated[int, Field(ge=2, le=16_384)]  # of the frame
    encoder_chunk: Annotated[str, Field(pattern=r"^\w+$")] | None = None  # None: lines are counted
    counts_per_line: Annotated[float, Field(gt=0)] = 1.0
    counts_per_px: Annotated[float, Field(gt=0)] = 1.0  # the belt's way along a square pixel
    reverse: bool = False  # the encoder counts down while parts come
    max_gap_px: Annotated[float, Field(ge=0.5, le=100)] = 1.0  # farther from a line, none is there

    @model_validator(mode="after")
    def _counts_go_one_way(self) -> Self:
        if self.reverse and self.encoder_chunk is None:
            raise ValueError("reverse = true needs encoder_chunk: counted lines only go forwards")
        return self


class GigeSettings(Section):
    """A GigE Vision camera (camera/gige.py). What is None stays as the camera has it."""

    id: str | None = None  # address, serial number, or as `arv-tool` lists it; None: the only one
    pixel_format: Literal[
        "Mono8", "Mono10", "Mono12", "Mono12p", "Mono12Packed", "BayerRG8", "BayerGR8",
        "BayerGB8", "BayerBG8", "BayerRG12p", "BayerRG12Packed", "RGB8", "BGR8", "YUV422_8",
    ] = "Mono8"  # fmt: skip
    region: Roi | None = None  # of the sensor; None: all of it
    trigger: Annotated[str, Field(pattern=r"^(Software|Line\d+|free)$")] = "Software"
    exposure_us: Annotated[float, Field(gt=0)] | None = None  # locked; automatic exposure is off
    gain_db: Annotated[float, Field(ge=0)] | None = None
    packet_bytes: Annotated[int, Field(ge=576, le=16_000)] | None = None
    features: dict[str, bool | int | float | str] = {}  # other GenICam features, set in this order
    linescan: LinescanSettings | None = None  # None: it takes pictures, not lines

    @model_validator(mode="after")
    def _lines_come_in_blocks(self) -> Self:
        if self.linescan is None:
            return self
        if self.region is None:
            raise ValueError("[camera.gige.linescan] needs a region: its h_px is a block's lines")
        if self.trigger == "Software":
            raise ValueError(
                "lines come without a pause: trigger = 'free', or a line such as 'Line1'"
            )
        return self


class PicameraSettings(Section):
    """A CSI camera of a Raspberry Pi (camera/picamera.py). Such a camera remembers nothing, so all
    that could be automatic must be given."""

    number: Annotated[int, Field(ge=0, le=7)] = 0  # as `rpicam-hello --list-cameras` counts
    width_px: Annotated[int, Field(ge=64, le=16_384)] | None = None  # None: all of the sensor's
    height_px: Annotated[int, Field(ge=64, le=16_384)] | None = None
    fps: Annotated[float, Field(gt=0, le=1000)] = 30.0
    grey: bool = False
    exposure_us: Annotated[int, Field(gt=0)]
    gain: Annotated[float, Field(ge=1, le=256)]
    colour_gains: tuple[float, float] | None = None  # red, blue: the white balance
    focus_dioptres: Annotated[float, Field(ge=0, le=32)] | None = None  # 1 / distance in metres

    @model_validator(mode="after")
    def _leaves_nothing_to_chance(self) -> Self:
        if not self.grey and self.colour_gains is None:
            raise ValueError("colour_gains = [red, blue] is missing: it locks the white balance")
        if (self.width_px is None) is not (self.height_px is None):
            raise ValueError("give both width_px and height_px, or none of them")
        if self.exposure_us > 1e6 / self.fps:
            raise ValueError(f"exposure_us = {self.exposure_us} is longer than a frame: lower fps")
        return self


class Camera(Section):
    """One camera. `kind` says which section below it counts."""

    name: Name = "main"
    kind: Literal["simulator", "replay", "usb", "gige", "picamera"]
    grab_timeout_ms: Annotated[int, Field(ge=1, le=60_000)] = 150
    simulator: SimulatorSettings = SimulatorSettings()
    replay: ReplaySettings | None = None
    usb: UsbSettings | None = None
    gige: GigeSettings = GigeSettings()
    picamera: PicameraSettings | None = None

    @model_validator(mode="after")
    def _has_its_section(self) -> Self:
        if self.kind == "replay" and self.replay is None:
            raise ValueError("kind = 'replay' needs [camera.replay] with frames = '...'")
        if self.kind == "usb" and self.usb is None:
            raise ValueError("kind = 'usb' needs [camera.usb] with device = '...'")
        if self.kind == "picamera" and self.picamera is None:
            raise ValueError("kind = 'picamera' needs [camera.picamera] with exposure_us and gain")
        return self
