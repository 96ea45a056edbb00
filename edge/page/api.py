"""The JSON beside the HTML: the same facts, through the same eyes (docs/page.md)."""

import json
import re
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.core.messages import Verdict
from edge.core.records import ReviewRecord
from edge.page.gate_word import Orders
from edge.page.guard import Refused
from edge.page.live import Live
from edge.page.look import Watcher
from edge.page.people import clean_name, review
from edge.store.rows import Inspection, KeptImage

MAX_PARTS = 200


def api_routes(watcher: Watcher, orders: Orders, live: Live, token: str) -> list[Route]:
    def status(request: Request) -> Response:
        word = watcher.gate.word()
        shown = word.status.model_dump(mode="json", exclude={"counters"}) if word.status else None
        return JSONResponse({"gate": shown, "away": word.away, "token": token})

    def parts(request: Request) -> Response:
        serial = request.query_params.get("serial")
        if serial is not None:
            found = watcher.attempts(serial)[::-1]
        else:
            found = watcher.newest(_limit(request.query_params.get("limit", "20")))
        return JSONResponse({"parts": [part_json(part) for part in found]})

    def part(request: Request) -> Response:
        found = watcher.part(request.path_params["inspection_id"])
        if found is None:
            raise Refused(404, "There is no such part.")
        reviews = watcher.reviews(found.inspection_id)
        return JSONResponse(detail_json(found, reviews, watcher.delivered(found.inspection_id)))

    async def post_review(request: Request) -> Response:
        body = _review_body(await request.body())
        who = clean_name(body.who)
        said = await run_in_threadpool(
            review, orders, watcher, body.inspection_id, body.verdict, who
        )
        await live.show_now()
        answer = {"ok": said.tone != "bad", "in_time": said.in_time, "sentence": said.sentence}
        return JSONResponse(answer, said.status)

    return [
        Route("/api/status", status),
        Route("/api/parts", parts),
        Route("/api/parts/{inspection_id}", part),
        Route("/api/reviews", post_review, methods=["POST"]),
    ]


def part_json(part: Inspection) -> dict[str, Any]:
    """One part in short. Expects that `for_eyes` has been applied."""
    return {
        "inspection_id": part.inspection_id,
        "part_id": part.part_id,
        "seq": part.plc_seq,
        "serial": part.serial,
        "lot": part.lot,
        "recipe": part.recipe,
        "level": part.level,
        "triggered_at": part.opened_at.isoformat(),
        "verdict": part.verdict,
        "by": part.by,
        "reasons": part.reasons,
        "score": part.score,
        "latency_ms": part.latency_ms,
        "model": part.model,
        "waiting": part.verdict is Verdict.REVIEW,
        "images": [_image_json(image) for image in part.images if image.pruned_at is None],
    }


def detail_json(
    part: Inspection, reviews: tuple[ReviewRecord, ...], delivered: bool | None
) -> dict[str, Any]:
    """One part with its whole record, its reviews, and the three words."""
    return part_json(part) | {
        "record": json.loads(part.body) if part.verdict else None,
        "reviews": [review.model_dump(mode="json") for review in reviews],
        "decided": part.verdict is not None,
        "durable": part.closed_at is not None,
        "delivered": delivered,
        "plc_echoed": part.plc_acked,
    }


def _image_json(image: KeptImage) -> dict[str, str]:
    url = f"/images/{image.sha256}.png"
    return {"view": image.key.view, "kind": image.key.kind, "url": url}


def _limit(text: str) -> int:
    limit = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
    if not 1 <= limit <= MAX_PARTS:
        raise Refused(422, f"limit must be a whole number from 1 to {MAX_PARTS}.")
    return limit


class _ReviewBody(BaseModel):
    inspection_id: str
    verdict: str
    who: str


def _review_body(body: bytes) -> _ReviewBody:
    try:
        return _ReviewBody.model_validate_json(body)
    except ValidationError as error:
        raise Refused(
            422, "Send a JSON object with the strings inspection_id, verdict and who."
        ) from error
