"""Live updates: what is pushed, to how many, and how it ends."""

import asyncio
import itertools
import json
import re
import shutil
import time
from datetime import UTC

import pytest

from edge.clock import SystemClock
from edge.config import Page
from edge.core.errors import LinegateError
from edge.core.messages import Reason, StateWord, Verdict
from edge.page.app import make_app
from edge.page.gate_word import STUCK_AFTER_NS, GateWatch
from edge.page.guard import Refused
from edge.page.live import MAX_SCREENS, Live, Screen, partials
from edge.page.serve import listen, warn_if_open


class StoppedClock(SystemClock):
    """Monotonic time stands until it is moved."""

    def __init__(self):
        self.ns = 0

    def monotonic_ns(self):
        return self.ns


def test_new_screen_gets_everything(site, plant, screen):
    plant.part(part_id="B-1")
    heard = screen().until("B-1")
    hello = json.loads(re.search(r"event: hello\ndata: (.*)", heard)[1])
    assert hello["process"] == re.search(r'data-process="(\w+)"', site.get("/"))[1]
    for name in ("state", "queue", "reworks", "newest", "counts"):
        assert f'hx-target="#{name}" hx-swap="innerMorph"' in heard


def test_new_part_is_pushed_to_every_screen(plant, screen):
    first, second = screen(), screen()
    first.until("No part yet")
    second.until("No part yet")
    plant.part(Verdict.REWORK, reasons=(Reason.DEFECT,), part_id="B-2")
    for stream in (first, second):
        assert "The model sees a defect" in stream.until("B-2")


def test_change_of_state_is_pushed(gate, screen):
    stream = screen()
    stream.until("Ready")
    gate.state = gate.state.model_copy(update={"state": StateWord.FAULT, "cause": "no light"})
    assert "Fault" in stream.until("no light")


def test_page_survives_a_restart_of_the_gate(site, gate, screen):
    stream = screen()
    stream.until("Ready")
    gate.away = "connection refused"
    assert "The gate does not answer this page" in stream.until("Offline")
    assert site.ask("GET", "/")[0] == 200
    gate.away = None
    stream.until("Ready")


def test_page_waits_for_a_ledger_and_follows_when_it_comes(tmp_path, gate, serving_at):
    """The page may start before the gate has ever run."""
    empty = tmp_path / "fresh"
    with serving_at(empty, gate) as (site, open_screen):
        assert "is not there yet" in site.get("/")
        assert site.ask("GET", "/api/parts")[0] == 503
        assert site.ask("GET", "/parts/x")[0] == 503
        stream = open_screen()
        stream.until("is not there yet")
        source = gate.plant.config.ledger_path
        gate.plant.part(part_id="B-3")
        gate.plant.writer.close()
        empty.mkdir(exist_ok=True)
        shutil.copy(source, empty / "ledger.db")
        stream.until("B-3")
        stream.close()


def test_ninth_screen_is_told_why_and_gets_a_place_when_one_leaves(screen):
    streams = [screen() for _ in range(MAX_SCREENS)]
    for stream in streams:
        stream.until("hello")
    refused = screen()
    assert refused.status == 503
    assert "8 screens already watch" in refused.response.read().decode()
    streams[0].close()
    deadline = time.monotonic() + 10
    while (status := screen().status) == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert status == 200


def test_open_streams_do_not_hold_up_the_end(site, screen):
    stream = screen()
    stream.until("Ready")
    site.server.should_exit = True
    with pytest.raises(EOFError):  # an orderly end of the stream, not a reset
        stream.until("never")


# ---- without a server ----


def live(render, stamp=lambda: 0, heartbeat_s=0.02):
    return Live(stamp, render, SystemClock(), "p1", heartbeat_s)


def test_silence_is_broken_by_a_heartbeat():
    async def listen_in():
        tower = live(lambda: {"a": "1"})
        events = tower.stream(await tower.admit())
        return [await anext(events) for _ in range(4)]

    hello, first, *beats = asyncio.run(listen_in())
    assert "event: hello" in hello and '#a"' in first
    assert beats == ["event: beat\ndata: \n\n"] * 2


def test_only_what_changed_is_sent():
    renderings = iter([{"a": "1", "b": "1"}, {"a": "1", "b": "2"}])

    async def listen_in():
        tower = live(lambda: next(renderings))
        screen = await tower.admit()
        await screen.take(1)
        await tower.refresh()
        return await screen.take(1)

    assert asyncio.run(listen_in()) == {"b": "2"}


def test_slow_screen_is_owed_only_the_newest():
    async def fall_behind():
        screen = Screen({})
        for n in range(1000):
            screen.owe({"parts": str(n)})
        return await screen.take(1)

    assert asyncio.run(fall_behind()) == {"parts": "999"}


def test_nobody_watching_costs_nothing():
    asked = itertools.count()

    async def run_alone():
        tower = live(dict, stamp=lambda: next(asked))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(tower.run(), 0.7)

    asyncio.run(run_alone())
    assert next(asked) == 0


def test_screen_that_cannot_be_served_leaves_its_place():
    def broken():
        raise RuntimeError("a bad row")

    async def fail():
        tower = live(broken)
        for _ in range(MAX_SCREENS + 1):
            with pytest.raises(RuntimeError, match="a bad row"):
                await tower.admit()

    asyncio.run(fail())


def test_too_many_screens_are_refused():
    async def crowd():
        tower = live(lambda: {"a": "1"})
        for _ in range(MAX_SCREENS):
            await tower.admit()
        with pytest.raises(Refused) as refused:
            await tower.admit()
        return refused.value.status

    assert asyncio.run(crowd()) == 503


def test_html_with_line_breaks_stays_one_event():
    text = partials({"a": "one\n\ntwo"})
    assert text.count("\n\n") == 1 and text.endswith("\n\n")


# ---- the gate's word ----


def test_gate_is_asked_once_a_second_however_many_look(gate):
    clock, asked = StoppedClock(), itertools.count(1)

    def orders(order):
        next(asked)
        return gate(order)

    watch = GateWatch(orders, clock)
    for _ in range(20):
        watch.word()
    clock.ns += 1_000_000_000
    watch.word()
    assert next(asked) == 3


def test_gate_whose_loop_hangs_is_not_called_ready(gate):
    clock = StoppedClock()
    gate._beats = itertools.repeat(7)
    watch = GateWatch(gate, clock)
    assert watch.word().away is None
    clock.ns += STUCK_AFTER_NS
    assert watch.word().away == "its inspection loop stands still"
    gate._beats = itertools.count(8)
    clock.ns += 1_000_000_000
    assert watch.word().away is None


# ---- the server ----


def test_taken_port_is_named():
    with listen(Page(port=49_377)), pytest.raises(LinegateError, match="49377"):
        listen(Page(port=49_377))


def test_open_page_is_warned_of(capsys):
    for host in ("127.0.0.1", "::1", "localhost"):
        warn_if_open(Page(host=host))
    assert capsys.readouterr().out == ""
    warn_if_open(Page(host="0.0.0.0"))
    assert "no users yet" in capsys.readouterr().out


def test_two_pages_have_two_tokens(plant, gate):
    pages = [make_app(plant.config, plant.recipes, gate, SystemClock(), zone=UTC) for _ in range(2)]
    guards = [page.user_middleware[0].args[1] for page in pages]
    assert len(set(guards)) == 2 and all(len(token) >= 43 for token in guards)
