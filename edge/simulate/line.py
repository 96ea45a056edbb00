"""The virtual line put together: station, PLC, belt and script; then the judgement."""

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.config import load_recipes
from edge.core.errors import ConfigError, LinegateError
from edge.core.topics import LineTopics
from edge.demo import run as demo
from edge.demo.station import DEADLINE_MS, DemoStation
from edge.plc.broker import Broker
from edge.plc.virtual import VirtualPlc
from edge.predict.bundle import find_bundles
from edge.simulate.belt import Belt
from edge.simulate.books import Books, close_books
from edge.simulate.diverter import Diverter
from edge.simulate.own_plc import LaneOf, OwnPlc
from edge.simulate.referee import Finding
from edge.simulate.run import BEGIN_S, Inbox, Side, Stopwatch, move, show_camera
from edge.simulate.scenario import Scenario, Trouble
from edge.simulate.script import Spell, acts, spells
from edge.simulate.their_plc import TheirPlc
from edge.simulate.trouble import Babbler, Hands, Saboteur
from edge.simulate.world import World
from edge.store.reader import LedgerReader

START_S = 3600.0  # for somebody else's PLC to start the belt


@dataclass(frozen=True, slots=True)
class Plan:
    """What will happen, known before anything starts. `lane_of`: how our own PLC knows where a
    part belongs."""

    scenario: Scenario
    belt: Belt
    troubles: list[Spell]
    own_plc: bool
    lane_of: LaneOf = VirtualPlc.lane


def plan(
    scenario: Scenario, own_plc: bool, own_broker: bool, lane_of: LaneOf = VirtualPlc.lane
) -> Plan:
    """Raises ConfigError if the belt gets stuck, or the script wants what is not ours."""
    for fault in scenario.fault:
        if fault.what.is_of_the_plc and not own_plc:
            raise ConfigError(f"fault {fault.what}: only with --plc virtual; yours is not ours")
        if fault.what is Trouble.BROKER_AWAY and not own_broker:
            raise ConfigError(f"fault {fault.what}: only without --broker; yours is not ours")
    belt = Belt(scenario)
    return Plan(scenario, belt, spells(scenario.fault, belt), own_plc, lane_of)


def simulate(
    plan: Plan,
    station: DemoStation,
    broker: Broker | None,
    stop: threading.Event,
    ready: Callable[[], None],
    told: Callable[[int], None],
) -> tuple[dict[str, Any], list[Finding]]:
    """Run the line until its belt is empty, or until told to stop. Returns figures and findings.

    `ready` is called when everything runs, `told` with the number of parts that are out. Raises
    LinegateError if the gate does not get ready or nobody starts the belt.
    """
    world = World(plan.belt, Diverter(plan.scenario.layout.diverter_reaction_ms / 1000))
    watch, inbox = Stopwatch(), Inbox()
    with demo.running(station) as jobs, closing(_side(plan, station, watch, inbox)) as side:
        side.line.start()
        demo.wait_until_ready(station, side.line)
        ready()
        _wait_for_start(side, stop)
        with ExitStack() as stack:
            hands = Hands(_faults_file(station), jobs, broker, side.line)
            babbler = _babbler(plan, station, side, world, stack)
            saboteur = Saboteur(acts(plan.troubles), hands, babbler)
            stack.enter_context(closing(saboteur))
            origin_ns = watch.start(BEGIN_S)
            show_camera(station, plan.belt, origin_ns)
            saboteur.start(origin_ns)
            timing = move(world, plan.belt, side, watch, inbox, stop, told)
        side.line.wait_idle(plan.scenario.deadline_ms / 1000 + 3.0)
        jobs.end("gate")  # what is open gets its end
        inbox.empty_into(world)
        plc = side.line.summary()
        post = demo.wait_until_delivered(station)
    config = station.config
    rows = LedgerReader(config.ledger_path).newest(10_000_000)
    manifest = find_bundles(config.predict.models).newest["demo"].manifest
    roi = load_recipes(config)[config.gate.recipe].views[0].roi
    books = Books(
        world, rows, plc, post, timing, saboteur.undone, config.camera[0].simulator, roi, manifest
    )
    return close_books(plan.scenario, plan.belt, plan.troubles, plan.own_plc, books)


def _side(plan: Plan, station: DemoStation, watch: Stopwatch, inbox: Inbox) -> Side:
    settings = station.config.plc
    if plan.own_plc:
        return OwnPlc(plan.scenario, plan.belt, settings, inbox.tell, watch.now_s, plan.lane_of)
    return TheirPlc(plan.scenario, settings, inbox.tell, watch.now_s, DEADLINE_MS)


def _wait_for_start(side: Side, stop: threading.Event) -> None:
    for _ in range(round(START_S / 0.5)):
        if stop.is_set() or side.wait_for_start(0.5):
            return
    raise LinegateError(f"nobody started the belt within {START_S:.0f} s; see docs/simulate.md")


def _faults_file(station: DemoStation) -> Path:
    faults = station.config.camera[0].simulator.faults
    assert faults is not None
    return faults


def _babbler(
    plan: Plan, station: DemoStation, side: Side, world: World, stack: ExitStack
) -> Babbler | None:
    if all(spell.trouble is not Trouble.PLC_BABBLING for spell in plan.troubles):
        return None
    topics = LineTopics(plan.scenario.layout.topics)
    babbler = Babbler(station.config.plc, topics, side.line, world.latest)
    return stack.enter_context(closing(babbler))
