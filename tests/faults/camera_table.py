"""A camera that is lost, frozen, blind, knocked, turned, slow or wrong."""

import signal
from functools import partial

from faults.fault import Fault, Hand
from faults.judge import Meanwhile
from faults.rig import Rig

from edge.core.messages import Reason

NO_FRAMES = "the camera gives no frames"
SAME_FRAME = "the camera repeats the same frame"


def shows(**faults: object) -> Hand:
    return lambda rig: rig.line.fault(**faults)


def moved_while_the_gate_restarts(rig: Rig) -> None:
    rig.line.fault(moved_px=[5, 0])
    rig.signal("gate", signal.SIGKILL)


camera = partial(Fault, "Camera", mends=shows(), meanwhile=Meanwhile.NONE_PASSES)
worn = partial(camera, reason=Reason.DRIFT, meanwhile=Meanwhile.NONE_PASSES_ONCE_TOLD)

FAULTS = (
    camera("camera lost", shows(lost=True), says=NO_FRAMES, reason=Reason.NO_FRAME),
    camera("camera frozen: the same pixels, its counter runs on", shows(frozen=True),
           says=SAME_FRAME, reason=Reason.STALE_FRAME),
    camera("camera stalled: the same frame, its counter stands", shows(stalled=True),
           says=SAME_FRAME, reason=Reason.STALE_FRAME),
    camera("camera black", shows(lamp=0.0), says="the frames cannot be judged",
           reason=Reason.IMAGE_QUALITY),
    worn("camera overexposed", shows(overexposed=20.0), says="the light is not as it was"),
    worn("lamp half as bright", shows(lamp=0.5), says="the light is not as it was"),
    worn("camera defocused", shows(defocus_px=1.0), says="the picture is not as sharp as it was"),
    worn("camera moved by 5 px", shows(moved_px=[5, 0]), says="+5.0 px to the right"),
    worn("camera moved while the gate is restarted", moved_while_the_gate_restarts, silence=True,
         says="+5.0 px to the right"),
    camera("camera slow: 250 ms a frame, deadline 150 ms", shows(slow_ms=250), deadline_ms=150,
           says=NO_FRAMES, reason=Reason.NO_FRAME),
    camera("camera forgot its settings: pictures of twice the size", shows(size_px=[640, 480]),
           says="its pictures are 640x480", reason=Reason.NO_FRAME),
    camera("camera drops half of its frames", shows(drop=0.5), says=NO_FRAMES,
           reason=Reason.NO_FRAME, meanwhile=Meanwhile.SOME_PASS),
    camera("a pixel of the sensor is dead", shows(stuck=[[200, 120, 0]]),
           says="pixels of the sensor are dead or stuck", meanwhile=Meanwhile.ALL_GOES_ON),
)  # fmt: skip
