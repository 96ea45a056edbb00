"""The house rules that no linter knows: who may import whom, how large things may grow, what must
never be in the repository."""

import ast
import json
import re
import shutil
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
ROOTS = ("edge", "trainer")
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())
BIN = Path(sys.executable).parent

TRAINING = ("torch", "scipy", "pandas", "sklearn", "onnx", "optuna", "matplotlib")
HEAVY = ("numpy", "cv2", "onnxruntime", "pydantic")

CORE = {
    "__init__", "automation", "bounds", "cli", "clock", "codes", "decide", "errors", "manifest",
    "messages", "metrics", "orders", "post", "preprocess", "quality", "recipe", "records",
    "runtime", "schemas", "spans", "topics",
}  # fmt: skip

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
LONG_FUNCTIONS = {  # tables of SQL, read from top to bottom
    ("edge/store/schema.py", "_first"),
    ("trainer/ingest/catalog.py", "_first"),
}


def sources(*roots: str) -> list[Path]:
    return sorted(file for root in roots for file in (REPO / root).rglob("*.py"))


def named(file: Path) -> str:
    return file.relative_to(REPO).as_posix()


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def nodes(*roots: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node of every source file, with the file's name."""
    for file in sources(*roots):
        yield from ((named(file), node) for node in ast.walk(tree(file)))


def imports(*roots: str) -> Iterator[tuple[str, str]]:
    """(file, module) of every import, also those inside functions."""
    for file, node in nodes(*roots):
        if isinstance(node, ast.Import):
            yield from ((file, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield file, node.module


def loaded_by(code: str) -> set[str]:
    """The top-level modules in a fresh interpreter after this code."""
    dump = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", dump], capture_output=True, text=True, timeout=120, cwd=REPO
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


# ---- who may import whom ----


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "lint-imports"), "--no-cache"],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=folder,
    )


def test_contracts_of_the_house_are_kept() -> None:
    done = lint_imports(REPO)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def other_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which imports can be planted."""
    folder = tmp_path_factory.mktemp("house")
    for root in ROOTS:
        shutil.copytree(
            REPO / root, folder / root, ignore=lambda _, names: [n for n in names if "." in n
                                                                 and not n.endswith(".py")]
        )  # fmt: skip
    shutil.copy(REPO / "pyproject.toml", folder)
    return folder


def test_planted_imports_break_their_contracts(other_house: Path) -> None:
    planted = {
        "edge/core/bounds.py": "import torch",
        "edge/plc/link.py": "import edge.camera.source",
        "edge/core/topics.py": "import edge.config",
        "trainer/judge/metrics.py": "import edge.gate.ledger",
        "trainer/data/split.py": "import torch",
    }
    for file, line in planted.items():
        with (other_house / file).open("a") as source:
            source.write(f"\n{line}\n")
    done = lint_imports(other_house)
    assert done.returncode == 1
    assert "0 kept, 4 broken" in done.stdout
    for chain in (
        "edge.core.bounds -> torch",
        "edge.plc.link -> edge.camera.source",
        "edge.core.topics -> edge.config",
        "trainer.judge.metrics -> edge.gate.ledger",
        "trainer.data.split -> torch",
    ):
        assert chain in done.stdout


def test_trainer_knows_nothing_of_the_edge_but_core() -> None:
    foreign = {
        (file, module)
        for file, module in imports("trainer")
        if module.split(".")[0] == "edge" and not f"{module}.".startswith("edge.core.")
    }
    assert foreign == set()


def test_edge_knows_nothing_of_the_trainer_and_its_libraries() -> None:
    banned = {"trainer", "river", *TRAINING}
    found = {(file, m) for file, m in imports("edge") if m.split(".")[0] in banned}
    assert found == set()


def test_torch_lives_in_trainer_learn() -> None:
    files = {file for file, module in imports("trainer") if module.split(".")[0] == "torch"}
    assert files and all(file.startswith("trainer/learn/") for file in files)


def test_rooms_of_one_floor_never_import_each_other() -> None:
    floors = ({"camera", "plc", "predict", "store", "watch"}, {"sync", "gate", "page"})
    crossed = {
        (file, module)
        for file, module in imports("edge")
        for floor in floors
        if (room := file.split("/")[1]) in floor
        and module.startswith("edge.")
        and module.split(".")[1] in floor - {room}
    }
    assert crossed == set()


def test_core_holds_what_is_allowed_there() -> None:
    """All of it may be imported by the trainer: pure, but for `runtime` and the schemas' main."""
    assert {file.stem for file in (REPO / "edge" / "core").rglob("*.py")} == CORE


