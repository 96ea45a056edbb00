"""Frame ids: gaps are counted, wrapping is none."""

from hypothesis import given
from hypothesis import strategies as st

from edge.camera.frame_ids import FrameIds


def id_of(n: int, start: int) -> int:
    """The 16-bit id of frame n, if frame 0 has `start`: 1 to 65535, and again."""
    return (start - 1 + n) % 65535 + 1


@given(
    start=st.integers(1, 65535),
    gaps=st.lists(st.integers(0, 300), min_size=1, max_size=400),
)
def test_gaps_are_counted_across_the_wrap(start: int, gaps: list[int]) -> None:
    ids, n = FrameIds(), 0
    assert ids.take(id_of(0, start)) == 0
    for gap in gaps:
        n += gap + 1
        assert ids.take(id_of(n, start)) == gap
    assert ids.missed == sum(gaps) and ids.seq == n + 1


@given(start=st.integers(2**16, 2**48), gaps=st.lists(st.integers(0, 100_000), max_size=50))
def test_wide_ids_pass_as_they_are(start: int, gaps: list[int]) -> None:
    ids, now = FrameIds(), start
    ids.take(now)
    for gap in gaps:
        now += gap + 1
        assert ids.take(now) == gap


def test_same_frame_again_stands() -> None:
    ids = FrameIds()
    ids.take(65401)
    assert ids.take(65401) == 0 and ids.seq == 1


@given(
    start=st.integers(1, 65535),
    frames=st.lists(st.sampled_from(["whole", "lost", "headless"]), max_size=100),
    data=st.data(),
)
def test_frame_without_an_id_of_its_own_counts_as_one(
    start: int, frames: list[str], data: st.DataObject
) -> None:
    """Headless, it has 0 or an older frame's. After a whole one all are accounted for."""
    ids, arrived, whole = FrameIds(), 1, [id_of(0, start)]
    ids.take(whole[0])
    for n, kind in enumerate(frames, 1):
        if kind == "headless":
            ids.take(data.draw(st.sampled_from([0, *whole[:-1]])))
        elif kind == "whole":
            whole.append(id_of(n, start))
            ids.take(whole[-1])
            assert ids.seq == n + 1
        arrived += kind != "lost"
    assert ids.missed + arrived == ids.seq
