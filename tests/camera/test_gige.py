"""The GigE camera against Aravis' own fake one, over real packets on loopback."""

import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from fake_gige import HERE, Plug, Wire, bind, camera, gige, plug, shot
from long import LONG

from edge.camera.aravis import aravis
from edge.camera.gige import BUFFERS, GigeCamera
from edge.camera.opening import open_camera
from edge.camera.steady import SteadyCamera
from edge.clock import SystemClock
from edge.core.errors import CameraError, CameraLost, CameraTimeout
from edge.core.recipe import Roi

__all__ = ["plug"]
FRAMES = 10_000 if LONG else 100


@pytest.fixture(autouse=True, scope="module")
def _binding() -> None:
    bind()


@pytest.mark.timeout(1200)
def test_every_software_trigger_gets_its_own_frame(plug: Plug) -> None:
    plug()
    with camera(exposure_us=2000.0, gain_db=3.0) as source:
        before = source.grab(shot(), 0.5)
        assert before.seq == 2  # the first is nobody's
        for number in range(1, FRAMES):
            asked_ns = time.monotonic_ns()
            frame = source.grab(shot(), 0.5)
            assert asked_ns <= frame.exposed_at_ns <= time.monotonic_ns()
            assert frame.seq == 2 + number
            assert not np.array_equal(frame.image, before.image)
            before = frame
        assert source.statistics()["missed_frames"] == 0


def test_lost_frames_are_missed_as_soon_as_the_next_one_comes(plug: Plug) -> None:
    plug()
    with camera() as source, Wire(source) as wire:
        seq, missed = source.grab(shot(), 0.5).seq, 0
        for gap in (1, 3, 2):
            wire.lose(gap)
            for _ in range(gap):
                with pytest.raises(CameraTimeout):
                    source.grab(shot(), 0.2)
            missed += gap
            seq += gap + 1
            assert source.grab(shot(), 0.5).seq == seq
            assert source.counts()["missed_frames"] == missed


def test_frames_without_their_first_packet_are_broken_and_not_missed(plug: Plug) -> None:
    """They have the frame id of whatever lay in their buffer before."""
    plug()
    with camera() as source, Wire(source) as wire:
        seq = source.grab(shot(), 0.5).seq
        for _ in range(2 * BUFFERS):
            wire.behead(1)
            with pytest.raises(CameraTimeout):
                source.grab(shot(), 0.5)
            seq += 2
            assert source.grab(shot(), 0.5).seq == seq
        counted = source.counts()
    assert counted["missed_frames"] == 0 and counted["broken_frames"] == 2 * BUFFERS


@pytest.mark.parametrize("name", ["Mono8", "RGB8", "BayerRG8"])
def test_region_and_pixel_format_are_what_was_asked_for(plug: Plug, name: str) -> None:
    plug()
    with camera(pixel_format=name) as source:
        image = source.grab(shot(), 0.5).image
    assert image.shape == ((240, 320) if name == "Mono8" else (240, 320, 3))


def test_free_running_camera_gives_a_frame_that_was_exposed_after_the_trigger(plug: Plug) -> None:
    plug()
    with camera(trigger="free") as source:
        time.sleep(0.5)  # frames wait in the queue, all of them too old
        for _ in range(5):
            asked = shot()
            assert source.grab(asked, 1.0).exposed_at_ns >= asked.triggered_at_ns
        old = shot(lead_ns=10_000_000_000)
        time.sleep(0.2)
        assert source.grab(old, 1.0).exposed_at_ns < time.monotonic_ns()


def test_frame_that_lacks_packets_is_none_and_the_next_is_whole(plug: Plug) -> None:
    plug("-r", "20")  # of a thousand packets
    whole, broken = 0, 0
    with camera() as source:
        for _ in range(60):
            try:
                source.grab(shot(), 0.5)
                whole += 1
            except CameraTimeout:
                broken += 1
        counted = source.statistics()
    assert whole > 0 and whole + broken == 60
    assert counted["n_missing_packets"] > 0


