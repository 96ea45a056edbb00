"""A picamera2 without hardware: its signatures are those of `picamera2_api.json`, and what it does
is what the real one was read to do. Frames come at their time, on a clock that passes while one
waits."""

from collections import deque
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field

import numpy as np


class libcamera:
    class Transform:
        def __repr__(self):
            return "libcamera.Transform()"

    class ColorSpace:
        def __repr__(self):
            return "libcamera.ColorSpace.Sycc()"


@dataclass
class Sensor:
    """What stands behind it, and what a test may do to it."""

    clock: object
    period_ns: int = 33_333_333
    delay_ns: int = 20_000_000  # from the first line's arrival to the application
    cable: bool = True  # out: libcamera sends nothing, and no error
    adjusts_to: tuple[int, int] | None = None
    ignores: tuple[str, ...] = ()  # controls that it takes and does not obey
    controls: dict = field(
        default_factory=lambda: {
            "ExposureTime": (13, 0, None),  # 0: as long as a frame lasts
            "AnalogueGain": (1.0, 16.0, None),
            "ColourGains": (0.0, 32.0, None),
            "LensPosition": (0.0, 32.0, 1.0),
            "AfMode": (0, 2, 0),
            "FrameDurationLimits": (8333, 1000000, None),
        }
    )
    untold: tuple[str, ...] = ()  # metadata that it does not give
    fails: Exception | None = None  # when a frame is copied
    metadata: dict = field(default_factory=dict)  # beside, or instead of, the usual
    suspended_ns: int = 0  # CLOCK_BOOTTIME runs so far ahead
    hangs: object = None  # an Event: closing waits for it
    made: list = field(default_factory=list)


class Picamera2:
    sensor: Sensor  # of the class that `plugged` makes
    sensor_resolution = (1456, 1088)

    def __init__(self, camera_num=0, verbose_console=None, tuning=None, allocator=None):
        if camera_num != 0:
            raise RuntimeError(f"No camera number {camera_num} found")
        self.sensor.made.append(self)
        self.set, self.jobs, self.lent = {}, deque(), 0
        self.kept = None
        self.closed = False

    @property
    def camera_controls(self):
        return self.sensor.controls

    def create_preview_configuration(
        self,
        main={},  # noqa: B006
        lores=None,
        raw={},  # noqa: B006
        transform=libcamera.Transform(),  # noqa: B008
        colour_space=libcamera.ColorSpace(),  # noqa: B008
        buffer_count=4,
        controls={},  # noqa: B006
        display="main",
        encode="main",
        queue=True,
        sensor={},  # noqa: B006
        use_case="preview",
    ):
        return {"main": dict(main), "buffer_count": buffer_count, "controls": dict(controls)}

    def configure(self, camera_config=None):
        self.config = camera_config
        self.config["main"]["size"] = self.sensor.adjusts_to or self.config["main"]["size"]
        self.set_controls(self.config["controls"])

    def camera_configuration(self):
        return self.config

    def set_controls(self, controls):
        for name in controls:
            if name not in self.sensor.controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        self.set |= controls

    def start(self, config=None, show_preview=False):
        self.arrives_ns = self.sensor.clock.monotonic_ns() + self.sensor.period_ns
        self.n = 0

    def capture_request(self, wait=None, signal_function=None, flush=None):
        assert wait is False, "anything else can wait for ever, or lose a frame when time is up"
        job = Future()
        self.jobs.append(job)
        self._pass_time(0)
        self._serve()
        return job

    def wait(self, job, timeout=None):
        assert timeout is not None
        self._pass_time(round(timeout * 1e9), job)
        return job.result(timeout=0)

    def cancel_all_and_flush(self):
        while self.jobs:
            self.jobs.popleft().set_exception(CancelledError())

    def close(self):
        if self.sensor.hangs is not None:
            self.sensor.hangs.wait(20)
        self.closed = True

    # ---- the ring: what is lent and not given back is a buffer less ----

    def _pass_time(self, up_to_ns, job=None):
        """Up to this long, or until the job is done."""
        until_ns = self.sensor.clock.ns + up_to_ns
        while self.arrives_ns + self.sensor.delay_ns <= until_ns:
            if job is not None and job.done():
                return
            here_ns = self.arrives_ns + self.sensor.delay_ns
            self.sensor.clock.ns = max(self.sensor.clock.ns, here_ns)
            self._frame()
        if job is None or not job.done():
            self.sensor.clock.ns = max(self.sensor.clock.ns, until_ns)

    def _frame(self):
        stamp_ns = self.arrives_ns
        self.arrives_ns += self.sensor.period_ns
        if not self.sensor.cable or self.lent + 2 > self.config["buffer_count"]:
            return
        self.n += 1
        self.kept = CompletedRequest(self, self.n, stamp_ns)
        self._serve()

    def _serve(self):
        while self.jobs and self.kept is not None:
            request, self.kept = self.kept, None
            self.lent += 1
            self.jobs.popleft().set_result(request)


class CompletedRequest:
    def __init__(self, camera, n, stamp_ns):
        self.camera, self.n, self.stamp_ns, self.held = camera, n, stamp_ns, True

    def get_metadata(self):
        assert self.held
        sensor = self.camera.sensor
        told = ("ExposureTime", "AnalogueGain", "ColourGains", "LensPosition")
        metadata = {name: value for name, value in self.camera.set.items() if name in told}
        for name in sensor.ignores:
            metadata[name] = sensor.controls[name][0]
        metadata |= {"SensorTimestamp": self.stamp_ns + sensor.suspended_ns} | sensor.metadata
        return {name: value for name, value in metadata.items() if name not in sensor.untold}

    def make_array(self, name):
        assert self.held and name == "main"
        if self.camera.sensor.fails is not None:
            raise self.camera.sensor.fails
        width, height = self.camera.config["main"]["size"]
        if self.camera.config["main"]["format"] == "YUV420":
            padded = -(-width // 64) * 64
            return np.full((height * 3 // 2, padded), self.n % 256, np.uint8)
        return np.full((height, width, 3), self.n % 256, np.uint8)

    def release(self):
        assert self.held, "given back twice"
        self.held = False
        self.camera.lent -= 1


def plugged(sensor):
    """A class of its own, with this sensor behind it."""
    return type("Picamera2", (Picamera2,), {"sensor": sensor})
