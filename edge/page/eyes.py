"""What a person may see of a part. Everything that the page shows has gone through `for_eyes`."""

from dataclasses import replace

from edge.core.automation import permit
from edge.core.records import InspectionRecord
from edge.store.rows import Inspection


def for_eyes(inspection: Inspection) -> Inspection:
    """The inspection without score, opinion and heatmap, where its level keeps them from people.

    Who must judge unswayed (human, shadow) never gets them, not even afterwards: a late review of
    such a part counts as unswayed, too.
    """
    if permit(inspection.level).shows_score:
        return inspection
    record = InspectionRecord.model_validate_json(inspection.body)
    blind = record.model_copy(
        update={
            "score": None,
            "opinion": None,
            "views": tuple(view.model_copy(update={"score": None}) for view in record.views),
        }
    )
    return replace(
        inspection,
        score=None,
        opinion=None,
        answer=None,
        body=blind.model_dump_json(),
        images=tuple(image for image in inspection.images if image.key.kind == "frame"),
    )


def sees_score(inspection: Inspection) -> bool:
    """Whether a person who judges this part has seen the model's score."""
    return permit(inspection.level).shows_score and inspection.score is not None