def test_second_reader_of_settings_sees_what_was_locked(plug: Plug) -> None:
    plug()
    with camera(exposure_us=1234.0, gain_db=2.0, features={"GainRaw": 4}):
        other = aravis().Camera.new(HERE)
        assert other.get_exposure_time() == pytest.approx(1234.0)
        assert other.get_device().get_integer_feature_value("GainRaw") == 4
        assert other.get_device().get_string_feature_value("GainAuto") == "Off"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"pixel_format": "BGR8"}, "pixel_format = 'BGR8': this camera has BayerBG8"),
        ({"features": {"LineDebouncerTime": 5.0}}, "this camera has no LineDebouncerTime"),
        ({"exposure_us": 1e9}, r"camera.gige.exposure_us = 1e\+09: this camera takes 10 to 1e\+07"),
        ({"gain_db": 99}, "camera.gige.gain_db = 99: this camera takes 0 to 10"),
        (
            {"region": Roi(x_px=2000, y_px=0, w_px=100, h_px=100)},
            "region: .* lies outside the sensor of 2048x2048",
        ),
        ({"id": "127.9.9.9"}, "no GigE camera 127.9.9.9.*there is: Aravis-Fake-GV01"),
    ],
)
def test_what_the_camera_does_not_take_is_refused_by_name(
    plug: Plug, settings: dict[str, object], complaint: str
) -> None:
    plug()
    with pytest.raises(CameraLost, match=complaint):
        camera(**settings).__enter__()


def test_free_running_camera_that_nobody_asks_loses_no_frame(plug: Plug) -> None:
    plug()
    with camera(trigger="free", features={"AcquisitionFrameRate": 200.0}) as source:
        time.sleep(0.5)  # far more than there are buffers
        asked = shot()
        seq = source.grab(asked, 1.0).seq
        counted = source.counts()
    assert seq > 2 * BUFFERS
    assert counted["missed_frames"] == 0 and counted["broken_frames"] == 0
    assert source.counts() == {}


def test_frames_that_no_part_waits_for_are_counted_where_a_sensor_triggers(plug: Plug) -> None:
    plug()
    with camera(trigger="Line0", features={"TriggerMode": "Off"}) as source:  # nobody pulses it
        time.sleep(1.0)
        source.grab(shot(), 1.0)
        assert source.counts()["unused_frames"] > BUFFERS


class Stream:
    """One whole 2x2 frame after the other, with these ids."""

    class Kind:
        value_nick = "buffer-done"

    def __init__(self, *frame_ids: int, broken: int | None = None) -> None:
        self.made = [Buffer(frame_id, frame_id != broken) for frame_id in frame_ids]
        self.given_back: list[Buffer] = []

    def try_pop_buffer(self) -> "Buffer":
        return self.made.pop(0)

    def push_buffer(self, buffer: "Buffer") -> None:
        self.given_back.append(buffer)

    def get_n_buffers(self) -> tuple[int, int]:
        return 8, 0


class Buffer:
    def __init__(self, frame_id: int, whole: bool) -> None:
        self.frame_id, self.whole, self.stamp_ns = frame_id, whole, 0

    def get_frame_id(self) -> int:
        return self.frame_id

    def get_timestamp(self) -> int:
        return self.stamp_ns

    def get_status(self) -> object:
        kinds = aravis().BufferStatus
        return kinds.SUCCESS if self.whole else kinds.MISSING_PACKETS

    def get_image_width(self) -> int:
        return 2

    get_image_height = get_image_width

    def get_data(self) -> bytes:
        return bytes(4)


@pytest.mark.parametrize(("trigger", "answered"), [("Line1", [1, 2, 5]), ("free", [1, 2, 4, 5])])
def test_frame_in_front_of_which_one_is_missing_may_be_the_next_parts(
    trigger: str, answered: list[int]
) -> None:
    """Only where a sensor triggers; where the camera runs free, any frame from now on will do."""
    source = camera(trigger=trigger)
    stream = Stream(1, 2, 4, 5)
    source._stream = stream
    frames = []
    for _ in range(4):
        asked = shot()
        source._on_stream(None, Stream.Kind, None)
        with suppress(CameraTimeout):
            frames.append(source.grab(asked, 0.1).seq)
    assert frames == answered and len(stream.given_back) == 4
    assert source._ids.missed == 1


