"""The docs know every word of the product, and no word that it does not have."""

import json
import re
from collections.abc import Iterator
from enum import StrEnum
from importlib.metadata import entry_points
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import click
import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from edge.config import StationConfig, load_recipes, load_station
from edge.core.messages import By, Level, Reason, Refusal, StateWord, Verdict
from edge.core.recipe import Recipe
from edge.core.topics import LineTopics, PostTopics
from edge.simulate.scenario import Scenario
from edge.watch.conditions import CAUSES

REPO = Path(__file__).parents[1]
DOCS = REPO / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
BESIDE = sorted(REPO.glob("*.md"))  # README, CONTRIBUTING, CHANGELOG
CONFIG = DOCS / "config.md"
STATES = DOCS / "states.md"


def read(*files: Path) -> str:
    return "\n".join(file.read_text() for file in files)


def in_code(text: str) -> set[str]:
    """Everything that stands in backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))


def tables(text: str) -> Iterator[list[str]]:
    """The cells of every row of every table, but for headings and rulers."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        ruled = number + 1 < len(lines) and re.match(r"\|[-| :]+\|$", lines[number + 1])
        if line.startswith("|") and not ruled and not re.match(r"\|[-| :]+\|$", line):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its rank."""
    rank = heading.split()[0]
    found = re.search(
        rf"^{re.escape(heading)}$(.*?)(?=^{rank} |\Z)", text, re.DOTALL | re.MULTILINE
    )
    assert found is not None, f"there is no {heading!r}"
    return found.group(1)


# ---- pages ----


@pytest.mark.parametrize(
    "name",
    [
        "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/cameras.md", "docs/config.md",
        "docs/memory.md", "docs/models.md", "docs/page.md", "docs/plc.md", "docs/post.md",
        "docs/predict.md", "docs/states.md", "docs/workshop.md",
    ],
)  # fmt: skip
def test_page_is_there(name: str) -> None:
    text = (REPO / name).read_text()
    assert text.startswith("# ") and len(text) > 500


def test_pages_that_the_code_points_to_are_there() -> None:
    pointed = {
        page
        for root in ("edge", "trainer", "tests")
        for file in (REPO / root).rglob("*.py")
        for page in re.findall(r"docs/[a-z0-9_/-]+\.md", file.read_text())
    }
    assert {page for page in pointed if not (REPO / page).is_file()} == set()


def slug(heading: str) -> str:
    """A heading's anchor, as code hosts make it."""
    plain = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", [*PAGES, *BESIDE], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)
    assert broken == []


def test_every_page_is_reachable_from_the_readme() -> None:
    readme = read(REPO / "README.md")
    lost = {page.name for page in DOCS.glob("*.md") if f"docs/{page.name}" not in readme}
    assert lost == set()


# ---- commands ----


def commands(script: str) -> Iterator[str]:
    (entry,) = entry_points(group="console_scripts", name=script)
    yield from _below(entry.load(), script)


def _below(command: click.Command, path: str) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield path
        return
    for name in command.list_commands(click.Context(command)):
        below = command.get_command(click.Context(command), name)
        assert below is not None
        yield from _below(below, f"{path} {name}")


@pytest.mark.parametrize("script", ["linegate", "linegate-trainer"])
def test_every_command_is_in_the_docs(script: str) -> None:
    text = read(*PAGES, *BESIDE)
    missing = [name for name in commands(script) if not re.search(rf"\b{name}\b", text)]
    assert missing == []


@pytest.mark.parametrize("script", ["linegate", "linegate-trainer"])
def test_docs_show_no_command_that_is_not_there(script: str) -> None:
    """In code only: prose may speak of `linegate` and go on."""
    text = read(*PAGES, *BESIDE)
    (entry,) = entry_points(group="console_scripts", name=script)
    known = set(entry.load().list_commands(None))
    blocks = re.findall(r"^```(?:sh|bash|console)?$(.*?)^```", text, re.DOTALL | re.MULTILINE)
    code = "\n".join([*blocks, *in_code(text)])
    shown = set(re.findall(rf"(?:^|[\s/$]){script} ([a-z][a-z-]+)", code, re.MULTILINE))
    assert shown - known == set()


# ---- configuration ----


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds: one, several, or perhaps one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, Union, UnionType):
        return next(filter(None, map(model_in, get_args(annotation))), None)
    return None


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        inner = model_in(field.annotation)
        if inner is None:
            yield f"{prefix}{name}", field
        else:
            yield from keys(inner, f"{prefix}{name}.")


def shown_default(field: FieldInfo) -> str:
    """A default as the table shows it: TOML in backticks."""
    if field.is_required():
        return "required"
    assert field.default is not PydanticUndefined
    if field.default is None:
        return "none"
    return f"`{json.dumps(field.default, default=str)}`"


FREE = ("features",)  # its keys are the camera's
CONFIG_PARTS = [
    (StationConfig, CONFIG, "## station.toml"),
    (Recipe, CONFIG, "## Recipes"),
    (Scenario, DOCS / "simulate.md", "## The scenario"),
]


