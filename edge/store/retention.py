"""What is kept how long: which images go when the quota is full or the disk runs low.

`plan` is pure; `Retention` carries it out. A row goes first, then its file.

| free disk below   | mode         | what goes, oldest first                                |
|-------------------|--------------|--------------------------------------------------------|
| `warn_mb`         | WARN         | nothing; the station says so                           |
| `prune_mb`        | PRUNE        | passes that nobody is owed                             |
| `stop_images_mb`  | STOP_IMAGES  | reworks and reviews too; passes are no longer kept     |
| `records_only_mb` | RECORDS_ONLY | what the trainer is still owed, too, with an alarm;    |
|                   |              | no image is kept, the ballast is released              |

Whatever the disk says, the images never take more than `images_mb`: over it, they go in the same
order. One pass of sixteen, by its hash, is thinned out last, so that long stretches stay visible.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import structlog

from edge.config import Store
from edge.core.clock import Clock
from edge.core.messages import Verdict
from edge.core.records import AlarmRecord, EventRecord
from edge.store.ballast import Ballast
from edge.store.images import ImageStore
from edge.store.reader import LedgerReader
from edge.store.rows import KeptImage
from edge.store.writes import AddAlarm, AddEvent, PruneImages, Write

log = structlog.get_logger()

_BATCH = 500  # images of a class that one run looks at
_MB = 1024 * 1024


class Mode(IntEnum):
    """How the disk stands; the higher, the less is kept."""

    NORMAL = 0
    WARN = 1
    PRUNE = 2
    STOP_IMAGES = 3
    RECORDS_ONLY = 4


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image that could go. `owed`: the trainer should have it and has not said that it does."""

    image: KeptImage
    owed: bool


class Tier(IntEnum):
    """In which order images go."""

    PASS = 0
    PASS_SAMPLE = 1  # one pass of sixteen
    EVIDENCE = 2  # reworks and reviews
    OWED_PASS = 3
    OWED_EVIDENCE = 4


_LAST_TIER = {  # that may go because the disk runs low
    Mode.PRUNE: Tier.PASS_SAMPLE,
    Mode.STOP_IMAGES: Tier.EVIDENCE,
    Mode.RECORDS_ONLY: Tier.OWED_EVIDENCE,
}


@dataclass(frozen=True, slots=True)
class Plan:
    mode: Mode
    prune: tuple[Candidate, ...]

    @property
    def owed(self) -> tuple[Candidate, ...]:
        """Those that the trainer will never get: only with an alarm."""
        return tuple(candidate for candidate in self.prune if candidate.owed)


def mode_of(free_bytes: int, limits: Store) -> Mode:
    floors = (
        (limits.records_only_mb, Mode.RECORDS_ONLY),
        (limits.stop_images_mb, Mode.STOP_IMAGES),
        (limits.prune_mb, Mode.PRUNE),
        (limits.warn_mb, Mode.WARN),
    )
    return next((mode for floor_mb, mode in floors if free_bytes < floor_mb * _MB), Mode.NORMAL)


def tier_of(candidate: Candidate) -> Tier:
    if candidate.image.image_class is not Verdict.PASS:
        return Tier.OWED_EVIDENCE if candidate.owed else Tier.EVIDENCE
    if candidate.owed:
        return Tier.OWED_PASS
    return Tier.PASS_SAMPLE if candidate.image.sha256[0] == "0" else Tier.PASS


def plan(free_bytes: int, image_bytes: int, limits: Store, candidates: Sequence[Candidate]) -> Plan:
    """Choose the fewest images, in the order of their tiers and oldest first, that bring the
    images below the quota and the disk above the floor of pruning."""
    mode = mode_of(free_bytes, limits)
    over_quota = image_bytes - limits.images_mb * _MB
    short_of_room = limits.prune_mb * _MB - free_bytes
    freed, chosen = 0, []
    for candidate in sorted(candidates, key=lambda c: (tier_of(c), c.image.at)):
        may_make_room = tier_of(candidate) <= _LAST_TIER.get(mode, -1)
        if freed >= (max(over_quota, short_of_room) if may_make_room else over_quota):
            break
        chosen.append(candidate)
        freed += candidate.image.bytes
    return Plan(mode, tuple(chosen))


class Retention:
    """Keeps the disk within its limits. One thread runs it, the one that keeps images."""

    def __init__(
        self,
        store: ImageStore,
        reader: LedgerReader,
        commit: Callable[[Sequence[Write]], object],
        limits: Store,
        ballast: Ballast,
        free_bytes: Callable[[], int],
        delivered: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        """`commit` returns when the writes are durable, or raises NotDurable (Writer.commit);
        `free_bytes` tells how the disk of the state directory stands;
        `delivered` tells whether the trainer has the image of this sha256."""
        self.mode = Mode.NORMAL
        self._store = store
        self._reader = reader
        self._commit = commit
        self._limits = limits
        self._ballast = ballast
        self._free_bytes = free_bytes
        self._delivered = delivered
        self._clock = clock
        self._alarmed = False

    def run(self) -> Plan:
        """Look at the disk and prune one batch. Raises StoreError if the ledger cannot be read
        or does not take it: then nothing was deleted."""
        free_bytes = self._free_bytes()
        self._enter(mode_of(free_bytes, self._limits), free_bytes)
        image_bytes = self._reader.image_bytes()
        crowded = self.mode >= Mode.PRUNE or image_bytes > self._limits.images_mb * _MB
        candidates = self._candidates() if crowded else []
        todo = plan(free_bytes, image_bytes, self._limits, candidates)
        if todo.prune:
            self._prune(todo)
        elif self._alarmed and not crowded:
            self._commit([self._alarm(0, raised=False)])
            self._alarmed = False
        return todo

    def _enter(self, mode: Mode, free_bytes: int) -> None:
        """The ballast goes first: on a full disk nothing else can be done."""
        if mode is Mode.RECORDS_ONLY:
            self._ballast.release()
        elif mode <= Mode.WARN:
            self._ballast.ensure()
        if mode is not self.mode:
            self.mode = mode
            free_mb = free_bytes // _MB
            text = f"{free_mb} MB of the disk are free: {mode.name.lower()}"
            event = EventRecord(code="disk", text=text, at=self._clock.now())
            log.warning("disk", mode=mode.name, free_mb=free_mb)
            self._commit([AddEvent(event)])

    def _candidates(self) -> list[Candidate]:
        return [
            Candidate(image, owed=image.send and not self._delivered(image.sha256))
            for image_class in Verdict
            for image in self._reader.oldest_images(image_class, _BATCH)
        ]

    def _prune(self, todo: Plan) -> None:
        keys = tuple(candidate.image.key for candidate in todo.prune)
        writes: list[Write] = [PruneImages(keys, self._clock.now())]
        if todo.owed:
            writes.append(self._alarm(len(todo.owed), raised=True))
            self._alarmed = True
        self._commit(writes)
        sha256s = {candidate.image.sha256 for candidate in todo.prune}
        removed = self._store.remove(sha256s - self._reader.named(sha256s))
        log.info("images pruned", images=len(keys), files=removed, owed=len(todo.owed))

    def _alarm(self, lost: int, raised: bool) -> AddAlarm:
        cause = f"{lost} images had to be deleted before the trainer had them: no room was left"
        return AddAlarm(
            AlarmRecord(
                code="pruned_undelivered",
                cause=cause if raised else "there is room for images again",
                action="bring the trainer back, or give the station a larger disk or quota",
                raised=raised,
                at=self._clock.now(),
            )
        )
