"""The stores and queues that the two Lambdas need, implemented on AWS and, for tests, in memory.

Every read is consistent, except the lists of jobs. Any method may raise Unavailable: the store did not respond, and
it is not known whether a write took effect. Times are datetimes in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from jobpipe.domain.jobs.job_filter import EVERY_JOB, JobFilter

if TYPE_CHECKING:  # so that starts stay short
    from jobpipe.domain.backlog import Backlog
    from jobpipe.domain.documents.item import Change, DocumentRef, IndexPage, ItemPage, StoredItem
    from jobpipe.domain.documents.item_ref import ItemRef
    from jobpipe.domain.errors import CommitRefused, Problem, ProblemError
    from jobpipe.domain.job_ref import JobRef
    from jobpipe.domain.jobs.batch import Batch
    from jobpipe.domain.jobs.group import Unit, Unsettled
    from jobpipe.domain.jobs.job import Job, JobPage, KeptCommand, Status, Success
    from jobpipe.domain.jobs.queue_message import Envelope
    from jobpipe.domain.jobs.scheduled import DueEntry, DuePage


class JobStore(Protocol):
    """The jobs table. A write to an ended generation of a job, or to a job that does not exist, raises JobEnded."""

    def put_new(self, job: Job, at: datetime) -> Job | None:
        """Store the job, unless an unexpired job has its id: then return that job and store nothing."""

    def get(self, job_id: str) -> Job | None:
        """Return the job, expired or not."""

    def list_jobs(
        self,
        owner: str,
        status: Status,
        limit: int,
        after: str | None,
        at: datetime,
        *,
        job_filter: JobFilter = EVERY_JOB,
    ) -> JobPage:
        """Return the owner's scheduled, failed or retrying jobs, latest first, without their commands.

        Expired jobs are left out, so a page with fewer than `limit` jobs is not always the last one.
        """

    def list_jobs_of_all_owners(
        self, status: Status, limit: int, after: str | None, at: datetime, *, job_filter: JobFilter = EVERY_JOB
    ) -> JobPage:
        """Return failed or retrying jobs of all owners, in no particular order; a page may be short here, too."""

    def begin_attempt(self, ref: JobRef, charged: int, at: datetime) -> None:
        """Record the start of attempt number `charged + 1`."""

    def record_interruption(
        self,
        ref: JobRef,
        problem: Problem,
        charged: int,
        interruptions: int,
        at: datetime,
        *,
        label: str | None = None,
    ) -> None:
        """Mark the job as retrying, with the problem and the numbers of charged attempts and interruptions."""

    def succeed(self, ref: JobRef, success: Success, at: datetime) -> None:
        """End the job as succeeded, without changing an item."""

    def fail(
        self,
        ref: JobRef,
        problem: Problem,
        at: datetime,
        kept: KeptCommand | None = None,
        *,
        charge_attempt: bool = True,
        label: str | None = None,
    ) -> None:
        """End the job as failed; `charge_attempt` says whether to count the attempt that ended it.

        `label` is the label of the document.
        """

    def cancel(self, ref: JobRef, at: datetime, *, make_due: bool = False) -> Job:
        """End the job as cancelled and return it.

        With `make_due`, a scheduled job stays in the index of due jobs as due now, so that the release deletes its
        command from the bucket and announces its end.
        """

    def requeue(self, ref: JobRef, retry_of: str, at: datetime, *, not_after: str | None = None) -> Job:
        """Queue the job that failed in generation `retry_of` in its new generation `ref`, and return it.

        `not_after` is the time limit of the command, if it has one. If the job is already queued in that
        generation, change nothing.
        """

    def dismiss(self, ref: JobRef, at: datetime) -> Job:
        """Remove the job from the list of failed jobs and return it.

        Raise JobEnded if it has not failed in this generation, or has expired.
        """

    def give_task_token(self, job: Job, token: str, at: datetime) -> Job:
        """Store this token with the job, whether the job has ended or not; return the updated job.

        Raise JobEnded if it has expired, or another job has its id.
        """


class Schedule(Protocol):
    """The jobs that wait for their time, in the order in which they are released."""

    def due(self, shard: str, since: str, until: str, limit: int, after: DueEntry | None = None) -> DuePage:
        """Return entries of the shard whose places are from `since` to `until`, after the entry `after` if given.

        This read is eventually consistent: entries of the last second may be missing, and some entries may be
        outdated.
        """

    def jobs(self, job_ids: Sequence[str]) -> Mapping[str, Job]:
        """Return the stored jobs of these ids (at most 100), with their messages."""

    def mark_queued(self, job: Job, at: datetime) -> bool:
        """Mark a scheduled job as queued: SQS has confirmed its message.

        If its command is not in the bucket, remove its entry and its message as well. Return False, and change
        nothing, if the job is no longer scheduled.
        """

    def forget(self, job: Job) -> None:
        """Remove the entry and the message of a job that is no longer scheduled; do nothing if they are gone."""


class RecentJobs(Protocol):
    """The list of all jobs, which a stage has only with JobLists=on."""

    def page(self, owner: str, job_filter: JobFilter, limit: int, after: str | None, at: datetime) -> JobPage:
        """Return the owner's jobs, the last accepted first, without results and kept commands.

        A page with fewer than `limit` jobs is not always the last one, since the reads for one page are bounded.
        """


class BatchStore(Protocol):
    """The rows of batches, in the jobs table beside the rows of their jobs."""

    def put_new(self, batch: Batch, jobs: Sequence[Job], at: datetime) -> Batch | None:
        """Store the batch and its first `batch.stored` jobs, all or nothing.

        If an unexpired batch has its id, return that batch and store nothing.
        """

    def put_rest(self, batch: Batch, jobs: Sequence[Job]) -> bool:
        """Store the other jobs, all or nothing; return False if another request has stored them."""

    def get(self, batch_id: str) -> Batch | None:
        """Return the batch, expired or not."""

    def jobs(self, job_ids: Sequence[str]) -> Mapping[str, Job]:
        """Return the stored jobs of a batch by id, expired or not, without results and kept commands."""


class ItemRows(Protocol):
    """The rows of one collection in one scope."""

    def get(self, item_id: str) -> StoredItem | None:
        """Return the item's row, or None if there is no such item."""


