"""What a line engineer writes: read whole, or refused with file, key and what to do."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import StationConfig, load_recipes, load_station
from edge.core.errors import ConfigError
from edge.core.messages import Level
from edge.core.recipe import Recipe, Roi, View, parse_recipe

MINIMAL = """\
state_dir = "state"
[station]
device = "box-1"
[[camera]]
kind = "simulator"
[predict]
models = "models"
[gate]
recipe = "disc"
"""
RECIPE = 'name = "disc"\nmodel = "toy"\n'


@dataclasses.dataclass
class Folder:
    """A station's folder to write wrong files into."""

    path: Path

    def station(self, text: str = MINIMAL, more: str = "") -> StationConfig:
        file = self.path / "station.toml"
        file.write_text(f"{text}{more}")
        return load_station(file)

    def recipe(self, text: str = RECIPE, file: str = "disc.toml") -> None:
        (self.path / "recipes").mkdir(exist_ok=True)
        (self.path / "recipes" / file).write_text(text)

    def refusal(self, text: str = MINIMAL, more: str = "") -> str:
        with pytest.raises(ConfigError) as caught:
            load_recipes(self.station(text, more))
        return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


# ---- station.toml ----


def test_minimal_station_gets_all_defaults(folder: Folder) -> None:
    config = folder.station()
    assert config.station.topic_prefix == "site/area/line/station/vision"
    assert (config.camera[0].name, config.gate.level) == ("main", Level.PARTIAL)
    assert (config.plc.port, config.plc.protocol) == (1883, "3.1.1")
    assert config.page.host == config.predict.http_host == "127.0.0.1"  # nothing is open by default
    assert config.predict.http_port is None


def test_paths_are_relative_to_the_file_wherever_it_is_read_from(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = MINIMAL.replace('kind = "simulator"', 'kind = "replay"').replace(
        "[predict]", '[camera.replay]\nframes = "day.csv"\n[camera.simulator]\n'
        'faults = "faults.json"\nbelt = "belt.json"\n[predict]\nsocket = "p.sock"',
    )  # fmt: skip
    more = 'recipes = "r"\n[plc]\npassword_file = "secret"\n[sync]\npassword_file = "other"\n'
    there = folder.station(text, more)
    monkeypatch.chdir(folder.path)
    here = load_station(Path("station.toml"))
    assert here == there
    base = folder.path
    assert there.state_dir == base / "state"
    assert there.predict.models == base / "models" and there.predict_socket == base / "p.sock"
    assert there.gate.recipes == base / "r"
    assert there.plc.password_file == base / "secret"
    assert there.sync.password_file == base / "other"
    assert there.camera[0].replay is not None
    assert there.camera[0].replay.frames == base / "day.csv"
    assert there.camera[0].simulator.faults == base / "faults.json"
    assert there.camera[0].simulator.belt == base / "belt.json"
    assert there.ledger_path == base / "state" / "ledger.db"


def test_every_path_of_the_configuration_is_made_absolute() -> None:
    """A new path key must be resolved, too: the test above names all there are."""
    paths = {
        f"{kind.__name__}.{name}"
        for kind in _sections(StationConfig)
        for name, field in kind.model_fields.items()
        if "Path" in str(field.annotation)
    }
    assert paths == {
        "StationConfig.state_dir", "Predict.models", "Predict.socket", "Gate.recipes",
        "Plc.password_file", "Sync.password_file", "ReplaySettings.frames",
        "SimulatorSettings.faults", "SimulatorSettings.belt",
    }  # fmt: skip


def _sections(kind: type) -> set[type]:
    found = {kind}
    for field in kind.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if hasattr(part, "model_fields"):
                found |= _sections(part)
    return found


def test_absolute_paths_are_left_alone(folder: Folder) -> None:
    config = folder.station(MINIMAL.replace('"state"', '"/var/lib/linegate"'))
    assert config.state_dir == Path("/var/lib/linegate")


def test_configuration_cannot_be_changed_afterwards() -> None:
    for kind in (*_sections(StationConfig), *_sections(Recipe)):
        assert kind.model_config["frozen"] and kind.model_config["extra"] == "forbid", kind


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("speed = 3\n", "gate.speed: unknown key (see docs/config.md)"),
        ("[plcc]\nport = 1\n", "plcc: unknown key (see docs/config.md)"),
        ("max_in_flight = 0\n", "gate.max_in_flight: "),
        ('max_in_flight = "many"\n', "gate.max_in_flight: "),
        ('level = "automatic"\n', "gate.level: "),
        ("[plc]\nport = 70000\n", "plc.port: "),
        ('[plc]\nprotocol = "4"\n', "plc.protocol: "),
        ("[store]\nwarn_mb = -1\n", "store.warn_mb: "),
        ('[page]\nport = "http"\n', "page.port: "),
    ],
)
def test_wrong_key_is_named_with_its_file(folder: Folder, more: str, said: str) -> None:
    message = folder.refusal(more=more)
    assert message.startswith(f"{folder.path}/station.toml: ")
    assert said in message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('device = "box-1"\n', "", "station.device: Field required"),
        ('device = "box-1"', 'device = "box/1"', "station.device: "),
        ('device = "box-1"', 'device = "b"\nsite = "a/b"', "station.site: "),
        ('device = "box-1"', 'device = "b"\nprefix = "a/+/b"', "station.prefix: "),
        ('device = "box-1"', 'device = "b"\nprefix = "a/b/"', "station.prefix: "),
        ('device = "box-1"', 'device = "b"\nprefix = ""', "station.prefix: "),
        ('kind = "simulator"', 'kind = "webcam"', "camera.0.kind: "),
        ('kind = "simulator"\n', "", "camera.0.kind: Field required"),
        ('kind = "simulator"', 'kind = "replay"', "kind = 'replay' needs [camera.replay]"),
        ('[[camera]]\nkind = "simulator"\n', "", "camera: Field required"),
        ('kind = "simulator"', 'kind = "simulator"\n[[camera]]\nkind = "simulator"',
         "two cameras have the same name: main, main"),
        ("[gate]", "[gate", "not TOML: "),
        ('recipe = "disc"\n', "", "gate.recipe: Field required"),
    ],
)  # fmt: skip
def test_wrong_station_is_refused(folder: Folder, old: str, new: str, said: str) -> None:
    message = folder.refusal(MINIMAL.replace(old, new))
    assert message.startswith(f"{folder.path}/station.toml: ")
    assert said in message
    assert ": :" not in message and "Value error" not in message


