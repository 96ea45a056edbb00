"""Image files: exact, durable, swept."""

import os
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge.core.errors import NotDurable, StoreError
from edge.store.ballast import Ballast
from edge.store.images import SWEEP_GRACE_S, ImageStore, durable_write

SHAPES = st.one_of(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)),
)


@pytest.fixture
def store(tmp_path) -> ImageStore:
    return ImageStore(tmp_path / "images")


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (48, 64, 3), np.uint8)


@settings(max_examples=50, deadline=None)
@given(image=SHAPES.flatmap(lambda shape: arrays(np.uint8, shape)))
def test_image_comes_back_to_the_bit(tmp_path_factory, image):
    store = ImageStore(tmp_path_factory.mktemp("images"))
    kept = store.keep(image)
    again = store.load(kept.sha256)
    assert again.dtype == np.uint8
    assert np.array_equal(again, image)


def test_file_is_named_by_its_hash_in_a_folder_of_two_digits(store, noise):
    kept = store.keep(noise)
    assert kept.path == store.folder / kept.sha256[:2] / f"{kept.sha256}.png"
    assert kept.bytes == kept.path.stat().st_size == len(store.read(kept.sha256))


def test_same_image_is_written_once(store, noise):
    first = store.keep(noise)
    written = first.path.stat().st_mtime_ns
    assert store.keep(noise) == first
    assert first.path.stat().st_mtime_ns == written


def test_damaged_file_is_refused(store, noise):
    kept = store.keep(noise)
    kept.path.write_bytes(kept.path.read_bytes()[:-1])
    with pytest.raises(StoreError, match="is damaged"):
        store.load(kept.sha256)


def test_missing_file_is_said_to_be_gone(store):
    with pytest.raises(StoreError, match="is gone"):
        store.read("ab" * 32)


def test_failed_write_leaves_the_old_file_and_no_temp(tmp_path):
    folder = tmp_path / "full"
    folder.mkdir()
    path = folder / "name"
    durable_write(path, b"old")
    with pytest.raises(TypeError):
        durable_write(path, "not bytes")  # type: ignore[arg-type]
    assert [file.name for file in folder.iterdir()] == ["name"]
    assert path.read_bytes() == b"old"


def test_disk_that_refuses_is_not_durable(tmp_path, noise):
    (tmp_path / "images").write_bytes(b"a file where the folder should be")
    with pytest.raises(NotDurable, match="cannot be written"):
        ImageStore(tmp_path / "images").keep(noise)


def test_sweep_clears_temps_and_orphans_but_nothing_young_named_or_foreign(store, clock):
    def put(name: str, age_s: float) -> None:
        path = store.folder / "ab" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        then = clock.now().timestamp() - age_s
        os.utime(path, (then, then))

    old, ancient = SWEEP_GRACE_S + 1, 10 * SWEEP_GRACE_S
    put("orphan.png", old)
    put("named.png", old)
    put("young.png", SWEEP_GRACE_S - 1)
    put(".half.png.1-1.tmp", old)
    put(".writing.png.1-1.tmp", 1)
    put("earlier_ledger.png", ancient)
    began = clock.now() - timedelta(seconds=ancient - 1)
    swept = store.sweep(lambda names: frozenset(names) & {"named"}, began, clock.now())
    assert (swept.temps, swept.orphans) == (1, 1)
    left = {file.name for file in (store.folder / "ab").iterdir()}
    assert left == {"named.png", "young.png", ".writing.png.1-1.tmp", "earlier_ledger.png"}


def test_sweep_of_a_new_station_finds_nothing(store, clock):
    swept = store.sweep(lambda names: frozenset(), clock.now(), clock.now())
    assert (swept.temps, swept.orphans) == (0, 0)


def test_ballast_takes_real_room_and_gives_it_back(tmp_path):
    path = tmp_path / "ballast"
    ballast = Ballast(path, 100_000)
    assert ballast.ensure()
    assert path.stat().st_blocks * 512 >= 100_000  # not a sparse file
    assert ballast.ensure()
    ballast.release()
    ballast.release()
    assert not path.exists()


def test_ballast_that_finds_no_room_leaves_nothing(tmp_path):
    ballast = Ballast(tmp_path / "ballast", 1 << 60)
    assert not ballast.ensure()
    assert list(tmp_path.iterdir()) == []
