"""The findings of an audit, with a class for each way in which rows, locks, jobs and the bucket can disagree."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.documents.item_ref import ITEMS, ItemRef
from jobpipe.domain.documents.item_rules import name_key
from jobpipe.domain.jobs.job import Job


@dataclass(frozen=True, slots=True)
class Finding:
    """A disagreement that consistent reads have confirmed."""

    kind: ClassVar[str]  # a stable name, part of the JSON output
    subject: str  # the id of the item or job, the name, or the key

    @property
    def detail(self) -> str:
        """A text on what disagrees."""
        raise NotImplementedError

    @property
    def remedy(self) -> str | None:
        """A text on what a repair does, or None if nothing can be done safely."""
        return None


@dataclass(frozen=True, slots=True)
class MalformedRow(Finding):
    """A row is not a valid job, batch, item or lock. Data that depends on the row is neither judged nor changed."""

    kind = "malformed row"
    table: str  # jobs, items, names, collections or lookups
    why: str

    @property
    def detail(self) -> str:
        return f"its row in the {self.table} table cannot be read: {self.why}"


@dataclass(frozen=True, slots=True)
class DanglingPointer(Finding):
    """The document of a row is not in the bucket, or only as a deleted version."""

    kind = "dangling pointer"
    ref: ItemRef
    item: StoredItem
    deleted: bool  # whether the version that the row names exists under a delete marker

    @property
    def detail(self) -> str:
        state = "is deleted" if self.deleted else "is gone"
        return f"its document {self.item.document.key} {state}"

    @property
    def remedy(self) -> str | None:
        if self.deleted:
            return "undelete the document"
        return None if self.item.inline is None else "put the document again from the row"


@dataclass(frozen=True, slots=True)
class OrphanDocument(Finding):
    """No row refers to a document, and none ever will."""

    kind = "orphan document"
    why: str | None  # why its job can no longer commit it; None if the key has an unknown form
    superseded: bool = False  # whether a job has committed a later document, or the deletion of the item
    only_copy: bool = False  # whether the document may be the only document of its item

    @property
    def detail(self) -> str:
        if self.why is None:
            return "its key names no item and job"
        last = "; it may be the only copy of its item" if self.only_copy else ""
        return f"no row points to it, {self.why}{last}"

    @property
    def remedy(self) -> str | None:
        return None if self.why is None or self.only_copy else "delete it"


@dataclass(frozen=True, slots=True)
class LockWithoutItem(Finding):
    """A name is locked for an item that does not exist, or has another name."""

    kind = "lock without item"
    remedy = "delete the lock"
    holder: str  # the item's id in the lock
    item: StoredItem | None

    @property
    def detail(self) -> str:
        state = "does not exist" if self.item is None else f"has the name {self.item.name!r}"
        return f"its item {self.holder} {state}"


@dataclass(frozen=True, slots=True)
class ItemWithoutLock(Finding):
    """The name of an item is not locked, or is locked for another item."""

    kind = "item without lock"
    item: StoredItem
    holder: str | None  # the other item in the lock, which does not have the name

    @property
    def detail(self) -> str:
        state = "is not locked" if self.holder is None else f"is locked by {self.holder}, which has another name"
        return f"its name {self.item.name!r} {state}"

    @property
    def remedy(self) -> str:
        return "put the lock" if self.holder is None else "put the lock, when the stale one is deleted"


@dataclass(frozen=True, slots=True)
class NameHeldTwice(Finding):
    """Several items have the same name. Only their owner can say which item to rename."""

    kind = "name held twice"
    items: tuple[StoredItem, ...]
    holder: str | None  # the item in the lock

    @property
    def detail(self) -> str:
        lock = "not locked" if self.holder is None else f"locked by {self.holder}"
        return f"items {' and '.join(item.item_id for item in self.items)}; {lock}"


@dataclass(frozen=True, slots=True)
class StuckJob(Finding):
    """No message will ever end an unfinished job."""

    job: Job
    traces: str  # a text on what is known about its message
    seen: datetime = field(compare=False)  # when the audit that found the job began
    overdue: bool = False  # whether the job is older than any message can be, whatever is in the queues

    @property
    def detail(self) -> str:
        why = "longer than any message is kept" if self.overdue else "all queues are empty"
        return f"{self.job.status.value} since {self.job.updated_at}, {why}, {self.traces}"

    @property
    def remedy(self) -> str:
        return "end it as failed"


@dataclass(frozen=True, slots=True)
class NeverAnswered(StuckJob):
    """The request of a stuck job was never answered with 202: the API died before it sent the message."""

    kind = "never answered 202"


@dataclass(frozen=True, slots=True)
class NeverStored(StuckJob):
    """The request of a scheduled job was never answered with 202: the API died before it stored the command."""

    kind = "never stored"

    @property
    def detail(self) -> str:
        return f"scheduled for {self.job.not_before}, and {self.traces}"


@dataclass(frozen=True, slots=True)
class Overdue(Finding):
    """A scheduled job was not released at its time."""

    kind = "overdue"
    job: Job

    @property
    def detail(self) -> str:
        return f"scheduled for {self.job.not_before}, and not released since"


@dataclass(frozen=True, slots=True)
class Lost(StuckJob):
    """The command of a stuck job was accepted, but its message was lost: a broken promise."""

    kind = "lost"
    claim: str | None = None  # the key of the claim check with the command, if there is one

    @property
    def remedy(self) -> str:
        with_claim = "" if self.claim is None else ", with its claim check, so that it can be retried"
        return f"end it as failed{with_claim}"


@dataclass(frozen=True, slots=True)
class OrphanClaim(Finding):
    """A claim check that no job needs any more."""

    kind = "orphan claim"
    why: str | None  # None if the key has an unknown form

    @property
    def detail(self) -> str:
        return "its key names no job" if self.why is None else self.why

    @property
    def remedy(self) -> str | None:
        return None if self.why is None else "delete it"


@dataclass(frozen=True, slots=True)
class MissingClaim(Finding):
    """A failed job keeps its command in a claim check that is not in the bucket."""

    kind = "missing claim"
    job: Job
    key: str
    deleted: bool  # whether the claim check exists under a delete marker

    @property
    def detail(self) -> str:
        return f"its claim check {self.key} {'is deleted' if self.deleted else 'is gone'}, so it cannot be retried"

    @property
    def remedy(self) -> str | None:
        return "undelete the claim check" if self.deleted else None


def subject_of(ref: ItemRef) -> str:
    """Return how a finding names a document: an item by its id, others also by collection and scope."""
    return (
        ref.item_id if ref.collection == ITEMS else "/".join(filter(None, (ref.collection, ref.scope, ref.item_id)))
    )


def has_name(item: StoredItem | None, name: str) -> bool:
    """Return whether the item exists and should hold the lock of this name."""
    return item is not None and name_key(item.name) == name
