"""What people order through the page: their name, their verdicts, the level of automation."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from edge.core.errors import LinegateError
from edge.core.messages import Level, Verdict
from edge.core.orders import Answer, Order, ReviewOrder, SetLevelOrder
from edge.page import words
from edge.page.eyes import sees_score
from edge.page.gate_word import Orders
from edge.page.guard import Refused
from edge.page.look import Watcher

NAME_COOKIE = "linegate_name"
NAME_KEPT_S = 12 * 3600  # a shift
MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Said:
    """What became of an order. `tone`: good, late (recorded only) or bad (not carried out)."""

    tone: str
    sentence: str
    status: int
    in_time: bool | None = None


class NameMissing(Refused):
    def __init__(self) -> None:
        super().__init__(422, "First say who you are, at the top of the page.")


def clean_name(text: str) -> str:
    """Raises Refused if it is no name that can be recorded."""
    name = " ".join(text.split())
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise Refused(422, f"Say who you are: a name of 1 to {MAX_NAME} letters.")
    return name


def name_of(request: Request) -> str | None:
    """The name this screen was told, or None."""
    try:
        return clean_name(unquote(request.cookies.get(NAME_COOKIE, "")))
    except Refused:
        return None


def remember_name(response: Response, name: str) -> None:
    response.set_cookie(
        NAME_COOKIE, quote(name), max_age=NAME_KEPT_S, httponly=True, samesite="strict"
    )


def review(
    orders: Orders, watcher: Watcher, inspection_id: str, verdict: str, who: str | None
) -> Said:
    """A person's verdict. Raises Refused if it cannot be meant, StoreError without a ledger."""
    if who is None:
        raise NameMissing
    inspection = watcher.part(inspection_id)
    if inspection is None:
        raise Refused(404, "There is no such part.")
    order = _review_order(inspection_id, verdict, who, sees_score(inspection))
    answer = _ask(orders, order)
    if not answer.ok:
        return _not_carried_out(answer)
    tone = "good" if answer.in_time else "late"
    sentence = words.said(inspection.part_id, order.verdict, answer.in_time)
    return Said(tone, sentence, 200, bool(answer.in_time))


def change_level(orders: Orders, level: str, who: str | None) -> Said:
    """Raises Refused if it cannot be meant, NameMissing if going up needs to know who."""
    if level not in set(Level):
        raise Refused(422, "Choose one of the levels.")
    answer = _ask(orders, SetLevelOrder(level=Level(level), who=who))
    if not answer.ok and who is None:
        raise NameMissing
    if not answer.ok:
        return _not_carried_out(answer)
    chosen = words.LEVELS[Level(level)]
    return Said("good", f"The level is now {chosen.name}: {chosen.short}.", 200)


def _review_order(inspection_id: str, verdict: str, who: str, saw_score: bool) -> ReviewOrder:
    if verdict not in (Verdict.PASS, Verdict.REWORK):
        raise Refused(422, "A verdict is pass or rework.")
    try:
        return ReviewOrder.model_validate(
            {
                "inspection_id": inspection_id,
                "verdict": verdict,
                "who": who,
                "saw_score": saw_score,
            }
        )
    except ValidationError as error:
        raise Refused(422, error.errors(include_url=False)[0]["msg"]) from error


def _ask(orders: Orders, order: Order) -> Answer:
    try:
        return orders(order)
    except LinegateError as error:
        return Answer(ok=False, error=str(error))


def _not_carried_out(answer: Answer) -> Said:
    why = answer.error or "it gave no reason"
    return Said("bad", f"Not carried out. The gate says: {why}", 503)