@pytest.mark.parametrize(
    "modules",
    [
        "edge.jobs, edge.build",
        "edge.commands.demo, edge.commands.run, edge.commands.replay",
        "trainer.__main__, trainer.commands.ingest",
        "trainer.__main__, trainer.commands.preview",
    ],
)
def test_box_and_ingest_run_without_the_training_libraries(modules: str) -> None:
    assert loaded_by(f"import {modules}").isdisjoint(TRAINING)


# ---- the command line answers at once ----


@pytest.mark.parametrize(
    ("script", "module"), [("linegate", "edge"), ("linegate-trainer", "trainer")]
)
def test_help_exits_0_and_lists_all_commands(script: str, module: str) -> None:
    (entry,) = entry_points(group="console_scripts", name=script)
    assert entry.value == f"{module}.__main__:main"
    done = subprocess.run([str(BIN / script), "--help"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    group = entry.load()
    for name in group.list_commands(None):
        assert re.search(rf"^  {re.escape(name)}\s+\S", done.stdout, re.MULTILINE), name


@pytest.mark.parametrize("module", ROOTS)
def test_help_imports_nothing_heavy(module: str) -> None:
    code = f"from {module}.__main__ import main\nmain(['--help'], standalone_mode=False)"
    assert loaded_by(code).isdisjoint({*HEAVY, *TRAINING})


@pytest.mark.parametrize("module", ROOTS)
def test_every_command_has_an_example_and_a_sentence(module: str) -> None:
    (entry,) = entry_points(group="console_scripts", name=PROJECT_SCRIPTS[module])
    group = entry.load()
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        assert command is not None
        assert (command.help or "").strip(), f"{name} says nothing about itself"
        shown = f"{command.epilog} {command.help}"
        assert re.search(r"Example:\s+linegate", shown), f"{name} shows no example"


PROJECT_SCRIPTS = {"edge": "linegate", "trainer": "linegate-trainer"}


# ---- what is installed ----


def requirements(extra: str | None = None) -> set[str]:
    project = PROJECT["project"]
    lines = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    return {re.match(r"[A-Za-z0-9_.-]+", line).group().lower() for line in lines}  # type: ignore[union-attr]


def test_edge_is_installed_without_the_training_libraries() -> None:
    banned = {"torch", "torchvision", "scipy", "pandas", "scikit-learn", "river", "onnx"}
    assert requirements().isdisjoint(banned)
    for extra in ("demo", "pi", "gige"):
        assert requirements(extra).isdisjoint(banned), extra


def test_torch_comes_only_with_the_trainer() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert {extra for extra in extras if "torch" in requirements(extra)} == {"trainer"}


def test_extras_are_those_of_the_contract() -> None:
    assert {"demo", "pi", "gige", "trainer", "dev"} <= set(
        PROJECT["project"]["optional-dependencies"]
    )
    assert PROJECT["project"]["license"] == "Apache-2.0"


def test_what_is_imported_is_declared() -> None:
    """A box is installed from the declared dependencies alone."""
    names = {"cv2": "opencv-python-headless", "prometheus_client": "prometheus-client",
             "paho": "paho-mqtt", "sqlite_utils": "sqlite-utils",
             "zxingcpp": "zxing-cpp"}  # fmt: skip
    optional = requirements("demo") | requirements("pi")
    brought_along = {"pydantic_core", "markupsafe", "anyio"}  # by pydantic, jinja2 and starlette
    of_the_os = {"gi", "picamera2"}  # lazily, see edge/camera/aravis.py and picamera.py
    allowed = (
        requirements() | optional | brought_along | of_the_os | {"edge", *sys.stdlib_module_names}
    )
    used = {module.split(".")[0] for _, module in imports("edge")}
    assert {names.get(name, name) for name in used} <= allowed


# ---- how large things may grow ----


def functions() -> Iterator[tuple[str, str, int]]:
    for file, node in nodes(*ROOTS):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield file, node.name, node.end_lineno - node.lineno + 1


def test_files_stay_short() -> None:
    lengths = {named(file): len(file.read_text().splitlines()) for file in sources(*ROOTS)}
    assert {file: n for file, n in lengths.items() if n > MAX_FILE_LINES} == {}


def test_functions_stay_short() -> None:
    lengths = list(functions())
    long = {(file, name) for file, name, lines in lengths if lines > MAX_FUNCTION_LINES}
    assert long == LONG_FUNCTIONS
    lines = sorted(lines for _, _, lines in lengths)
    assert statistics.median(lines) <= 10
    assert lines[len(lines) * 9 // 10] <= 30


def test_every_module_says_what_it_is() -> None:
    silent = {
        named(file)
        for file in sources(*ROOTS)
        if tree(file).body and not ast.get_docstring(tree(file))
    }
    assert silent == set()


# ---- habits ----


def test_nothing_is_printed_but_through_click() -> None:
    printed = {
        (file, node.lineno)
        for file, node in nodes(*ROOTS)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    assert printed == set()


def test_click_speaks_only_in_the_command_line() -> None:
    speaking = {file for file, module in imports(*ROOTS) if module.split(".")[0] == "click"}
    outside = {f for f in speaking if "/commands/" not in f and not f.endswith("/__main__.py")}
    assert outside == {"edge/core/cli.py"}


def test_environment_is_read_at_the_door_only() -> None:
    """`runtime` sets one switch of ONNX Runtime before it is loaded; nothing is read there."""
    reading = {
        file
        for file, node in nodes(*ROOTS)
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv")
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    allowed = {"edge/__main__.py", "trainer/__main__.py", "trainer/config.py"}
    assert reading <= {*allowed, "edge/core/runtime.py"}


def test_seams_not_patches() -> None:
    mocked = {(file, m) for file, m in imports(*ROOTS, "tests") if m.startswith("unittest")}
    assert mocked == set()


def test_every_queue_has_a_bound() -> None:
    unbounded = {
        (file, node.lineno)
        for file, node in nodes(*ROOTS)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in ("Queue", "LifoQueue", "PriorityQueue")
        and not node.args
        and not node.keywords
    }
    assert unbounded == set()


def test_broad_excepts_are_rare() -> None:
    """At the top of a thread or a job, or around a library whose errors share no base."""
    swallowing = [
        (file, node.lineno)
        for file, node in nodes(*ROOTS)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    ]
    lines = sum(len(file.read_text().splitlines()) for file in sources(*ROOTS))
    assert len(swallowing) <= lines / 1000, swallowing


# ---- the repository ----


def tracked() -> list[Path]:
    if shutil.which("git") is None or not (REPO / ".git").exists():
        pytest.skip("no git checkout: what is tracked is not known")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], capture_output=True, text=True, check=True, cwd=REPO
    )
    files = [REPO / name for name in listed.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


# Written in two halves, or this file would find itself.
FOREIGN = ("/wo" + "rk/", "/ro" + "ot/", "pypi" + ".org", "python" + "hosted")


def test_repository_names_no_machine_and_no_package_host() -> None:
    found = {
        (named(file), word)
        for file in tracked()
        for word in FOREIGN
        if word.encode() in file.read_bytes()
    }
    assert found == set()


def test_repository_stays_small() -> None:
    """Models are the largest things in it; data never is."""
    large = {named(f): f.stat().st_size for f in tracked() if f.stat().st_size > 4_000_000}
    assert large == {}
    assert sum(file.stat().st_size for file in tracked()) < 40_000_000


def test_no_database_picture_or_log_of_a_run_is_tracked() -> None:
    runs = {named(f) for f in tracked() if f.suffix in (".db", ".log", ".jsonl", ".lock", ".pt")}
    assert runs == set()
