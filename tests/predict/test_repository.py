import shutil

import pytest
from bundles import make_bundle

from edge.core.errors import ModelRefused
from edge.predict.repository import Repository


def _no_trial(bundle):
    """Most of these tests ask what happens around the trial."""


@pytest.fixture
def models(tmp_path):
    make_bundle(tmp_path / "toy-1")
    make_bundle(tmp_path / "other-1", name="other")
    return tmp_path


def test_first_loading_loads_the_newest_of_each_name(models):
    make_bundle(models / "toy-2", version=2)
    repository = Repository(models, 1, _no_trial)
    assert not repository.is_ready
    repository.load_all()
    assert repository.is_ready
    assert repository.get("toy").manifest.version == 2
    assert repository.get("toy", "1") is None
    assert repository.get("other", "1") is not None


def test_one_refused_bundle_does_not_stop_the_others_and_has_its_reason(models):
    def trial(bundle):
        if bundle.manifest.name == "other":
            raise ModelRefused("it hangs")

    repository = Repository(models, 1, trial)
    repository.load_all()
    assert repository.is_ready
    assert repository.refused == {"other-1": "it hangs"}
    lines = {state.name: state for state in repository.index()}
    assert lines["toy"].ready
    assert (lines["other"].ready, lines["other"].reason) == (False, "it hangs")


def test_without_any_model_the_repository_is_settled_but_not_ready(tmp_path):
    repository = Repository(tmp_path / "empty", 1, _no_trial)
    repository.load_all()
    assert not repository.is_ready
    assert repository.index() == []


def test_new_version_is_loaded_beside_the_old_one_and_the_oldest_goes(models):
    repository = Repository(models, 1, _no_trial)
    repository.load_all()
    for version in (2, 3):
        make_bundle(models / f"toy-{version}", version=version)
        repository.load("toy")
    assert repository.versions("toy") == ["2", "3"]
    assert repository.get("toy").manifest.version == 3
    assert repository.get("toy", "2").manifest.version == 2


def test_refused_new_version_leaves_the_old_one_in_service(models):
    repository = Repository(models, 1, _no_trial)
    repository.load_all()
    make_bundle(models / "toy-2", version=2, kind="wrong_shape")
    with pytest.raises(ModelRefused, match="heatmap"):
        repository.load("toy")
    assert repository.get("toy").manifest.version == 1
    assert "heatmap" in repository.refused["toy-2"]


def test_loading_what_is_loaded_costs_no_second_trial(models):
    tried = []
    repository = Repository(models, 1, lambda bundle: tried.append(bundle.manifest.label))
    repository.load("toy")
    repository.load("toy")
    assert tried == ["toy-1"]


def test_exchanged_file_of_the_same_version_is_loaded_again(models):
    repository = Repository(models, 1, _no_trial)
    repository.load("toy")
    shutil.rmtree(models / "toy-1")
    manifest = make_bundle(models / "toy-1", kind="nan")
    repository.load("toy")
    assert repository.get("toy").manifest.sha256 == manifest.sha256


@pytest.mark.parametrize("name", ["nope", "../toy-1", "/etc", "toy-1", ""])
def test_names_that_are_no_bundle_of_the_folder_are_refused(models, name):
    with pytest.raises(ModelRefused, match="there are: other, toy"):
        Repository(models, 1, _no_trial).load(name)


@pytest.mark.parametrize("version", ["2", "-1", "1.0", "x", "٣", "9" * 5000])
def test_versions_that_are_not_loaded_are_none(models, version):
    repository = Repository(models, 1, _no_trial)
    repository.load("toy")
    assert repository.get("toy", version) is None


def test_unloaded_model_is_gone_and_can_come_back(models):
    repository = Repository(models, 1, _no_trial)
    repository.load_all()
    assert repository.unload("toy")
    assert repository.get("toy") is None
    assert not repository.unload("toy")
    repository.load("toy")
    assert repository.get("toy") is not None
