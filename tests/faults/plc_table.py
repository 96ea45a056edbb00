"""A PLC that is silent, babbles, sends garbage, uses ids twice or from the future."""

import json
from functools import partial

from faults.fault import Fault
from faults.judge import Meanwhile
from faults.rig import Rig

from edge.core.messages import Refusal

OLD_PARTS = 20
FAR_SEQ = 2**53 - 1_000_000  # beyond any counter that was used; the schema ends at 2**53
GARBAGE = (
    b"",
    b"{",
    b"null",
    b"[" * 3000,
    b"\xff\xfe\x00",
    b"x" * 5000,
    b'{"v":1,"part_id":"\x00","seq":-1}',
    b'{"v":9,"part_id":"A","seq":1}',
    b'{"v":1,"part_id":"A","seq":1e99}',
    b'{"v":1,"id":"1","level":"god","recipe":"../x"}',
)


def echo(rig: Rig, echoes: bool) -> None:
    rig.line.plc.echoes = echoes


def topics(rig: Rig) -> tuple[str, ...]:
    line = rig.line.topics
    return (line.trigger, line.ack, line.recipe, line.level, line.challenge)


def send_garbage(rig: Rig) -> None:
    for topic in topics(rig):
        for payload in GARBAGE:
            rig.say(topic, payload)


def leave_garbage(rig: Rig) -> None:
    """Retained: the broker says it again to whoever comes."""
    for topic in topics(rig):
        rig.say(topic, GARBAGE[-1], retain=True)


def clear_garbage(rig: Rig) -> None:
    for topic in topics(rig):
        rig.say(topic, b"", retain=True)


def babble(rig: Rig) -> None:
    """The same triggers and echoes again and again, some hundred a second."""
    for sent in rig.sent[-OLD_PARTS:]:
        rig.line.plc.repeat(sent.seq)
        rig.say(rig.line.topics.ack, echo_of(sent.part_id, "no-such-inspection"))


def ask_for_an_old_part(rig: Rig) -> None:
    """One of minutes ago, perhaps one that passed: its pass is no pass of today."""
    oldest = rig.sent[:OLD_PARTS]
    rig.line.plc.repeat(oldest[rig.line.number % len(oldest)].seq)


def echo_of(part_id: str, inspection_id: str) -> bytes:
    return json.dumps({"part_id": part_id, "inspection_id": inspection_id}).encode()


def begin_counting_anew(rig: Rig) -> None:
    """The PLC was restarted and lost its counter: parts and numbers of before come again."""
    rig.line.number = int(rig.sent[0].part_id.removeprefix("SIM-"))
    rig.change_plc(rig.sent[0].seq)


def count_on(rig: Rig) -> None:
    rig.line.number = 1 + max(int(sent.part_id.removeprefix("SIM-")) for sent in rig.sent)
    rig.change_plc()


def count_from_the_future(rig: Rig) -> None:
    rig.change_plc(FAR_SEQ)


def echo_the_future(rig: Rig) -> None:
    """Echoes of parts that are still to come, with ids that nobody gave yet."""
    rig.say(rig.line.topics.ack, echo_of(f"SIM-{rig.line.number + 5:06d}", "0123456789abcdef"))


plc = partial(Fault, "PLC", meanwhile=Meanwhile.ALL_GOES_ON)

FAULTS = (
    plc("PLC silent: echoes no verdict", lambda r: echo(r, False), lambda r: echo(r, True),
        says="the PLC does not echo verdicts"),
    plc("PLC babbles: every trigger of a second over and over", babble, lambda r: None,
        with_each=babble),
    plc("PLC sends garbage on every topic", leave_garbage, clear_garbage, with_each=send_garbage),
    plc("PLC asks for parts of long ago", ask_for_an_old_part, lambda r: None,
        with_each=ask_for_an_old_part),
    plc("PLC restarted: its ids begin anew, all were used before", begin_counting_anew, count_on,
        meanwhile=Meanwhile.NONE_PASSES, reason=Refusal.DUPLICATE),
    plc("PLC's ids and echoes are of the future, then of today again", count_from_the_future,
        count_on, with_each=echo_the_future),
)  # fmt: skip
