"""Planted bugs: with each of them a row of the tables turns red on a real station."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from faults.camera_table import FAULTS as CAMERA
from faults.fault import Fault, play
from faults.judge import Meanwhile
from faults.plc_table import FAULTS as PLC
from faults.rig import Rig

from edge.core.messages import By, Verdict

pytestmark = [pytest.mark.system, pytest.mark.slow]


def named(faults: tuple[Fault, ...], beginning: str) -> Fault:
    return next(fault for fault in faults if fault.broken.startswith(beginning))


def test_recipe_that_looks_at_no_frame_is_found_when_the_camera_is_black(
    station: Callable[[], Rig],
) -> None:
    black = named(CAMERA, "camera black")
    told = play(station(), replace(black, says="", recipe="careless"))
    assert any("parts passed while it was broken" in said for said in told.complaints)


def test_missing_cause_is_found(station: Callable[[], Rig]) -> None:
    silent = named(PLC, "PLC silent")
    told = play(station(), replace(silent, breaks=lambda rig: None, notice_s=1.0))
    assert told.complaints == ("nobody was told of 'the PLC does not echo verdicts'",)


def test_second_verdict_from_another_gate_is_found(station: Callable[[], Rig]) -> None:
    def pass_the_last_part(rig: Rig) -> None:
        """As a second gate on the same topics would, which has seen nothing."""
        last = rig.sent[-1]
        forged = {
            "v": 1, "part_id": last.part_id, "seq": last.seq, "inspection_id": "another",
            "verdict": Verdict.PASS, "by": By.MODEL, "latency_ms": 1.0, "recipe": "disc",
            "valid_until": "2099-01-01T00:00:00Z",
        }  # fmt: skip
        rig.say(rig.line.topics.verdict, json.dumps(forged).encode())

    fault = Fault(
        "planted", "a second gate", pass_the_last_part, with_each=pass_the_last_part,
        meanwhile=Meanwhile.SOME_PASS,
    )  # fmt: skip
    told = play(station(), fault)
    assert any("unsafe_pass" in said for said in told.complaints)