@pytest.mark.parametrize(
    ("stream", "without", "got"),
    [(Stream(1, 3, 4), 2, [1, 0, 0, 4]), (Stream(1, 2, 3, 4, broken=2), None, [1, 0, 3, 4])],
    ids=["missing", "broken"],
)
def test_spoilt_frame_does_not_shift_the_parts_after_it(
    stream: Stream, without: int | None, got: list[int]
) -> None:
    """Its part asks again, and must not get the next one's frame."""
    source = camera(trigger="Line1")
    source._stream = stream
    shots = []
    for part in (1, 2, 3, 4):
        shots.append(shot())
        if part != without:
            source._on_stream(None, Stream.Kind, None)
    found = []
    for asked in shots:
        seq = 0
        for _ in range(2 if len(found) == 1 else 1):
            with suppress(CameraTimeout):
                seq = source.grab(asked, 0.01).seq
        found.append(seq)
    assert found == got


class Triggered:
    """A camera that sends frames with these ages when it is triggered, the n-th time the n-th."""

    def __init__(self, source: GigeCamera, *ages_ms: tuple[int, ...]) -> None:
        self.source, self.ages_ms = source, list(ages_ms)

    def software_trigger(self) -> None:
        for age_ms in self.ages_ms.pop(0):
            self.source._stream.made[0].stamp_ns = time.monotonic_ns() + 1000 - 1_000_000 * age_ms
            self.source._on_stream(None, Stream.Kind, None)


def test_late_frame_of_an_earlier_trigger_is_not_the_first_parts() -> None:
    source = camera()
    source._stream = Stream(1, 2, 3)
    source._camera = Triggered(source, (0,), (300, 0))
    source._calibrate()
    assert source.grab(shot(), 0.5).seq == 3


class Leaden:
    """Takes its time to be let go of, like a camera that does not answer."""

    def __init__(self, gone: list[str]) -> None:
        self.gone = gone

    def __del__(self) -> None:
        self.gone.append(threading.current_thread().name)


def test_nobody_waits_for_a_lost_camera_to_be_let_go() -> None:
    for _ in range(20):  # whoever holds it last does, and that was a matter of chance
        source, gone = camera(), []
        source._camera, source._stream, source._lost = Leaden(gone), Leaden(gone), True
        source.__exit__()
        assert source._closing is not None
        source._closing.join(10)
        assert gone == ["gige", "gige"]


def test_camera_whose_frames_never_come_is_lost_when_it_is_opened(plug: Plug) -> None:
    plug("-r", "1000")  # of a thousand packets
    with pytest.raises(CameraLost, match="no frame within 2 s of a trigger by software"):
        camera().__enter__()


# ---- lines: the fake one's frames as blocks of them ----

BLOCKS = {
    "region": {"x_px": 0, "y_px": 0, "w_px": 128, "h_px": 16},
    "trigger": "free",
    "features": {"AcquisitionFrameRate": 200.0},
}


def test_blocks_of_lines_become_one_frame_a_part(plug: Plug) -> None:
    plug()
    lines = {"rows_px": 100}
    source = open_camera(gige(**BLOCKS, linescan=lines), SystemClock())
    with source:
        seqs = []
        for _ in range(5):
            time.sleep(0.1)
            asked = shot()
            frame = source.grab(asked, 1.0)
            assert frame.image.shape == (100, 128)
            assert asked.triggered_at_ns <= frame.exposed_at_ns
            seqs.append(frame.seq)
        assert np.diff(seqs).min() >= 7  # blocks of 16 lines


