"""Whether every part went where it belonged: what the gate said of it, what it is, what was done.

Pure. Each rule looks at one case; docs/simulate.md says what to do about each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edge.camera.parts import part_id
from edge.core.messages import Verdict
from edge.simulate.belt import Belt, Place
from edge.simulate.scenario import Scenario
from edge.simulate.world import Asked, Key, Passed, World

SHOWN = 5  # parts that a finding names


@dataclass(frozen=True, slots=True)
class Said:
    """What the gate said about a trigger, by its ledger."""

    verdict: Verdict | None
    echoed: bool
    own_picture: bool | None  # whether a pass rests on a picture of that part; None: no pass


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known about one part."""

    number: int
    keys: frozenset[Key]  # of its triggers
    said: Said | None
    silent: bool
    pass_s: float | None  # when the rules of the line first said: pass
    taken_ms: float  # of a pass: the slowest `trigger/ack`, after its trigger
    decision_s: float  # when the diverter had to be told
    diverter_s: float
    let_by: bool
    diverter_moved: bool
    excused: bool  # by a trouble of the script

    @property
    def passed(self) -> bool:
        """Whether the gate's word for it is pass."""
        return self.said is not None and self.said.verdict is Verdict.PASS

    def may_go_by(self, own_plc: bool) -> bool:
        """A pass that came before the diverter. In trouble we may have missed what another PLC
        heard; our own hears with our ears."""
        if self.pass_s is None:
            return self.passed and self.excused and not own_plc
        return self.passed and self.pass_s <= self.diverter_s

    def must_go_by(self, transport_s: float, own_plc: bool, tardy_ms: float) -> bool:
        """A pass that came early enough for every PLC; another one than ours may be stricter
        about the acknowledgement."""
        if self.pass_s is None or (not own_plc and self.taken_ms > tardy_ms):
            return False
        return self.pass_s <= self.decision_s - transport_s


@dataclass(frozen=True, slots=True)
class Finding:
    """How a rule was kept. `parts` names some that broke it; `excused` fell into a trouble."""

    rule: str
    broken: int
    of: int
    action: str
    excused: int = 0
    parts: tuple[int | str, ...] = ()

    @property
    def kept(self) -> bool:
        return self.broken == 0


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    breaks: Callable[[Case], bool]
    action: str
    excusable: bool


def cases(
    world: World,
    belt: Belt,
    said: Mapping[Key, Said],
    excused: Callable[[int], bool],
) -> list[Case]:
    """A case for every part that is out."""
    return [
        _case(part, world, belt, said, excused(part.number)) for part in world.parts if part.is_out
    ]


def judge(found: Sequence[Case], scenario: Scenario, own_plc: bool) -> list[Finding]:
    """The rules about parts. With our own PLC, part n must have been asked for as part n."""
    return [_apply(rule, found) for rule in _rules(scenario, own_plc)]


def strays(world: World, own_plc: bool) -> Finding:
    """Triggers for nothing."""
    asked = sum(len(part.asked) for part in world.parts) + len(world.strays)
    names = tuple(stray.key[0] for stray in world.strays[:SHOWN])
    who = "the network or this machine was late" if own_plc else "mind the part's half length"
    return Finding(
        "every trigger comes while a part stands before the camera",
        len(world.strays),
        asked,
        f"trigger when the part's middle is before the camera ({who})",
        parts=names,
    )


def _case(part: Passed, world: World, belt: Belt, said: Mapping[Key, Said], excused: bool) -> Case:
    keys = frozenset(asked.key for asked in part.asked)
    passed = keys & world.passes_s.keys()
    return Case(
        number=part.number,
        keys=keys,
        said=_of(part.asked, said),
        silent=any(key in world.silent for key in keys),
        pass_s=min((world.passes_s[key] for key in passed), default=None),
        taken_ms=max((world.taken_ms[key] for key in passed), default=0.0),
        decision_s=belt.when(part.number, Place.DECISION),
        diverter_s=belt.when(part.number, Place.DIVERTER),
        let_by=part.let_by,
        diverter_moved=part.diverter_moved,
        excused=excused,
    )


def _of(asked: Sequence[Asked], said: Mapping[Key, Said]) -> Said | None:
    """The gate's word; of several inspections of one part, the last one's."""
    known = [said[each.key] for each in asked if each.key in said]
    return known[-1] if known else None


def _apply(rule: _Rule, found: Sequence[Case]) -> Finding:
    broken = [case for case in found if rule.breaks(case)]
    counted = [case for case in broken if not (rule.excusable and case.excused)]
    return Finding(
        rule.name,
        len(counted),
        len(found),
        rule.action,
        excused=len(broken) - len(counted),
        parts=tuple(case.number for case in counted[:SHOWN]),
    )


def _rules(scenario: Scenario, own_plc: bool) -> list[_Rule]:
    return [*_of_the_diverter(scenario, own_plc), *_of_the_triggers(own_plc), *_OF_THE_VERDICTS]


def _of_the_diverter(scenario: Scenario, own_plc: bool) -> list[_Rule]:
    transport_s, tardy_ms = scenario.layout.transport_ms / 1000, scenario.tardy_ack_ms
    return [
        _Rule(
            "only parts with a pass in time go by",
            lambda case: case.let_by and not case.may_go_by(own_plc),
            "let a part by only for `pass` of its own part_id and seq; everything else is rework",
            excusable=False,
        ),
        _Rule(
            "every part with a pass in time goes by",
            lambda case: not case.let_by and case.must_go_by(transport_s, own_plc, tardy_ms),
            "order 1 when the part is the diverter's reaction away, 0 when its rear has left",
            excusable=True,
        ),
        _Rule(
            "the diverter stands still while a part goes through",
            lambda case: case.diverter_moved,
            "count with the part's length, and tell the diverter a reaction time earlier",
            excusable=False,
        ),
    ]


def _of_the_triggers(own_plc: bool) -> list[_Rule]:
    return [
        _Rule(
            "every part is triggered",
            lambda case: not case.keys,
            "count every edge of the sensor; trigger when the part is before the camera",
            excusable=True,
        ),
        _Rule(
            "every part is triggered under one name",
            lambda case: len(case.keys) > 1 or (own_plc and _misnamed(case)),
            "one part_id and one new seq for each part",
            excusable=False,
        ),
    ]


def _misnamed(case: Case) -> bool:
    return any(name != part_id(case.number) for name, _ in case.keys)


_OF_THE_VERDICTS = (
    _Rule(
        "every trigger gets a verdict in time",
        lambda case: bool(case.keys) and (case.said is None or case.silent),
        "see `refused` above, `state` on the line, and the gate's log",
        excusable=True,
    ),
    _Rule(
        "every verdict is echoed",
        lambda case: case.said is not None and not case.said.echoed,
        "publish part_id and inspection_id of each verdict on `ack`",
        excusable=True,
    ),
    _Rule(
        "every part that goes by was judged by its own picture",
        lambda case: case.let_by and case.said is not None and case.said.own_picture is False,
        "set frame_within_ms, and rework where trigger/ack comes late: the part had moved on",
        excusable=False,
    ),
)
