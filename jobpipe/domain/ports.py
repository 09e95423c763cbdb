"""What the two Lambdas need of their stores. AWS implements it, and so do the tests' stores in memory.

Every read here is consistent but the list of jobs in trouble: it sees all that was written before it.
Any method may raise Unavailable: the store did not answer, and whether a write took effect is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from jobpipe.domain.backlog import Backlog
from jobpipe.domain.batch import Batch
from jobpipe.domain.errors import Problem, ProblemError
from jobpipe.domain.item import Change, DocumentRef, ItemPage, StoredItem
from jobpipe.domain.job import Job, JobPage, KeptCommand, Status, Success
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.queue_message import Envelope


class JobStore(Protocol):
    """The jobs table. A write for a life of a job that is over, or for a job that is gone, raises JobEnded."""

    def put_new(self, job: Job, at: datetime) -> Job | None:
        """Store the job, unless a live one has its id: then that one is returned and nothing is stored."""

    def get(self, job_id: str) -> Job | None:
        """The job, expired or not."""

    def failed_or_retrying(
        self, owner: str, status: Status, limit: int, after: str | None, at: datetime
    ) -> JobPage:
        """The owner's failed or retrying jobs, latest first, without their commands; it may be a moment behind.

        Those that have expired are left out, so a page may have fewer than `limit`, and yet a next one.
        """

    def begin_attempt(self, ref: JobRef, charged: int, at: datetime) -> None:
        """Note, before it starts, the attempt that follows `charged` ones."""

    def record_interruption(
        self, ref: JobRef, problem: Problem, charged: int, interruptions: int, at: datetime
    ) -> None:
        """Between two attempts: what interrupted the last one, how many count, how often it was put off."""

    def succeed(self, ref: JobRef, success: Success, at: datetime) -> None:
        """End the job without any change to an item."""

    def fail(
        self, ref: JobRef, problem: Problem, at: datetime, kept: KeptCommand | None = None, *, attempt: bool = True
    ) -> None:
        """End the job as failed; `attempt`: whether an attempt of the worker ended with it."""

    def cancel(self, ref: JobRef, at: datetime) -> Job:
        """End the job as cancelled."""

    def requeue(self, ref: JobRef, retry_of: str, at: datetime) -> Job:
        """Begin the life `ref` of a job that failed in the life `retry_of`; again the same is no error."""


class BatchStore(Protocol):
    """The rows of batches, in the jobs table beside those of their jobs."""

    def put_new(self, batch: Batch, jobs: Sequence[Job], at: datetime) -> Batch | None:
        """Store it and its first `batch.stored` jobs, all or nothing.

        Unless a live one has its id: then that one is returned and nothing is stored.
        """

    def put_rest(self, batch: Batch, jobs: Sequence[Job]) -> bool:
        """Store the jobs that did not go with it, all or nothing; False if another request has stored them."""

    def get(self, batch_id: str) -> Batch | None:
        """The batch, expired or not."""

    def jobs(self, job_ids: Sequence[str]) -> Mapping[str, Job]:
        """Those of one batch that there are, by their ids, expired or not; without results and kept commands."""


class ItemStore(Protocol):
    """The items table, the name locks, and the transaction that binds them to a job."""

    def get(self, item_id: str) -> StoredItem | None: ...

    def page(self, limit: int, after: str | None) -> ItemPage:
        """Up to `limit` items, in an order that is stable but means nothing."""

    def commit(self, change: Change, ref: JobRef, success: Success, at: datetime) -> None:
        """The item, its name lock and the end of the job, all or nothing; a CommitRefused says why nothing."""


class DocumentStore(Protocol):
    """The documents bucket: documents of items, and claim checks."""

    def put(self, key: str, text: str) -> DocumentRef:
        """Store the text as an object version, which a deletion leaves; Unavailable while versioning is off."""

    def get(self, ref: DocumentRef) -> tuple[DocumentRef, str] | None:
        """The document as it was put, even if it was deleted since; None when the bucket keeps it no longer.

        Keys are written once. Should a put have been repeated on its way, what lies under the key is the same; the
        reference that comes with it is that of the version that was read.
        """

    def get_by_key(self, key: str) -> str | None:
        """What lies under the key now."""

    def delete(self, keys: Iterable[str]) -> None: ...

    def keys(self, prefix: str) -> list[str]: ...


class CommandQueue(Protocol):
    """The FIFO queue of commands, for those who send."""

    def send(self, envelope: Envelope) -> None:
        """Put it on the queue of commands; when this returns, it will be delivered."""


class BatchQueue(CommandQueue, Protocol):
    """The same, for those who send many."""

    def send_batch(self, envelopes: Sequence[Envelope]) -> Mapping[str, ProblemError]:
        """Put up to ten on the queue, each of another group; by deduplication id why one is not there.

        When this returns, the others will be delivered.
        """


class BacklogGauge(Protocol):
    """What is on the queues, for whoever watches."""

    def read(self) -> Backlog:
        """How much there is now; the counts may be some seconds old, the age a minute or two."""


class ReceivedMessages(Protocol):
    """The FIFO queue of commands, for those who receive."""

    def delete(self, receipts: Sequence[str]) -> None:
        """Delete the messages, by their receipt handles."""

    def postpone(self, receipts: Sequence[tuple[str, int]]) -> None:
        """Let each message, by its receipt handle, come again in so many seconds."""


class ParkedMessages(Protocol):
    """The queue of what is no command of ours, for a person to look at."""

    def park(self, body: str, about: dict[str, str]) -> None:
        """Keep the body as it was; `about` says why, and where it came from."""