class ItemStore(ItemRows, Protocol):
    """The rows and locks of one collection in one scope, and the transaction that binds them to a job."""

    def page(self, limit: int, after: str | None) -> ItemPage:
        """Return up to `limit` items that follow the id `after`, in a stable but meaningless order."""

    def commit(self, change: Change, ref: JobRef, success: Success, at: datetime) -> None:
        """Change the item and its locks and end the job, all or nothing; a CommitRefused gives the reason."""


class GroupStore(Protocol):
    """The tables, for several documents in one call."""

    def rows(self, refs: Sequence[ItemRef]) -> Mapping[ItemRef, StoredItem | None]:
        """Return the rows of these documents, without rows that were not read or are malformed."""

    def commit(
        self, units: Sequence[Unit], at: datetime, may_go_on: Callable[[], bool]
    ) -> Sequence[CommitRefused | Unsettled | None]:
        """Commit each unit as a whole or not at all, in as few calls as possible.

        Return one result for each unit: None if it is committed, else why it is not. Before each call, `may_go_on`
        says whether there is time.
        """

    def commit_alone(self, unit: Unit, at: datetime) -> None:
        """Commit one unit. If a condition fails, raise the CommitRefused for it, and nothing is changed."""


class CollectionStore(ItemStore, Protocol):
    """An ItemStore with look-ups, for collections other than `items`."""

    def holder(self, value_key: str) -> str | None:
        """Return the id of the document that has this value of a unique field."""

    def list_with_value(self, value_key: str, limit: int, after: str | None) -> IndexPage:
        """Return up to `limit` documents that have this value of an indexed field, newest change first."""


class IndexStates(Protocol):
    """Which look-ups of a collection are ready; look-ups of new fields are first built from the documents."""

    def ready(self, collection: str) -> frozenset[str]:
        """Return the unique and indexed fields whose look-ups find every document."""


class DocumentStore(Protocol):
    """The documents bucket: documents of items, and claim checks."""

    def put(self, key: str, text: str) -> DocumentRef:
        """Store the text under a new key; raise Unavailable while the bucket's versioning is disabled."""

    def get(self, ref: DocumentRef) -> tuple[DocumentRef, str] | None:
        """Return the text, even if it was deleted since, and the version that was read.

        Return None if the bucket no longer has it. The version may differ from `ref` if the put was repeated.
        """

    def get_by_key(self, key: str) -> str | None:
        """Return the current text under the key."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects; their versions stay for a while."""

    def delete_together(self, keys: Sequence[str]) -> set[str]:
        """Delete up to 1,000 objects in one call, and return the keys of the objects that were not deleted."""

    def keys(self, prefix: str) -> list[str]:
        """Return all keys that start with the prefix."""


class CommandQueue(Protocol):
    """The FIFO queue of commands, for senders."""

    def send(self, envelope: Envelope) -> None:
        """Send the message; when this returns, it will be delivered."""


class BatchQueue(CommandQueue, Protocol):
    """A CommandQueue that sends several messages in one call."""

    def send_batch(self, envelopes: Sequence[Envelope]) -> Mapping[str, ProblemError]:
        """Send up to ten messages of different groups; return the errors of unsent ones, by deduplication id."""


class CommandLimit(Protocol):
    """How many commands an owner may send."""

    def spend(self, owner: str, commands: int) -> None:
        """Count these commands against the owner's limit, or raise TooManyRequests if they exceed it."""


class Allowances(Protocol):
    """How many commands each owner may still send, as the time when its allowance is complete again.

    All times are microseconds since 1970; the time of an owner that has sent nothing is 0.
    """

    def take(self, owner: str, *, at: int, duration: int, latest: int, known: int) -> tuple[bool, int]:
        """Move the owner's time, or `at` if that is later, by `duration`, unless it would then be after `latest`.

        `known` is the time as the caller last saw it. Return whether the time was moved, and the time as it is now.
        Nothing is moved either if the time has reached or passed `at` since `known`; the caller then asks again.
        """


class BacklogGauge(Protocol):
    """The numbers of messages on the queues."""

    def read(self) -> Backlog:
        """Return the counts of some seconds ago, and the age of a minute or two ago."""


class ScheduledCount(Protocol):
    """How many commands of all callers wait for their time."""

    def read(self) -> int:
        """Return the number, or MOST_COUNTED if there are as many or more.

        A count of zero may be a minute old. A job that was cancelled or released within the last minute may be
        counted.
        """

    def expect_some(self) -> None:
        """Make the next read count, since a command that waits was accepted."""


class ReceivedMessages(Protocol):
    """The FIFO queue of commands, for receivers."""

    def delete(self, receipts: Sequence[str]) -> None:
        """Delete the messages with these receipt handles."""

    def postpone(self, receipts: Sequence[tuple[str, int]]) -> None:
        """Deliver the message of each receipt handle again after so many seconds."""


class ParkedMessages(Protocol):
    """The queue of messages that are not valid commands."""

    def park(self, body: str, attributes: dict[str, str]) -> None:
        """Send the body unchanged, with attributes that give the reason and the origin."""
