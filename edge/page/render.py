"""Templates in, HTML out. Everything is escaped; nothing here decides what may be seen."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from edge.core.orders import CameraFigures
from edge.page import words
from edge.page.camera_view import cameras_view
from edge.page.live import Fragments
from edge.page.look import Look
from edge.page.station_view import station_view
from edge.page.views import Setting, card, question

HERE = Path(__file__).parent
NO_PARTS = "No part yet. The next one that the PLC announces appears here."
NO_REWORKS = "No rework in the last 24 hours."


def code(text: str) -> Markup:
    """A sentence with its `commands` set off."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


class Renderer:
    """`fixed` is what every template may use: station, token, process, zone."""

    def __init__(self, setting: Setting, fixed: dict[str, Any]) -> None:
        self._setting = setting
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.globals.update(fixed, levels=words.LEVELS)
        self._templates.filters["code"] = code

    def page(self, template: str, **values: Any) -> str:
        return self._templates.get_template(template).render(values)

    def fragments(self, look: Look) -> Fragments:
        """The parts of the first page that live updates replace, by the id of their element."""
        setting = self._setting
        state = station_view(look.gate.status, look.gate.away, setting.zone)
        questions = tuple(question(part, setting) for part in look.waiting)
        newest = tuple(card(part, setting) for part in look.newest)
        reworks = tuple(card(part, setting) for part in look.reworks)
        away = look.gate.status is None
        figures = look.gate.status.camera_figures if look.gate.status else CameraFigures()
        problem = look.problem and f"No records: {look.problem}"
        return {
            "state": self.page("_state.html", state=state),
            "queue": self.page(
                "_queue.html",
                questions=questions,
                waiting=look.n_waiting,
                away=away,
            ),
            "reworks": self._cards("rework", reworks, problem or NO_REWORKS),
            "newest": self._cards("part", newest, problem or NO_PARTS),
            "counts": self.page("_counts.html", counts=look.counts, problem=problem),
            "cameras": self.page("_cameras.html", cameras=cameras_view(figures), away=away),
        }

    def _cards(self, name: str, cards: tuple[Any, ...], nothing: str) -> str:
        return self.page("_cards.html", name=name, cards=cards, nothing=nothing)