def test_all_mistakes_are_told_at_once(folder: Folder) -> None:
    message = folder.refusal(MINIMAL.replace('device = "box-1"', "x = 1"), "y = 2\n")
    assert "station.device: Field required" in message
    assert "station.x: unknown key" in message and "gate.y: unknown key" in message


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"station\.toml: cannot be read: No such file"):
        load_station(tmp_path / "station.toml")


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "station.toml").write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(ConfigError, match=r"station\.toml: not UTF-8 text: save it as UTF-8"):
        load_station(tmp_path / "station.toml")


def test_umlauts_are_read_whatever_the_locale(folder: Folder) -> None:
    text = MINIMAL.replace('device = "box-1"', 'device = "box-1"\nsite = "Köln"')
    (folder.path / "station.toml").write_bytes(text.encode())
    assert load_station(folder.path / "station.toml").station.site == "Köln"


@given(st.text(max_size=200))
def test_any_text_is_refused_or_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError, match=r"any\.toml: "):
        load_station(file)


def test_hash_names_the_settings_and_not_the_layout(folder: Folder) -> None:
    plain = folder.station().sha256
    assert folder.station("# a comment\n\n" + MINIMAL).sha256 == plain
    assert folder.station(more='level = "partial"\n').sha256 == plain  # the default, spelt out
    assert folder.station(more='level = "full"\n').sha256 != plain


# ---- recipes of a station ----


def test_recipes_are_found_by_name(folder: Folder) -> None:
    folder.recipe()
    folder.recipe('name = "cap"\nmodel = "toy"\n', "cap.toml")
    assert set(load_recipes(folder.station())) == {"disc", "cap"}


def test_missing_recipe_says_what_is_there(folder: Folder) -> None:
    assert "gate.recipe is 'disc', but" in (said := folder.refusal())
    assert said.endswith("/recipes holds no *.toml")
    folder.recipe('name = "cap"\nmodel = "toy"\n', "cap.toml")
    assert folder.refusal().endswith("/recipes holds cap")


def test_recipe_through_a_camera_that_is_not_there_is_refused(folder: Folder) -> None:
    folder.recipe(RECIPE + '[[views]]\nname = "side"\ncamera = "left"\n')
    assert folder.refusal() == "recipe 'disc' looks through camera left, the station has main"


