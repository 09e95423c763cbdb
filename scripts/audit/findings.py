"""What an audit can find: one class for each way in which rows, locks, jobs and bucket can disagree."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from jobpipe.domain.item import StoredItem
from jobpipe.domain.item_rules import name_key
from jobpipe.domain.job import Job


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement, confirmed by consistent reads."""

    kind: ClassVar[str]  # a stable name
    subject: str  # the item, name, job or key that it is about

    @property
    def detail(self) -> str:
        """What disagrees with what."""
        raise NotImplementedError

    @property
    def remedy(self) -> str | None:
        """What a repair would do; None if nothing can be done safely."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class MalformedRow(Finding):
    """A row that is not a valid job, batch, item or lock. What depends on the row is neither judged nor changed."""

    kind = "malformed row"
    table: str  # jobs, items or names
    why: str

    @property
    def detail(self) -> str:
        return f"its row in the {self.table} table cannot be read: {self.why}"

    @property
    def remedy(self) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class DanglingPointer(Finding):
    """An item whose document is not in the bucket, or is there as a deleted version only."""

    kind = "dangling pointer"
    item: StoredItem
    deleted: bool  # the version that the row names is there, under a delete marker

    @property
    def detail(self) -> str:
        state = "is deleted" if self.deleted else "is gone"
        return f"its document {self.item.document.key} {state}"

    @property
    def remedy(self) -> str | None:
        if self.deleted:
            return "undelete the document"
        return None if self.item.inline is None else "put the document anew from the row"


@dataclass(frozen=True, slots=True)
class OrphanDocument(Finding):
    """A document to which no row points and none ever will."""

    kind = "orphan document"
    why: str | None  # why the life of the job that put it is over; None if the key is none of ours
    superseded: bool = False  # whether a job has committed a later document, or the deletion of the item
    only_copy: bool = False  # whether it may be the only document of its item

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
    """A lock on a name that its item does not have."""

    kind = "lock without item"
    holder: str  # the item id in the lock
    item: StoredItem | None  # that item, if it exists

    @property
    def detail(self) -> str:
        state = "does not exist" if self.item is None else f"has the name {self.item.name!r}"
        return f"its item {self.holder} {state}"

    @property
    def remedy(self) -> str | None:
        return "delete the lock"


@dataclass(frozen=True, slots=True)
class ItemWithoutLock(Finding):
    """An item whose name is locked for no item, or for another."""

    kind = "item without lock"
    item: StoredItem
    holder: str | None  # the other item in the lock, which does not have the name

    @property
    def detail(self) -> str:
        state = "is not locked" if self.holder is None else f"is locked by {self.holder}, which has another name"
        return f"its name {self.item.name!r} {state}"

    @property
    def remedy(self) -> str | None:
        return "put the lock" if self.holder is None else "put the lock, when the stale one is deleted"


@dataclass(frozen=True, slots=True)
class NameHeldTwice(Finding):
    """Items that have the same name; which of them should not, only their owner can tell."""

    kind = "name held twice"
    items: tuple[StoredItem, ...]
    holder: str | None  # the item in the lock

    @property
    def detail(self) -> str:
        lock = "not locked" if self.holder is None else f"locked by {self.holder}"
        return f"items {' and '.join(item.item_id for item in self.items)}; {lock}"

    @property
    def remedy(self) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class StuckJob(Finding):
    """An unfinished job that no message will ever end. Its kind tells whether a promise was broken (P1)."""

    job: Job
    traces: str
    seen: datetime = field(compare=False)  # when the audit began that found it
    overdue: bool = False  # it is older than any message can be, whatever the queues hold

    @property
    def detail(self) -> str:
        why = "longer than any message is kept" if self.overdue else "all queues are empty"
        return f"{self.job.status.value} since {self.job.updated_at}, {why}, {self.traces}"

    @property
    def remedy(self) -> str | None:
        return "end it as failed"


@dataclass(frozen=True, slots=True)
class NeverAnswered(StuckJob):
    """Its request was never answered with 202: the API died before it sent the message."""

    kind = "never answered 202"


@dataclass(frozen=True, slots=True)
class Lost(StuckJob):
    """It was accepted, and its message is gone; a large command may still lie in its claim check."""

    kind = "lost"
    claim: str | None = None  # that claim check, the only copy of the command

    @property
    def remedy(self) -> str | None:
        return "end it as failed" + (
            "" if self.claim is None else ", with its claim check, so that it can be retried"
        )


@dataclass(frozen=True, slots=True)
class OrphanClaim(Finding):
    """A claim check of a command that is done with."""

    kind = "orphan claim"
    why: str | None  # None if the key is none of ours

    @property
    def detail(self) -> str:
        return "its key names no job" if self.why is None else self.why

    @property
    def remedy(self) -> str | None:
        return None if self.why is None else "delete it"


@dataclass(frozen=True, slots=True)
class MissingClaim(Finding):
    """A failed job whose command, kept for a retry, is not in the bucket."""

    kind = "missing claim"
    job: Job
    key: str
    deleted: bool  # it is there, under a delete marker

    @property
    def detail(self) -> str:
        return f"its claim check {self.key} {'is deleted' if self.deleted else 'is gone'}, so it cannot be retried"

    @property
    def remedy(self) -> str | None:
        return "undelete the claim check" if self.deleted else None


KINDS: tuple[type[Finding], ...] = (
    MalformedRow,
    DanglingPointer,
    OrphanDocument,
    LockWithoutItem,
    ItemWithoutLock,
    NameHeldTwice,
    NeverAnswered,
    Lost,
    OrphanClaim,
    MissingClaim,
)
"""In the order of audit and repair: a stale lock has to go before the right one can be put."""


def has_name(item: StoredItem | None, name: str) -> bool:
    """Whether the item is there and should hold the lock of this name."""
    return item is not None and name_key(item.name) == name
