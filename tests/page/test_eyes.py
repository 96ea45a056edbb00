"""At the levels human and shadow no score, no opinion and no heatmap leaves the box."""

import re

import numpy as np
import pytest

from edge.core.messages import Level, Verdict

SCORE = 0.73519
BLIND = (Level.HUMAN, Level.SHADOW)


def everything(site, inspection_id):
    """All that a browser or a script can read about the part."""
    paths = ["/", f"/parts/{inspection_id}", "/api/parts", f"/api/parts/{inspection_id}"]
    return "\n".join(site.get(path) for path in [*paths, "/api/status"])


def leaks(text, heat_sha256):
    """What of the model's opinion stands in the text."""
    signs = {
        "score": r"0\.735",
        "heatmap": heat_sha256,
        "overlay": r'class="heat"',
        "opinion": r"would reject|opinion\W+rework",
    }
    return {name for name, sign in signs.items() if re.search(sign, text)}


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("verdict", [Verdict.REVIEW, Verdict.REWORK, Verdict.PASS])
def test_blind_levels_show_nothing_of_the_model(site, plant, level, verdict):
    inspection_id = plant.part(verdict, level, score=SCORE, opinion=Verdict.REWORK)
    (heat,) = [i for i in plant.reader.images_of(inspection_id) if i.key.kind == "heatmap"]
    found = leaks(everything(site, inspection_id), heat.sha256)
    status = site.ask("GET", f"/images/{heat.sha256}.png")[0]
    if level in BLIND:
        assert found == set()
        assert status == 404
    else:  # the same search finds everything where it may be seen
        assert found == {"score", "heatmap", "overlay", "opinion"}
        assert status == 200


@pytest.mark.parametrize("level", list(Level))
def test_gate_is_told_whether_the_person_saw_the_score(site, plant, gate, level):
    site.post("/reviews", inspection_id=plant.part(Verdict.REVIEW, level), verdict="pass")
    (order,) = gate.received
    assert order.saw_score is (level not in BLIND)


def test_a_part_without_score_was_not_seen_with_one(site, plant, gate):
    inspection_id = plant.part(Verdict.REVIEW, Level.ASSIST, score=None)
    site.post("/reviews", inspection_id=inspection_id, verdict="pass")
    assert gate.received[0].saw_score is False


def test_same_picture_at_two_levels_stays_visible_where_it_may_be(site, plant):
    blank = np.zeros((14, 14), np.uint8)
    hidden = plant.part(level=Level.SHADOW, heat=blank)
    (heat,) = [i for i in plant.reader.images_of(hidden) if i.key.kind == "heatmap"]
    assert site.ask("GET", f"/images/{heat.sha256}.png")[0] == 404
    plant.part(level=Level.PARTIAL, heat=blank)
    assert site.ask("GET", f"/images/{heat.sha256}.png")[0] == 200