def test_two_recipes_of_one_name_are_refused(folder: Folder) -> None:
    folder.recipe()
    folder.recipe(file="second.toml")
    assert folder.refusal().endswith("second.toml: a second recipe is named 'disc'")


def test_recipe_that_cannot_be_read_is_named(folder: Folder) -> None:
    folder.recipe()
    (folder.path / "recipes" / "old.toml").mkdir()
    assert "old.toml: cannot be read: Is a directory" in folder.refusal()


def test_recipe_that_is_no_text_is_named(folder: Folder) -> None:
    folder.recipe()
    (folder.path / "recipes" / "old.toml").write_bytes(b"\xff\xfe")
    assert "old.toml: not UTF-8 text" in folder.refusal()


# ---- one recipe ----


def test_recipe_gets_its_defaults() -> None:
    recipe = parse_recipe(RECIPE, "disc.toml")
    assert recipe.views == (View(name="main", camera="main", roi=None),)
    assert (recipe.version, recipe.deadline_ms, recipe.review_s) == (1, 300, 120.0)
    assert recipe.thresholds.pass_below is None and recipe.thresholds.rework_from is None
    assert recipe.orientation == "fixed"  # nothing is mirrored that nobody allowed


def test_whole_recipe_is_read() -> None:
    recipe = parse_recipe(
        """
        name = "disc"
        version = 3
        model = "toy"
        deadline_ms = 250
        review_s = 30
        frame_lead_ms = 2.5
        orientation = "mirrored"
        [[views]]
        name = "top"
        roi = { x_px = 1, y_px = 2, w_px = 3, h_px = 4 }
        [[views]]
        name = "side"
        camera = "left"
        [quality]
        sharpness_min = 60
        [thresholds]
        pass_below = 0.2
        """,
        "disc.toml",
    )
    assert [view.name for view in recipe.views] == ["top", "side"]
    assert recipe.views[0].roi == Roi(x_px=1, y_px=2, w_px=3, h_px=4)
    assert (recipe.quality.sharpness_min, recipe.thresholds.pass_below) == (60, 0.2)
    assert recipe.orientation == "mirrored"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "disc"\n', "model: Field required"),
        (RECIPE + "speed = 3\n", "speed: unknown key (see docs/config.md)"),
        (RECIPE + "views = []\n", "views: "),
        (RECIPE + '[[views]]\nname = "a"\n[[views]]\nname = "a"\n',
         "two views have the same name: a, a"),
        (RECIPE + "[[views]]\nroi = { x_px = -1, y_px = 0, w_px = 1, h_px = 1 }\n",
         "views.0.roi.x_px: "),
        (RECIPE + "[[views]]\nroi = { x_px = 0, y_px = 0, w_px = 0, h_px = 1 }\n",
         "views.0.roi.w_px: "),
        (RECIPE + "[[views]]\nroi = { x = 0, y = 0, w = 1, h = 1 }\n",
         "views.0.roi.x: unknown key"),
        (RECIPE + "deadline_ms = 5\n", "deadline_ms: "),
        (RECIPE + "review_s = 0\n", "review_s: "),
        (RECIPE + 'orientation = "flipped"\n', "orientation: Input should be 'fixed', 'turned', "),
        (RECIPE + "[thresholds]\npass_below = 1.5\n", "thresholds.pass_below: "),
        (RECIPE + '[quality]\nmean_min = "dark"\n', "quality.mean_min: "),
        (RECIPE.replace("toy", "../toy"), "model: "),
        ("name = \n", "not TOML: "),
        ("", "name: Field required; model: Field required"),
    ],
)  # fmt: skip
def test_wrong_recipe_is_refused_with_file_and_key(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_recipe(text, "recipes/disc.toml")
    assert str(caught.value).startswith("recipes/disc.toml: ")
    assert said in str(caught.value)


def test_recipes_hash_changes_with_every_setting() -> None:
    recipe = parse_recipe(RECIPE, "disc.toml")
    assert parse_recipe("\n# same\n" + RECIPE, "other.toml").sha256 == recipe.sha256
    others = [
        {"version": 2},
        {"deadline_ms": 301},
        {"views": (View(roi=Roi(x_px=0, y_px=0, w_px=9, h_px=9)),)},
        {"thresholds": recipe.thresholds.model_copy(update={"pass_below": 0.1})},
    ]
    hashes = {Recipe.model_validate(recipe.model_dump() | other).sha256 for other in others}
    assert len({recipe.sha256, *hashes}) == 1 + len(others)
