"""The model asked once more, by ourselves: about the very pictures by which parts have passed."""

from collections.abc import Mapping
from random import Random

from edge.camera.parts import number_of
from edge.config import load_recipes
from edge.core.messages import Verdict
from edge.core.records import InspectionRecord
from edge.demo.station import DemoStation
from edge.predict.bundle import Bundle, read_bundle
from edge.predict.session import ModelSession
from edge.simulate.pictures import Pictures
from edge.store.reader import LedgerReader
from soak.books import Key

AGAIN = 300  # passed parts, taken at random: none wrong bounds the share below 1 % (95 %)


def records_of(station: DemoStation) -> tuple[dict[Key, InspectionRecord], Bundle]:
    """The ledger's last word about each part, and the model that judged."""
    rows = LedgerReader(station.config.ledger_path).newest(10_000_000)
    records = {
        (row.part_id, row.plc_seq): InspectionRecord.model_validate_json(row.body) for row in rows
    }
    return records, read_bundle(station.config.predict.models / "demo")


def rejudge(
    station: DemoStation, model: Bundle, records: Mapping[Key, InspectionRecord], rng: Random
) -> dict[Key, float | None]:
    """The score of each part's own picture, drawn again; None where the record names another."""
    recipe = load_recipes(station.config)[station.config.gate.recipe]
    settings = station.config.camera[0].simulator
    pictures = Pictures(settings, model.manifest.face, recipe.views[0].roi)
    session = ModelSession(model.model, model.manifest)
    passed = [key for key, record in records.items() if record.verdict is Verdict.PASS]
    again: dict[Key, float | None] = {}
    for key in rng.sample(passed, min(AGAIN, len(passed))):
        number, record = number_of(key[0]), records[key]
        own = pictures.shows(record, number)
        exposure = record.views[0].frame_seq
        assert exposure is not None or not own
        again[key] = session.score(pictures.tensor(number, exposure)) if own else None
    return again
