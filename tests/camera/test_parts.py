import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera.parts import KINDS, defect_of, number_of, part_id, truth_of
from edge.config import SimulatorSettings


@given(st.integers(0, 10**12 - 1))
def test_id_of_a_simulated_part_leads_back_to_its_number(number):
    assert number_of(part_id(number)) == number


@given(st.text(min_size=1))
def test_foreign_id_has_a_stable_number(text):
    assert number_of(text) == number_of(text) >= 0


def test_truth_is_the_same_in_another_process():
    code = (
        "from edge.camera.parts import truth_of; from edge.config import SimulatorSettings;"
        "print([truth_of(SimulatorSettings(seed=5), f'SIM-{n:06d}') for n in range(40)])"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    here = [truth_of(SimulatorSettings(seed=5), part_id(n)) for n in range(40)]
    assert there.stdout.strip() == repr(here)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_share_of_defects_is_what_was_set(share):
    settings = SimulatorSettings(defect_share=share)
    found = sum(truth_of(settings, part_id(n)).defective for n in range(2000))
    assert abs(found / 2000 - share) < 0.03


def test_larger_share_keeps_the_defects_of_the_smaller():
    few, many = SimulatorSettings(defect_share=0.1), SimulatorSettings(defect_share=0.4)
    for number in range(500):
        defect = defect_of(few, number)
        assert defect is None or defect == defect_of(many, number)


def test_all_kinds_occur_and_in_all_views():
    settings = SimulatorSettings(defect_share=1.0, views=("top", "left", "right"))
    defects = [defect_of(settings, n) for n in range(600)]
    assert {d.kind for d in defects if d} == set(KINDS)
    assert {d.view for d in defects if d} == {"top", "left", "right"}


def test_seeds_give_other_parts():
    one, two = (
        SimulatorSettings(seed=1, defect_share=0.5),
        SimulatorSettings(seed=2, defect_share=0.5),
    )
    assert [defect_of(one, n) for n in range(50)] != [defect_of(two, n) for n in range(50)]


def test_negative_seed_is_fine():
    assert truth_of(SimulatorSettings(seed=-3), "SIM-000001").lot == "lot000"


def test_lots_follow_each_other():
    lots = [truth_of(SimulatorSettings(), part_id(n)).lot for n in (0, 249, 250, 500)]
    assert lots == ["lot000", "lot000", "lot001", "lot002"]
