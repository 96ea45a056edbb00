"""`linegate level` and `linegate recipe` with a gate that answers by its own rule."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge.__main__ import main
from edge.clock import SystemClock
from edge.core.automation import refuse_change
from edge.core.messages import Level, LevelOrder, StateMessage, StateWord
from edge.core.orders import Answer, Status
from edge.gate.control import ControlServer
from edge.gate.events import Ordered
from edge.gate.loop import Incoming, ReferenceAsked, StatusAsked

STATION = """\
state_dir = "s"
[station]
device = "box"
[[camera]]
kind = "simulator"
[predict]
models = "models"
[gate]
recipe = "disc"
"""


class Gate:
    """Keeps a level; `who` of every order is remembered."""

    def __init__(self, socket: Path) -> None:
        self.level = Level.PARTIAL
        self.who: list[str | None] = []
        self.server = ControlServer(socket, self.post, SystemClock())

    def post(self, message: Incoming) -> bool:
        if isinstance(message, StatusAsked):
            state = StateMessage(state=StateWord.READY, level=self.level)
            status = Status(
                state=state, conditions=(), in_flight=0, waiting=0, heartbeat=1, counters={}
            )
            self.server.reply(message.token, Answer(ok=True, status=status))
        elif isinstance(message, Ordered) and isinstance(message.order, LevelOrder):
            assert message.token is not None
            self.server.reply(message.token, self._change(message.order))
        elif isinstance(message, ReferenceAsked):
            self.who.append(message.who)
            error = None if message.recipe == "disc" else f"no recipe is named {message.recipe!r}"
            self.server.reply(message.token, Answer(ok=error is None, error=error))
        return True

    def _change(self, order: LevelOrder) -> Answer:
        self.who.append(order.who)
        refused = refuse_change(self.level, order.level, order.who)
        if refused is None:
            self.level = order.level
        return Answer(ok=refused is None, error=refused)


@pytest.fixture
def place() -> Iterator[Path]:
    """In a short path: a socket lies in it."""
    with tempfile.TemporaryDirectory(prefix="lg") as name:
        folder = Path(name)
        (folder / "s").mkdir()
        (folder / "recipes").mkdir()
        (folder / "station.toml").write_text(STATION)
        for recipe in ("cap", "disc"):
            (folder / "recipes" / f"{recipe}.toml").write_text(
                f'name = "{recipe}"\nmodel = "toy"\n'
            )
        yield folder


@pytest.fixture
def gate(place: Path) -> Iterator[Gate]:
    gate = Gate(place / "s" / "gate.sock")
    gate.server.start()
    yield gate
    gate.server.close()


def linegate(place: Path, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--config", str(place / "station.toml")])


def last(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_level_is_shown_in_words_and_as_json(place: Path, gate: Gate) -> None:
    assert linegate(place, "level").stdout == "partial\n"
    assert last(linegate(place, "level", "--json")) == {"level": "partial"}


def test_going_down_needs_no_name(place: Path, gate: Gate) -> None:
    assert last(linegate(place, "level", "human", "--json")) == {"level": "human"}
    assert (gate.level, gate.who) == (Level.HUMAN, [None])


@pytest.mark.parametrize("who", [[], ["--who", ""]])
def test_going_up_without_a_name_is_refused_by_the_gate(
    place: Path, gate: Gate, who: list[str]
) -> None:
    result = linegate(place, "level", "full", *who)
    assert result.exit_code == 1
    assert "going up from partial to full needs a named person in 'who'" in result.stderr
    assert gate.level is Level.PARTIAL


def test_going_up_with_a_name_is_done(place: Path, gate: Gate) -> None:
    assert linegate(place, "level", "full", "--who", "Ada").stdout == "level full\n"
    assert (gate.level, gate.who) == (Level.FULL, ["Ada"])


def test_reference_is_asked_for_by_a_named_person(place: Path, gate: Gate) -> None:
    result = linegate(place, "recipe", "reference", "disc", "--who", "Ada")
    assert result.exit_code == 0 and "the next parts of disc" in result.stdout
    assert gate.who == ["Ada"]


def test_reference_of_an_unknown_recipe_or_by_nobody_is_refused(place: Path, gate: Gate) -> None:
    result = linegate(place, "recipe", "reference", "cup", "--who", "Ada")
    assert result.exit_code == 1 and "no recipe is named 'cup'" in result.stderr
    assert linegate(place, "recipe", "reference", "disc").exit_code == 2


def test_recipes_are_listed_with_the_default_of_the_file(place: Path) -> None:
    shown = linegate(place, "recipe", "list").stdout.splitlines()
    assert shown == [
        "  cap v1: model toy, views main",
        "* disc v1: model toy, views main",
        "* the default of station.toml",
    ]
    answer = last(linegate(place, "recipe", "list", "--json"))
    assert answer["default"] == "disc"
    assert isinstance(answer["recipes"], list)
    assert [recipe["name"] for recipe in answer["recipes"]] == ["cap", "disc"]
