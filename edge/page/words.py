"""The page's words: every code that a person may see, in plain language."""

from dataclasses import dataclass

from edge.core.messages import By, Level, Reason, StateWord, Verdict

REASONS: dict[Reason, str] = {
    Reason.DEFECT: "The model sees a defect",
    Reason.LOW_CONFIDENCE: "The model is not sure",
    Reason.IMAGE_QUALITY: "The picture cannot be judged: too dark, too bright or blurred",
    Reason.NO_FRAME: "The camera gave no picture",
    Reason.STALE_FRAME: "The camera gave an old picture, not this part's",
    Reason.PREDICTOR_UNAVAILABLE: "The model did not answer",
    Reason.BAD_PREDICTION: "The model's answer made no sense",
    Reason.DEADLINE: "There was no verdict in time",
    Reason.NOT_DURABLE: "The record could not be written to the disk",
    Reason.DRIFT: "Light, camera or parts have changed",
    Reason.CHALLENGE_FAILED: "A test part got the wrong verdict; nothing passes until it is right",
    Reason.REJECT_UNCONFIRMED: "A rejected part was not seen to leave; nothing passes until then",
    Reason.LEVEL: "At this level of automation a person decides",
    Reason.OPERATOR: "A person chose rework",
    Reason.CODE_UNREADABLE: "The part's code could not be read",
    Reason.SERIAL_MISMATCH: "The part's code is not the part that the PLC named",
    Reason.SERIAL_DUPLICATE: "A part with this serial has passed before",
}

VERDICTS: dict[Verdict, str] = {
    Verdict.PASS: "PASS",
    Verdict.REWORK: "REWORK",
    Verdict.REVIEW: "REVIEW",
}

OPINIONS: dict[Verdict, str] = {
    Verdict.PASS: "The model would pass it",
    Verdict.REWORK: "The model would reject it",
    Verdict.REVIEW: "The model would ask a person",
}

DECIDERS: dict[By, str] = {
    By.MODEL: "the model",
    By.HUMAN: "a person",
    By.FAILSAFE: "the fail-safe rule",
}

STATES: dict[StateWord, str] = {
    StateWord.STARTING: "Starting",
    StateWord.READY: "Ready",
    StateWord.DEGRADED: "Degraded",
    StateWord.FAULT: "Fault",
    StateWord.OFFLINE: "Offline",
}

# What a state means for the parts, where no cause says more.
MEANINGS: dict[StateWord, str] = {
    StateWord.STARTING: "The gate is starting. Parts go to rework until it is ready.",
    StateWord.READY: "Every part gets its verdict.",
    StateWord.DEGRADED: "The gate decides, but something is missing.",
    StateWord.FAULT: "No part can pass. All parts go to rework.",
    StateWord.OFFLINE: "The gate does not answer. The PLC sends all parts to rework.",
}


@dataclass(frozen=True, slots=True)
class LevelWords:
    """A level of automation: its name, who decides in half a sentence, and all that follows."""

    name: str
    short: str
    consequence: str


LEVELS: dict[Level, LevelWords] = {
    Level.HUMAN: LevelWords(
        "Human",
        "a person decides every part",
        "A person decides every part; the model is not asked. A part that nobody answers in time "
        "goes to rework.",
    ),
    Level.SHADOW: LevelWords(
        "Shadow",
        "a person decides, the model only watches",
        "A person decides every part. The model judges beside, for comparison; nobody sees what "
        "it says.",
    ),
    Level.ASSIST: LevelWords(
        "Assist",
        "a person decides and sees the model's opinion",
        "A person decides every part and sees the model's score and heatmap.",
    ),
    Level.PARTIAL: LevelWords(
        "Partial",
        "the model decides where it is sure, else a person",
        "The model passes and rejects the parts it is sure of. The others wait for a person; "
        "unanswered they go to rework.",
    ),
    Level.FULL: LevelWords(
        "Full",
        "the model decides every part",
        "The model decides every part. Those it is not sure of go to rework. Nobody is asked "
        "before the part moves on.",
    ),
}

GATE_AWAY_CAUSE = "The gate does not answer this page"
GATE_AWAY_ACTION = (
    "Wait five seconds: it restarts by itself. If it stays away, look at `linegate job gate`'s "
    "log, or restart the station. The PLC sends parts to rework meanwhile."
)


def reason_in_words(code: str) -> str:
    """A reason's sentence; a code from a newer gate is shown as it is."""
    try:
        return REASONS[Reason(code)]
    except ValueError:
        return code.replace("_", " ")


def said(part_id: str, verdict: Verdict, in_time: bool | None) -> str:
    """What became of a person's word."""
    word = VERDICTS[verdict]
    if in_time:
        return f"Part {part_id}: {word} reached the line in time."
    return (
        f"Part {part_id}: {word} is recorded, but the line already had its verdict. "
        "What the part was sorted as does not change."
    )
