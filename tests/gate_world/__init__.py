"""A seeded world around the whole gate, and everything in it misbehaves.

Under test, and real: the inspection loop with ledger, standing, disk's guard and recovery
(`edge/gate`), what reads the line (`edge/plc/inbound.py`), and the PLC's rules
(`edge/plc/rules.py`). Played: time, network and broker (`line.py`), camera and model (`eye.py`),
the ledger's database (`disk.py`), people, and whoever pulls the plug (`world.py`). `books.py` keeps
its own books of what may pass, and compares. One `random.Random(seed)` makes a run repeatable.

Here stand the recipes and bounds that other tests of the gate use, too.
"""

from dataclasses import replace

from edge.core.decide import Rules
from edge.core.recipe import Recipe, View
from edge.gate.rules import Limits

SHA = "a" * 64
FOREIGN = "b" * 64
VIEWS = ("top", "side")
RULES = Rules(pass_below=0.3, rework_from=0.7, model_sha256=SHA, views=VIEWS)
CODED = replace(RULES, code_view="top")
RECIPE = Recipe(
    name="disc",
    model="toy",
    views=(View(name="top"), View(name="side")),
    deadline_ms=100,
    review_s=2.0,
)
LIMITS = Limits(max_in_flight=6, max_waiting=20, answer_margin_ms=10, silent_after=3)
