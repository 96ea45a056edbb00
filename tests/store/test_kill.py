"""SIGKILL at random moments: what was acknowledged is there, nothing is there by half."""

import random

import pytest
from store.victims import RECORDS_OF_A_GROUP, Victims, half_groups, is_sound

from edge.store.reader import LedgerReader

KILLS = 25


@pytest.mark.system
def test_killed_writer_loses_nothing_acknowledged_and_leaves_nothing_half(victims: Victims, path):
    seed = random.randrange(10**6)
    delays = random.Random(seed)
    for _ in range(KILLS):
        acknowledged = victims.stop_one(path, "whole", delays.uniform(0, 0.05))
        assert half_groups(path) == [], f"seed {seed}"
        reader = LedgerReader(path)
        assert reader.inspection(f"i-{acknowledged}") is not None
        assert reader.record_count() == reader.extent().last_seq
        assert reader.record_count() >= RECORDS_OF_A_GROUP * acknowledged
        assert is_sound(path)


@pytest.mark.system
def test_planted_bug_leaves_half_groups(victims: Victims, path):
    """A ledger whose writes commit one by one must be caught, else the test above proves nothing.
    (That synchronous=FULL is needed, only a power cut can show: test_power_cut.py.)"""
    delays = random.Random(1)
    assert any(
        victims.stop_one(path, "torn", delays.uniform(0, 0.05)) and half_groups(path)
        for _ in range(KILLS)
    )
