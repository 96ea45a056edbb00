"""The memory that pictures are lent in: gone when it is let go of, whoever still knows it."""

import os
from pathlib import Path

import numpy as np

from edge.predict.frames import Slot


def descriptors() -> int:
    """Of shared memory, in this process."""
    names = (os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
    return sum(name.startswith("/memfd:frame") for name in names)


def test_closed_slot_holds_no_descriptor_though_an_error_still_knows_it() -> None:
    before = descriptors()
    known = [Slot.create(1000) for _ in range(5)]
    assert descriptors() > before
    for slot in known:
        slot.close()
    assert descriptors() == before


def test_closed_slot_that_is_looked_into_stays_readable() -> None:
    slot = Slot.create(4)
    slot.put(memoryview(bytes([1, 2, 3, 4])))
    image = slot.image((2, 2))
    slot.close()
    assert np.array_equal(image, [[1, 2], [3, 4]])
