"""The ledger as the post sees it: records by number, image files by hash; read-only."""

from pathlib import Path

from edge.core.errors import StoreError
from edge.store.images import ImageStore
from edge.store.reader import Extent, LedgerReader
from edge.sync.events import RecordsRead


class LedgerTail:
    """Works while there is no ledger yet: then there is nothing to send."""

    def __init__(self, ledger: Path, images: Path) -> None:
        self._reader = LedgerReader(ledger)
        self._images = ImageStore(images)

    def extent(self) -> Extent | None:
        """Epoch and newest seq; None while the gate has not begun its ledger."""
        try:
            return self._reader.extent()
        except (StoreError, KeyError):  # no file, no table or no epoch yet
            return None

    def read(self, epoch: str, first: int, last: int) -> RecordsRead:
        """About as many records from `first` to `last` as one message holds.

        Raises StoreError if the ledger cannot be read, or is no longer the one of this epoch.
        """
        found = self._reader.records_after(first - 1)
        if self._reader.extent().epoch != epoch:
            raise StoreError("the ledger was replaced while it was read")
        through = min(last, found[-1].seq) if found else last
        return RecordsRead(epoch, first, through, tuple(r for r in found if r.seq <= last))

    def image_path(self, sha256: str) -> Path:
        return self._images.path(sha256)
