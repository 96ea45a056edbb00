"""Which images to ask which device for, and when again. Soft state: a restart only asks anew.

The trainer sets the pace: it asks for a few pieces of a few images at a time, so neither broker nor
device ever holds more than that for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from edge.core.clock import ns
from edge.core.post import Want
from trainer.ingest.catalog import Catalog, Image

IMAGES_AT_ONCE = 4  # per device
PIECES_AT_ONCE = 16  # per image: 1 MiB
PATIENCE_NS = ns(5_000)
TRIES = 3  # then the others come first
REST_FIRST_S = 10.0  # before such an image is asked for again; doubles up to
REST_MOST_S = 3600.0
ASLEEP_NS = ns(60_000)  # a device that says nothing for so long is not asked
MAX_DEVICES = 1000


@dataclass(slots=True)
class _Asked:
    pieces: set[int]  # on their way
    due_ns: int
    tries: int = 1


class Asking:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._heard_ns: dict[str, int] = {}
        self._asked: dict[str, dict[str, _Asked]] = {}  # device -> sha256

    def heard(self, device: str, now_ns: int) -> None:
        """The device is there; only then it is asked for anything."""
        if device in self._heard_ns or len(self._heard_ns) < MAX_DEVICES:
            self._heard_ns[device] = now_ns

    def arrived(self, device: str, sha256: str, index: int, now_ns: int) -> None:
        """A piece came."""
        asked = self._asked.get(device, {}).get(sha256)
        if asked is not None:
            asked.pieces.discard(index)
            asked.due_ns = now_ns + PATIENCE_NS
            asked.tries = 1

    def finished(self, device: str, sha256: str) -> None:
        """Nothing more is needed of this image, or all of it again."""
        self._asked.get(device, {}).pop(sha256, None)

    def due(self, now_ns: int, now_s: float) -> list[tuple[str, Want]]:
        """What to ask now: (device, want). `now_s` is wall time, for what rests in the catalog."""
        self._forget_sleepers(now_ns)
        return [
            (device, want)
            for device in self._heard_ns
            for want in (*self._again(device, now_ns, now_s), *self._new(device, now_ns, now_s))
        ]

    def _forget_sleepers(self, now_ns: int) -> None:
        asleep = [d for d, heard_ns in self._heard_ns.items() if now_ns - heard_ns >= ASLEEP_NS]
        for device in asleep:
            del self._heard_ns[device]
            self._asked.pop(device, None)

    def _again(self, device: str, now_ns: int, now_s: float) -> Iterable[Want]:
        """The next pieces of images whose pieces came; the missing ones of those that stall."""
        for sha256, asked in list(self._asked.get(device, {}).items()):
            if asked.pieces and now_ns < asked.due_ns:
                continue
            asked.tries += 1 if asked.pieces else 0
            image = self._catalog.image(device, sha256)
            if image is None or image.held:
                self.finished(device, sha256)
            elif asked.tries > TRIES:
                self.finished(device, sha256)
                rest_s = min(REST_FIRST_S * 2 ** min(image.asks, 20), REST_MOST_S)
                self._catalog.ask_later(image, now_s + rest_s)
            else:
                yield self._ask(image, now_ns, asked.tries)

    def _new(self, device: str, now_ns: int, now_s: float) -> Iterable[Want]:
        asked = self._asked.setdefault(device, {})
        if len(asked) >= IMAGES_AT_ONCE:
            return
        for image in self._catalog.wanted(device, now_s, 2 * IMAGES_AT_ONCE):
            if len(asked) < IMAGES_AT_ONCE and image.sha256 not in asked:
                yield self._ask(image, now_ns, tries=1)

    def _ask(self, image: Image, now_ns: int, tries: int) -> Want:
        pieces = image.missing[:PIECES_AT_ONCE]
        asked = _Asked(set(pieces), now_ns + PATIENCE_NS, tries)
        self._asked.setdefault(image.device, {})[image.sha256] = asked
        return Want(sha256=image.sha256, chunks=pieces)
