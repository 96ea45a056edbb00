"""How the cameras are, apart from the parts they show: which causes hold, and why.

Each view with a reference region is compared with its reference, frame by frame; each camera's
pixels are watched by the way. Sans-I/O: frames and a person's wishes come in, what holds and what
is to be remembered can be read. Nothing here knows a score or a verdict.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from edge.core.errors import LinegateError
from edge.core.orders import CameraFigures, PixelFigures, ViewFigures
from edge.core.preprocess import Image
from edge.core.recipe import Recipe, ReferenceRegion, View
from edge.watch.patch import PatchFigures, Reference, compare, judge, region_of
from edge.watch.pixels import Pixel, PixelWatch
from edge.watch.reference import FRAMES, StoredReference, made_of

WINDOW = 5  # frames that have a vote
RAISE_AT = 3  # of them beyond a limit raise a cause; none beyond clears it
RECENT = 50  # frames of a camera: a recipe that was not seen for so long has no say

Spot = tuple[str, str]  # recipe and view
_PIXELS: TypeAdapter[frozenset[Pixel]] = TypeAdapter(frozenset[Pixel])


@dataclass(frozen=True, slots=True)
class Remember:
    """What must outlast a restart, if `key` is not None, and a sentence for the record."""

    text: str
    key: str | None = None
    value: str = ""


class Vote:
    """Whether one cause holds for one view. Where a share p of good frames is beyond the limit by
    chance, 6 p^3 of the frames raise it. After a start one bad frame is enough: nothing is known
    yet that speaks for the camera."""

    def __init__(self) -> None:
        self._beyond: deque[bool] = deque([True] * (RAISE_AT - 1), maxlen=WINDOW)
        self.holds = False
        self.detail = ""

    def take(self, problem: str | None) -> None:
        """What one frame says; None: all is well."""
        self._beyond.append(problem is not None)
        self.detail = problem or self.detail
        self.holds = sum(self._beyond) >= (1 if self.holds else RAISE_AT)


@dataclass(slots=True, eq=False)
class _Watched:
    """One view of one recipe."""

    camera: str
    reference: Reference | None
    votes: dict[str, Vote] = field(default_factory=dict)
    figures: ViewFigures | None = None  # of its newest frame
    making: list[Image] | None = None  # regions for a new reference, once a person asked for one
    who: str = ""
    seen_at: int = 0  # counted in frames of its camera
    lacks: dict[str, str] = field(default_factory=dict)  # causes around the reference itself


class CameraHealth:
    def __init__(self, remembered: Mapping[str, str]) -> None:
        """`remembered`: every key and value that a Remember ever asked for; others are ignored."""
        self._remembered = remembered
        self._watched: dict[Spot, _Watched] = {}
        self._frames: Counter[str] = Counter()
        self._pixels: dict[str, PixelWatch] = {}
        self._accepted: dict[str, frozenset[Pixel]] = {}

    def take_reference(self, recipe: Recipe, who: str) -> list[Remember]:
        """A person says that the cameras of this recipe are as they should be: the next frames
        make its references, and the pixels found so far are known and accepted."""
        for view in recipe.views:
            if view.reference is not None:
                watched = self._watch(recipe, view)
                watched.making, watched.who = [], who
                watched.lacks.pop("reference_refused", None)
        cameras = {view.camera for view in recipe.views}
        return [said for camera in sorted(cameras) for said in self._accept(camera, who)]

    def look(self, recipe: Recipe, view: View, image: Image) -> list[Remember]:
        """Take a frame of this view."""
        self._frames[view.camera] += 1
        if view.reference is None:
            return []
        watched = self._watch(recipe, view)
        watched.seen_at = self._frames[view.camera]
        try:
            patch = region_of(image, view.reference)
        except LinegateError as error:
            watched.lacks["camera_unwatched"] = f"recipe {recipe.name}, view {view.name}: {error}"
            watched.figures = None
            return []
        taken = self._make(recipe, view, patch) if watched.making is not None else []
        self._compare(watched, patch, recipe, view)
        return taken

    def look_at_pixels(self, camera: str, frame: Image) -> None:
        """Take a grey frame (H, W). Not every frame needs to come here."""
        self._pixels.setdefault(camera, PixelWatch()).take(frame)

    @property
    def holding(self) -> dict[str, str]:
        """The causes that hold now, each with its detail."""
        found: dict[str, str] = {}
        for (recipe, view), watched in self._watched.items():
            if not self._is_recent(watched):
                continue
            for code, vote in watched.votes.items():
                if vote.holds:
                    found.setdefault(code, f"recipe {recipe}, view {view}: {vote.detail}")
            for code, why in watched.lacks.items():
                found.setdefault(code, why)
        for camera in self._pixels:
            if new := self._new_pixels(camera):
                found.setdefault("camera_pixels", f"camera {camera}: {_told(sorted(new))}")
        return found

    @property
    def figures(self) -> CameraFigures:
        """What is measured now, whether or not it is beyond a limit."""
        watched = [one for one in self._watched.values() if self._is_recent(one)]
        return CameraFigures(
            views=tuple(one.figures for one in watched if one.figures is not None),
            pixels=tuple(
                PixelFigures(
                    camera=name, new=len(self._new_pixels(name)), accepted=len(self._known(name))
                )
                for name, watch in self._pixels.items()
                if watch.saw_all
            ),
        )

    def _is_recent(self, watched: _Watched) -> bool:
        return self._frames[watched.camera] - watched.seen_at <= RECENT

    def _watch(self, recipe: Recipe, view: View) -> _Watched:
        spot = (recipe.name, view.name)
        if spot not in self._watched:
            self._watched[spot] = _Watched(view.camera, self._stored(spot, view))
        return self._watched[spot]

    def _stored(self, spot: Spot, view: View) -> Reference | None:
        text = self._remembered.get(_reference_key(spot))
        try:
            stored = StoredReference.model_validate_json(text or "")
        except ValidationError:  # none, or of another version: a person takes a new one
            return None
        return stored.reference() if stored.fits(view) else None

    def _compare(self, watched: _Watched, patch: Image, recipe: Recipe, view: View) -> None:
        assert view.reference is not None
        watched.lacks.pop("camera_unwatched", None)
        if watched.reference is None:
            where = f"recipe {recipe.name}, view {view.name}"
            watched.lacks["camera_unwatched"] = f"{where} has no reference"
            return
        found = compare(patch, watched.reference)
        watched.figures = _shown(found, watched.reference, view.reference, recipe.name, view)
        for code, problem in judge(found, view.reference).items():
            watched.votes.setdefault(code, Vote()).take(problem)

    def _make(self, recipe: Recipe, view: View, patch: Image) -> list[Remember]:
        """One more region for the new reference; the old one counts until that is good."""
        watched = self._watch(recipe, view)
        assert watched.making is not None and view.reference is not None
        watched.making.append(patch)
        if len(watched.making) < FRAMES:
            return []
        made = made_of(watched.making, view.reference)
        watched.making = None
        where = f"recipe {recipe.name}, view {view.name}"
        if isinstance(made, str):
            watched.lacks["reference_refused"] = f"{where}: {made}"
            return [Remember(f"{where}: no reference for {watched.who}: {made}")]
        watched.reference, watched.votes = made, {}
        stored = StoredReference.of(view, made).model_dump_json()
        text = f"{where}: reference of {FRAMES} frames, taken by {watched.who}"
        return [Remember(text, _reference_key((recipe.name, view.name)), stored)]

    def _accept(self, camera: str, who: str) -> list[Remember]:
        new = self._new_pixels(camera)
        if not new:
            return []
        known = self._accepted[camera] = self._known(camera) | new
        text = f"camera {camera}: faulty pixels accepted by {who}: {_told(sorted(new))}"
        return [Remember(text, _pixels_key(camera), _PIXELS.dump_json(known).decode())]

    def _new_pixels(self, camera: str) -> frozenset[Pixel]:
        found = self._pixels[camera].found if camera in self._pixels else frozenset()
        return found - self._known(camera)

    def _known(self, camera: str) -> frozenset[Pixel]:
        if camera not in self._accepted:
            text = self._remembered.get(_pixels_key(camera), "[]")
            self._accepted[camera] = _PIXELS.validate_json(text)
        return self._accepted[camera]


def _shown(
    found: PatchFigures, reference: Reference, limits: ReferenceRegion, recipe: str, view: View
) -> ViewFigures:
    return ViewFigures(
        recipe=recipe,
        view=view.name,
        camera=view.camera,
        moved_px=round(found.moved_px, 2) if found.is_found else None,
        moved_max_px=limits.moved_max_px,
        sharpness=round(found.sharpness, 3) if found.is_found else None,
        sharpness_min=limits.sharpness_min,
        light=round(found.light, 3),
        light_max=limits.light_max,
        reference_light=round(reference.light, 1),
    )


def _reference_key(spot: Spot) -> str:
    return f"reference:{spot[0]}:{spot[1]}"


def _pixels_key(camera: str) -> str:
    return f"pixels:{camera}"


def _told(pixels: list[Pixel]) -> str:
    some = ", ".join(f"({x}, {y})" for x, y in pixels[:3])
    return f"{len(pixels)} of them, at {some}" + (" ..." if len(pixels) > 3 else "")