@pytest.mark.parametrize(("model", "page", "heading"), CONFIG_PARTS)
def test_every_key_stands_in_the_table_with_its_default(
    model: type[BaseModel], page: Path, heading: str
) -> None:
    found = tables(section(page.read_text(), heading))
    rows = {cells[0].strip("`"): cells[1] for cells in found}
    assert rows == {key: shown_default(field) for key, field in keys(model)}


@pytest.mark.parametrize(("model", "page", "heading"), CONFIG_PARTS)
def test_every_key_says_what_it_means(model: type[BaseModel], page: Path, heading: str) -> None:
    for cells in tables(section(page.read_text(), heading)):
        assert len(cells) == 3 and len(cells[2]) > 5, cells


def toml_blocks(text: str) -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_example_station_is_loaded_with_its_recipe(tmp_path: Path) -> None:
    station, recipe = toml_blocks(section(CONFIG.read_text(), "## A whole station"))
    (tmp_path / "station.toml").write_text(station)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "cap_28mm.toml").write_text(recipe)
    config = load_station(tmp_path / "station.toml")
    assert set(load_recipes(config)) == {"cap_28mm"}


def test_smallest_station_is_loaded(tmp_path: Path) -> None:
    smallest = toml_blocks(CONFIG.read_text())[0]
    (tmp_path / "station.toml").write_text(smallest)
    assert load_station(tmp_path / "station.toml").gate.recipe == "bracket"
    required = {key for key, field in keys(StationConfig) if field.is_required()}
    left_out = r"camera\.(replay|usb|gige|picamera)\.|gpio\."
    of_other_kinds = {key for key in required if re.match(left_out, key)}
    assert _keys_of_toml(smallest) == required - of_other_kinds


def test_example_shows_every_key() -> None:
    station, recipe = toml_blocks(section(CONFIG.read_text(), "## A whole station"))
    assert _keys_of_toml(station) == {key for key, _ in keys(StationConfig)}
    assert _keys_of_toml(recipe) == {key for key, _ in keys(Recipe)}


def _keys_of_toml(text: str) -> set[str]:
    """Dotted keys of a TOML text, those in comments included."""
    found: set[str] = set()
    prefix: str | None = ""
    for line in text.splitlines():
        if header := re.match(r"\[+([\w.]+)\]+", line):
            prefix = f"{header[1]}."
            if header[1].rpartition(".")[2] in FREE:
                found.add(header[1])
                prefix = None
        elif prefix is None:
            continue
        elif key := re.match(r"(?:# )?(\w+) = (\{.*\})?", line):
            inner = [] if key[1] in FREE else re.findall(r"(\w+) =", key[2] or "")
            found |= {f"{prefix}{key[1]}.{name}" for name in inner} or {f"{prefix}{key[1]}"}
    return found


def test_examples_of_other_pages_have_no_unknown_key() -> None:
    """Sections of station.toml that other pages show, as far as they are some."""
    known = {key for key, _ in keys(StationConfig)}
    sections = {key.split(".")[0] for key in known if "." in key}
    wrong = {
        (page.name, key)
        for page in [*PAGES, *BESIDE]
        for block in toml_blocks(page.read_text())
        if all(key.split(".")[0] in {*sections, "state_dir"} for key in _keys_of_toml(block))
        for key in _keys_of_toml(block)
        if key not in known
    }
    assert wrong == set()


# ---- words ----


@pytest.mark.parametrize("words", [Reason, Refusal, StateWord, Level, Verdict, By])
def test_every_word_is_explained(words: type[StrEnum]) -> None:
    assert {str(word) for word in words} <= in_code(read(*PAGES))


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("## State words", StateWord),
        ("## Reasons", Reason),
        ("## Refusals", Refusal),
        ("## Levels of automation", Level),
    ],
)
def test_states_page_lists_each_word_once(heading: str, words: type[StrEnum]) -> None:
    rows = [cells[0].strip("`") for cells in tables(section(STATES.read_text(), heading))]
    assert sorted(rows) == sorted(words)


@pytest.mark.parametrize(("heading", "fault"), [("## Faults", True), ("## Lacks", False)])
def test_causes_and_actions_are_those_of_the_station(heading: str, fault: bool) -> None:
    rows = [tuple(cells) for cells in tables(section(STATES.read_text(), heading))]
    assert rows == [
        (f"`{code}`", cause.text, cause.action)
        for code, cause in CAUSES.items()
        if (cause.reason is not None) is fault
    ]


@pytest.mark.parametrize("code", CAUSES)
def test_every_cause_says_what_is_wrong_and_what_to_do(code: str) -> None:
    cause = CAUSES[code]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)  # it is the end of a topic
    assert len(cause.text) > 10 and len(cause.action) > 10 and cause.action != cause.text


# ---- topics ----


def test_every_topic_is_in_the_docs() -> None:
    text = read(DOCS / "plc.md", DOCS / "post.md")
    line, post = LineTopics(""), PostTopics("")
    names = [getattr(line, name) for name in _properties(LineTopics)] + [line.alarm("{code}")]
    missing = [topic for topic in names if f"`{topic.strip('/')}`" not in text]
    ends = [getattr(post, name).rpartition("//")[2] for name in _properties(PostTopics)]
    missing += [end for end in ends if not re.search(rf"{end}\b", text)]
    assert missing == []


def _properties(kind: type) -> list[str]:
    return [name for name, value in vars(kind).items() if isinstance(value, property)]
