"""What can be wrong with the station, in words, and the one state word that follows from it.

Each cause has a code (also its alarm topic), and an action that a technician can take. The first
cause stands on `state`: later ones are often only its consequences.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from edge.core.decide import Health
from edge.core.messages import AlarmMessage, Reason, StateWord
from edge.core.orders import Condition
from edge.core.records import AlarmRecord


@dataclass(frozen=True, slots=True)
class Cause:
    """`reason`: why no part can pass while it lasts. Without one the station works, with a
    lack."""

    reason: Reason | None
    text: str
    action: str


# No matter where persons alone decide (level human).
OF_THE_MODEL: frozenset[str] = frozenset({"predictor_unavailable", "bad_prediction"})

CAUSES = {
    "camera_lost": Cause(
        Reason.NO_FRAME,
        "the camera gives no frames",
        "check the camera's cable and power; the gate reopens it by itself",
    ),
    "camera_frozen": Cause(
        Reason.STALE_FRAME,
        "the camera repeats the same frame",
        "unplug the camera for ten seconds; if it comes again, replace it",
    ),
    "camera_moved": Cause(
        Reason.DRIFT,
        "the camera or the fixture is not where it was",
        "put both back in place; if they must stay so, check the model, then take a new reference",
    ),
    "camera_defocused": Cause(
        Reason.DRIFT,
        "the picture is not as sharp as it was",
        "clean the lens, then turn its focus until this cause goes",
    ),
    "camera_exposure": Cause(
        Reason.DRIFT,
        "the light is not as it was",
        "check the lamp, the exposure and light from outside until this cause goes",
    ),
    "image_unusable": Cause(
        Reason.IMAGE_QUALITY,
        "the frames cannot be judged",
        "check lamp, lens and exposure, then watch the next part on the page",
    ),
    "predictor_unavailable": Cause(
        Reason.PREDICTOR_UNAVAILABLE,
        "the model does not answer",
        "wait five seconds for its restart; if it stays, see `linegate job predict`'s log",
    ),
    "bad_prediction": Cause(
        Reason.BAD_PREDICTION,
        "the model answers nonsense",
        "go back to the last good model bundle in predict.models and restart",
    ),
    "not_durable": Cause(
        Reason.NOT_DURABLE,
        "records cannot be written to the disk",
        "free disk space or replace the disk; the gate goes on by itself",
    ),
    "challenge_failed": Cause(
        Reason.CHALLENGE_FAILED,
        "a challenge part got the wrong verdict",
        "hold back the parts since the last good challenge, then challenge again",
    ),
    "reject_unconfirmed": Cause(
        Reason.REJECT_UNCONFIRMED,
        "what the diverter rejected and what left through the reject lane do not agree",
        "find the part, check diverter, air and sensor, then press the acknowledge button",
    ),
    "camera_pixels": Cause(
        None,
        "pixels of the sensor are dead or stuck",
        "replace the camera; if they lie beside the part, accept them with a new reference",
    ),
    "camera_unwatched": Cause(
        None,
        "nobody would notice if the camera moved or lost its focus",
        "if its picture is as it should be, take a reference: `linegate recipe reference`",
    ),
    "reference_refused": Cause(
        None,
        "the new reference could not be used; an older one holds on",
        "mend what is named or choose another region in the recipe, then take it again",
    ),
    "broker_lost": Cause(
        None,
        "no connection to the line's broker",
        "check the broker and the network; the PLC sends parts to rework meanwhile",
    ),
    "plc_silent": Cause(
        None,
        "the PLC does not echo verdicts",
        "check that the PLC program runs and publishes on `ack`",
    ),
    "too_slow": Cause(
        None,
        "verdicts miss their deadline",
        "look for other load on the box, or allow a longer deadline in the recipe",
    ),
    "disk_low": Cause(
        None,
        "the disk is nearly full",
        "free disk space; the oldest delivered images of passed parts go first",
    ),
    "ledger_damaged": Cause(
        None,
        "the ledger was damaged and a new one was begun; persons decide",
        "check the disk, set the level again, keep the file that was moved aside; then restart",
    ),
    "codes_unreadable": Cause(
        None,
        "the codes of parts cannot be used",
        "look at the last reworks on the page: check the marking, the lens and the code's region",
    ),
    "frames_late": Cause(
        None,
        "pictures are taken too long after their trigger",
        "look for other load on the box; if parts stand still, set the recipe's frame_within_ms",
    ),
    "images_stopped": Cause(
        None,
        "images are no longer kept, for lack of disk",
        "free disk space; records are still written",
    ),
}


class Conditions:
    """The causes that hold now, in the order in which they came."""

    def __init__(self, needed: Collection[str]) -> None:
        """The station is `starting` until each of `needed` (cameras, the model) was seen to
        work."""
        self._active: dict[str, Condition] = {}
        self._unseen = set(needed)

    def learned(self, working: Collection[str]) -> None:
        """These were seen to work."""
        self._unseen -= set(working)

    def raise_(self, code: str, detail: str, now: datetime) -> Condition | None:
        """A cause holds; returns it if it is new. The first detail is kept."""
        if code in self._active:
            return None
        cause = CAUSES[code]
        text = f"{cause.text}: {detail}" if detail else cause.text
        condition = Condition(
            code=code, fault=cause.reason is not None, cause=text, action=cause.action, since=now
        )
        self._active[code] = condition
        return condition

    def clear(self, code: str) -> Condition | None:
        """The cause is gone; returns it if it held."""
        return self._active.pop(code, None)

    @property
    def active(self) -> tuple[Condition, ...]:
        return tuple(self._active.values())

    @property
    def state(self) -> StateWord:
        if any(condition.fault for condition in self._active.values()):
            return StateWord.FAULT
        if self._unseen:
            return StateWord.STARTING
        return StateWord.DEGRADED if self._active else StateWord.READY

    @property
    def health(self) -> Health:
        """The station as evidence: why no part may pass, oldest first."""
        reasons = (CAUSES[code].reason for code in self._active)
        return Health(tuple(reason for reason in reasons if reason is not None))

    @property
    def first(self) -> Condition | None:
        """The oldest fault, or else the oldest lack."""
        faults = [condition for condition in self._active.values() if condition.fault]
        return next(iter(faults or self._active.values()), None)


def alarm_message(condition: Condition) -> AlarmMessage:
    return AlarmMessage(
        code=condition.code,
        cause=condition.cause,
        since=condition.since,
        action=condition.action,
    )


def alarm_record(condition: Condition, raised: bool, now: datetime) -> AlarmRecord:
    return AlarmRecord(
        code=condition.code,
        cause=condition.cause,
        action=condition.action,
        raised=raised,
        at=now,
    )
