"""What the two Lambdas need of their stores. AWS implements it, and so do the tests' stores in memory.

Every read here is consistent: it sees all that was written before it.
Any method may raise Unavailable: the store did not answer, and whether a write took effect is not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from jobpipe.errors import Problem
from jobpipe.item import Change, DocumentRef, ItemPage, StoredItem
from jobpipe.job import Job, Success
from jobpipe.job_ref import JobRef
from jobpipe.queue_message import Envelope


class JobStore(Protocol):
    """The jobs table."""

    def put_new(self, job: Job, at: datetime) -> Job | None:
        """Store the job, unless a live one has its id: then that one is returned and nothing is stored."""

    def get(self, job_id: str) -> Job | None:
        """The job, expired or not."""

    def succeed(self, ref: JobRef, success: Success, at: datetime) -> None:
        """End the job without any change to an item, else JobEnded."""

    def fail(self, ref: JobRef, problem: Problem, at: datetime) -> None:
        """End the job as failed, else JobEnded."""


class ItemStore(Protocol):
    """The items table, the name locks, and the transaction that binds them to a job."""

    def get(self, item_id: str) -> StoredItem | None: ...

    def page(self, limit: int, after: str | None) -> ItemPage:
        """Up to `limit` items, in an order that is stable but means nothing."""

    def commit(self, change: Change, ref: JobRef, success: Success, at: datetime) -> None:
        """The item, its name lock and the end of the job, all or nothing; a CommitRefused says why nothing."""


class DocumentStore(Protocol):
    """The documents bucket."""

    def put(self, key: str, text: str) -> DocumentRef: ...

    def get(self, ref: DocumentRef) -> str | None:
        """The document as it was put, even if it was deleted since; None when the bucket keeps it no longer."""

    def delete(self, keys: Iterable[str]) -> None: ...

    def keys(self, prefix: str) -> list[str]: ...


class CommandQueue(Protocol):
    """The FIFO queue of commands."""

    def send(self, envelope: Envelope) -> None:
        """Put it on the queue of commands; when this returns, it will be delivered."""