def test_squeezed_lines_take_as_many_blocks_as_the_belt_takes_to_pass(plug: Plug) -> None:
    plug()
    lines = {"rows_px": 50, "counts_per_line": 1.0, "counts_per_px": 4.0}
    with open_camera(gige(**BLOCKS, linescan=lines), SystemClock()) as source:
        before = source.grab(shot(), 1.0)
        time.sleep(0.1)
        assert source.grab(shot(), 1.0).seq - before.seq >= 50 * 4 // 16


def test_camera_that_loses_packets_makes_no_frame_of_lines(plug: Plug) -> None:
    plug("-r", "300")  # of a thousand packets
    lines = {"rows_px": 400}
    with open_camera(gige(**BLOCKS, linescan=lines), SystemClock()) as source:
        for _ in range(3):
            with pytest.raises(CameraTimeout):
                source.grab(shot(), 0.5)
            time.sleep(0.05)


def test_encoder_that_the_camera_does_not_tell_is_refused(plug: Plug) -> None:
    plug()
    lines = {"rows_px": 100, "encoder_chunk": "EncoderValue"}
    with pytest.raises(CameraLost, match="encoder_chunk: this camera has no chunks"):
        camera(**BLOCKS, linescan=lines).__enter__()


CHUNKS = """
<Boolean Name="ChunkModeActive"><pValue>ChunkModeRegister</pValue></Boolean>
<Enumeration Name="ChunkSelector">
  <EnumEntry Name="EncoderValue"><Value>1</Value></EnumEntry><pValue>ChunkSelectorRegister</pValue>
</Enumeration>
<Boolean Name="ChunkEnable"><pValue>ChunkEnableRegister</pValue></Boolean>
<Port Name="ChunkPort"><ChunkID>CAFE</ChunkID></Port>
<IntReg Name="ChunkEncoderValue"><Address>0</Address><Length>4</Length>
  <AccessMode>RO</AccessMode><pPort>ChunkPort</pPort><Endianess>BigEndian</Endianess></IntReg>
""" + "".join(
    f"""<IntReg Name="{name}Register"><Address>{address}</Address><Length>4</Length>
    <AccessMode>RW</AccessMode><pPort>Device</pPort><Endianess>BigEndian</Endianess></IntReg>"""
    for name, address in (("ChunkMode", 0x900), ("ChunkSelector", 0x904), ("ChunkEnable", 0x908))
)


def test_encoder_is_switched_on_and_frames_without_it_are_refused(
    plug: Plug, tmp_path: Path
) -> None:
    """The fake one can be told that it has chunks, but sends none."""
    from gi.repository import Gio

    xml = Gio.resources_lookup_data("/org/aravis/arv-fake-camera.xml", 0).get_data().decode()
    description = tmp_path / "chunks.xml"
    description.write_text(xml.replace("</RegisterDescription>", f"{CHUNKS}</RegisterDescription>"))
    plug("-g", str(description))
    lines = {"rows_px": 100, "encoder_chunk": "EncoderValue"}
    with camera(**BLOCKS, linescan=lines) as source:
        assert source._camera.get_chunk_mode() and source._camera.get_chunk_state("EncoderValue")
        with pytest.raises(CameraLost, match="EncoderValue: its frames carry no chunks"):
            source.grab(shot(), 0.5)


@pytest.mark.slow
def test_camera_that_was_pulled_out_comes_back(plug: Plug) -> None:
    fake = plug()
    steady = SteadyCamera(camera(), "main", SystemClock())
    with steady:
        for _ in range(2):  # its pictures repeat from the first one on
            steady.grab(shot(), 0.5)
        fake.kill()
        fake.wait()
        with pytest.raises(CameraError):
            steady.grab(shot(), 0.2)
        until = time.monotonic() + 30
        while steady.probe() and time.monotonic() < until:
            with suppress(CameraError):
                steady.grab(shot(), 0.2)
        assert steady.trouble is not None
        plug()
        while not steady.probe():
            assert time.monotonic() < until + 30
            time.sleep(0.05)
        assert steady.grab(shot(), 0.5).seq == 2  # the first is nobody's
