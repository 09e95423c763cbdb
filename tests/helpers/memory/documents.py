"""Items, the documents of collections with their look-ups, and the objects of the documents bucket, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from jobpipe.domain.documents.collection import Registry
from jobpipe.domain.documents.item import (
    Change,
    Created,
    DocumentRef,
    IndexPage,
    ItemPage,
    MalformedItem,
    Removed,
    Replaced,
    StoredItem,
)
from jobpipe.domain.documents.item_rules import name_key
from jobpipe.domain.errors import ItemChanged, ValueLocked
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Success
from tests.helpers.memory.jobs import MemoryJobs


class MemoryItems:
    """CollectionStore for one collection in one scope."""

    def __init__(self, jobs: MemoryJobs) -> None:
        self.jobs = jobs
        self.rows: dict[str, StoredItem] = {}
        self.names: dict[str, str] = {}  # the ids of items by the keys of their names
        self.locks: dict[str, str] = {}  # the ids of documents by their unique values
        self.malformed: set[str] = set()  # ids of rows that cannot be read as items, as after a manual edit

    def get(self, item_id: str) -> StoredItem | None:
        return self.rows.get(item_id)

    def page(self, limit: int, after: str | None) -> ItemPage:
        ids = sorted(each for each in {*self.rows, *self.malformed} if after is None or each > after)
        shown = ids[:limit]
        items = [MalformedItem(each) if each in self.malformed else self.rows[each] for each in shown]
        return ItemPage(items, shown[-1] if len(ids) > limit else None)

    def holder(self, value_key: str) -> str | None:
        return self.locks.get(value_key)

    def list_with_value(self, value_key: str, limit: int, after: str | None) -> IndexPage:
        entries = sorted(
            (
                (f"{row.updated_at}#{row.item_id}", row)
                for row in self.rows.values()
                if value_key in row.entries.values()
            ),
            key=lambda entry: entry[0],
            reverse=True,
        )
        left = [(entry, row) for entry, row in entries if after is None or entry < after]
        return IndexPage([row for _, row in left[:limit]], left[limit - 1][0] if len(left) > limit else None)

    def commit(self, change: Change, ref: JobRef, success: Success, at: datetime) -> None:
        with self.jobs.lock:
            job = self.jobs.succeeded(ref, success, at)
            self.apply(change)
            self.jobs.write(job)

    def apply(self, change: Change | None, passed: Sequence[StoredItem] = ()) -> None:
        """Change row and locks, all or nothing; the values of the versions `passed` must be free too."""
        for version in passed:
            for held, kind in _LOCKS:
                for field_name, value in kind(version).items():
                    if getattr(self, held).get(value, version.item_id) != version.item_id:
                        raise ValueLocked(field_name, getattr(self, held)[value])
        match change:
            case Created(new):
                self._require(new.item_id not in self.rows)
                self._lock(None, new)
                self.rows[new.item_id] = new
            case Replaced(old, new):
                self._require_version(old)
                self._lock(old, new)
                self.rows[new.item_id] = new
            case Removed(old):
                self._require_version(old)
                self._lock(old, None)
                del self.rows[old.item_id]
            case None:
                self._require(not passed or passed[0].item_id not in self.rows)

    def _require(self, holds: bool) -> None:
        if not holds:
            raise ItemChanged

    def _require_version(self, old: StoredItem) -> None:
        stored = self.rows.get(old.item_id)
        self._require(stored is not None and stored.version == old.version)

    def _lock(self, old: StoredItem | None, new: StoredItem | None) -> None:
        """Exchange the locks, all or nothing; an item has its name's, a document those of its unique fields."""
        for held, kind in ((self.names, _names), (self.locks, _unique_values)):
            before, after = kind(old), kind(new)
            for field_name, value in after.items():
                if new is not None and held.get(value, new.item_id) != new.item_id:
                    raise ValueLocked(field_name, held[value])
            for value in before.values():
                del held[value]
            for value in after.values():
                assert new is not None
                held[value] = new.item_id


def _names(item: StoredItem | None) -> dict[str, str]:
    return {"name": name_key(item.name)} if item is not None and item.name else {}


def _unique_values(item: StoredItem | None) -> dict[str, str]:
    return dict(item.locks) if item is not None else {}


_LOCKS: tuple[tuple[str, Callable[[StoredItem | None], dict[str, str]]], ...] = (
    ("names", _names),
    ("locks", _unique_values),
)


class MemoryCollections:
    """Opens the store of each collection in each scope."""

    def __init__(self, jobs: MemoryJobs) -> None:
        self._jobs = jobs
        self.opened: dict[tuple[str, str], MemoryItems] = {}
        self.building: set[tuple[str, str]] = set()  # collections and fields whose look-ups are not ready

    def open(self, collection: str, scope: str) -> MemoryItems:
        return self.opened.setdefault((collection, scope), MemoryItems(self._jobs))


@dataclass
class MemoryIndexStates:
    """IndexStates: everything is ready that is not being built."""

    registry: Registry
    collections: MemoryCollections

    def ready(self, collection: str) -> frozenset[str]:
        declared = self.registry.get(collection)
        assert declared is not None
        fields = (*declared.unique, *declared.indexes)
        return frozenset(each for each in fields if (collection, each) not in self.collections.building)


class MemoryDocuments:
    """DocumentStore, versioned."""

    def __init__(self) -> None:
        self.current: dict[str, str] = {}
        self.latest: dict[str, str] = {}  # ids of the current versions
        self.versions: dict[tuple[str, str], str] = {}

    def put(self, key: str, text: str) -> DocumentRef:
        version_id = f"v{len(self.versions)}"
        self.current[key] = text
        self.latest[key] = version_id
        self.versions[key, version_id] = text
        return DocumentRef(key, version_id)

    def get(self, ref: DocumentRef) -> tuple[DocumentRef, str] | None:
        text = self.versions.get((ref.key, ref.version_id))
        if text is not None:
            return ref, text
        current = self.current.get(ref.key)
        return None if current is None else (DocumentRef(ref.key, self.latest[ref.key]), current)

    def get_by_key(self, key: str) -> str | None:
        return self.current.get(key)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.current.pop(key, None)

    def delete_together(self, keys: Sequence[str]) -> set[str]:
        for key in keys:
            self.current.pop(key, None)
        return set()

    def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.current if key.startswith(prefix))
