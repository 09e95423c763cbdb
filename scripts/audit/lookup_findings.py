"""The findings about look-ups: the locks and index entries of documents of collections other than items."""

from __future__ import annotations

from dataclasses import dataclass

from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.documents.item_ref import ItemRef
from scripts.audit.findings import Finding, subject_of


@dataclass(frozen=True, slots=True)
class LockWithoutDocument(Finding):
    """A unique value is locked for a document that does not exist, or has another value."""

    kind = "lock without document"
    remedy = "delete the lock"
    holder: ItemRef
    item: StoredItem | None

    @property
    def detail(self) -> str:
        state = "does not exist" if self.item is None else "does not have this value"
        return f"its document {subject_of(self.holder)} {state}"


@dataclass(frozen=True, slots=True)
class DocumentWithoutLock(Finding):
    """A unique value of a document is not locked, or is locked for another document."""

    kind = "document without lock"
    ref: ItemRef
    item: StoredItem
    value_key: str
    holder: ItemRef | None  # the other document in the lock, which does not have the value

    @property
    def detail(self) -> str:
        if self.holder is None:
            return f"its value {self.value_key!r} is not locked"
        return f"its value {self.value_key!r} is locked by {subject_of(self.holder)}, which has another value"

    @property
    def remedy(self) -> str:
        return "put the lock" if self.holder is None else "put the lock, when the stale one is deleted"


@dataclass(frozen=True, slots=True)
class ValueHeldTwice(Finding):
    """Several documents have the same unique value. Only their owner can say which document to change."""

    kind = "value held twice"
    documents: tuple[ItemRef, ...]
    holder: ItemRef | None  # the document in the lock

    @property
    def detail(self) -> str:
        lock = "not locked" if self.holder is None else f"locked by {subject_of(self.holder)}"
        return f"documents {' and '.join(map(subject_of, self.documents))}; {lock}"


@dataclass(frozen=True, slots=True)
class StaleEntry(Finding):
    """An index has an entry for a value or a time of change that its document does not have."""

    kind = "stale index entry"
    remedy = "delete the entry"
    ref: ItemRef
    item: StoredItem | None
    value_key: str
    at: str  # the time in the entry

    @property
    def detail(self) -> str:
        state = "does not exist" if self.item is None else "has another value or was changed at another time"
        return f"its document {subject_of(self.ref)} {state}"


@dataclass(frozen=True, slots=True)
class MissingEntry(Finding):
    """A document records a value of an indexed field without an index entry, so look-ups do not find it."""

    kind = "missing index entry"
    remedy = "put the entry"
    ref: ItemRef
    item: StoredItem
    value_key: str

    @property
    def detail(self) -> str:
        return f"its value {self.value_key!r} has no index entry"


LookupFinding = LockWithoutDocument | DocumentWithoutLock | ValueHeldTwice | StaleEntry | MissingEntry
