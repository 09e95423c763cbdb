"""A job: the state and outcome of one accepted command.

    queued, retrying ──→ succeeded | failed | cancelled
    scheduled ──→ queued     it is due, and its message is on the queue
    scheduled ──→ cancelled
    queued ──→ retrying      an attempt was interrupted, and the message will be delivered again
    failed ──→ queued        a caller or an operator retries the job, which gets a new generation
    failed ──→ failed        its caller dismisses the job, and it is no longer in the list of failed jobs

Succeeded and cancelled are final. There is no `running` state: it would cost a write and tell a polling caller
nothing useful.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.commands.command import Command, fingerprint
from jobpipe.domain.commands.not_before import is_due
from jobpipe.domain.documents.item import DocumentRef
from jobpipe.domain.documents.item_ref import ITEMS, ItemRef
from jobpipe.domain.errors import Problem
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.limits import QUEUE_RETENTION


class Status(StrEnum):
    """The state of a job."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def done(self) -> bool:
        """Return whether the job has ended."""
        return self not in UNFINISHED


JOB_ID = re.compile("[0-9a-f]{32}")

UNFINISHED = (Status.SCHEDULED, Status.QUEUED, Status.RETRYING)


@dataclass(frozen=True, slots=True)
class KeptCommand:
    """The command of a failed job, which a retry sends again: the command itself, or the key of its claim check."""

    command: str | None = None  # its raw form as JSON text
    claim: str | None = None  # a key in the documents bucket


@dataclass(frozen=True, slots=True)
class ScheduledMessage:
    """The message of a scheduled job, and the job's place in the index of due jobs."""

    shard: str
    due: str  # the sort key of the index: the due time, then the order of acceptance
    message: str = ""  # the body of the message to SQS; empty if only the index was read
    claim: str | None = None  # the key of the claim check of a large command


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the jobs table."""

    job_id: str  # random, or derived from the caller and its Idempotency-Key
    owner: str  # the caller that may read it
    status: Status
    generation: str  # random, and renewed by each retry; messages of another generation are ignored
    operation: str  # create, read, update, delete, upsert or an operation of the collection
    item_id: str  # assigned on acceptance if the command is a create
    fingerprint: str  # hash of the command, to detect a reuse of its Idempotency-Key for another command
    attempts: int  # ended attempts that count towards the attempt limit (an outage does not count)
    created_at: str  # RFC 3339
    updated_at: str  # RFC 3339
    expires_at: int  # seconds since 1970; DynamoDB deletes the row some time later
    result: str | None = None  # succeeded: the item's document as JSON text, if it is small
    result_document: DocumentRef | None = None  # succeeded: the reference to the document if it is larger
    result_version: str | None = None  # succeeded: the version of the item in the result
    old_document_key: str | None = None  # succeeded: the key of the replaced or deleted document, to be cleaned up
    emitted_events: str | None = None  # succeeded: the events that the operation returned (emitted_events.py)
    error: Problem | None = None  # failed: why it failed; retrying: what interrupted the last attempt
    label: str | None = None  # failed, retrying: the label of the document, for lists (label.py)
    running_attempt: int | None = None  # the number of the attempt that is running, if its start was recorded
    interruptions: int = 0  # how many times faults and outages have interrupted it since it was queued
    retries: int = 0  # how many times a caller or an operator has retried it
    kept: KeptCommand | None = None  # the command of a failed job, which a retry sends again
    collection: str = ITEMS
    scope: str = ""  # the scope of the item in the collection: the owner, or empty
    not_before: str | None = None  # the earliest time at which it may take effect (RFC 3339)
    not_after: str | None = None  # the latest time at which it may take effect (RFC 3339)
    dismissed_at: str | None = None  # failed: when it was dismissed (RFC 3339)
    batch_id: str | None = None  # the batch with which it was accepted
    # Set from acceptance until SQS confirms the message, even if the job has ended meanwhile.
    waiting: ScheduledMessage | None = None
    # The latest token of a Step Functions task, which is completed when the job has ended. It is kept with the job.
    task_token: str | None = field(default=None, repr=False)

    @property
    def item(self) -> ItemRef:
        """Return the reference to the command's item."""
        return ItemRef(self.collection, self.scope, self.item_id)

    @property
    def ref(self) -> JobRef:
        """Return a reference to this generation of the job."""
        return JobRef(self.job_id, self.generation)

    def is_unfinished(self, ref: JobRef, at: datetime) -> bool:
        """Return whether the job is in this generation, has not ended and has not expired."""
        return not self.status.done and self.generation == ref.generation and not self.is_expired(at)

    def needs_claim(self, key: str) -> bool:
        """Return whether the job, or a retry of it, may still need the claim check under this key."""
        return not self.status.done or (self.kept is not None and self.kept.claim == key)

    def is_expired(self, at: datetime) -> bool:
        """Return whether the job has expired; its row may still exist."""
        return self.expires_at <= at.timestamp()


@dataclass(frozen=True, slots=True)
class JobPage:
    """A page of a list of jobs, and the cursor of the next page."""

    jobs: list[Job]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class Success:
    """The result of a successful job, the key of the document that it replaced, and the events that it emitted."""

    result: str | None = None
    result_document: DocumentRef | None = None
    result_version: str | None = None
    old_document_key: str | None = None
    emitted_events: str | None = None


def new_job(
    command: Command,
    owner: str,
    idempotency_key: str | None,
    at: datetime,
    retention: timedelta,
    *,
    id_and_fingerprint: tuple[str, str] | None = None,
    batch_id: str | None = None,
) -> Job:
    """Return a new job for a command that is about to be queued or scheduled.

    Pass `id_and_fingerprint` if they have already been computed.
    """
    job_id, command_fingerprint = id_and_fingerprint or (_job_id(owner, idempotency_key), fingerprint(command))
    now = rfc3339(at)
    return Job(
        job_id=job_id,
        owner=owner,
        status=Status.QUEUED if is_due(command.not_before, at) else Status.SCHEDULED,
        generation=new_generation(),
        operation=command.operation,
        item_id=command.item_id,
        fingerprint=command_fingerprint,
        attempts=0,
        created_at=now,
        updated_at=now,
        expires_at=expiry_of_queued_job(queued_at(at, command.not_before), retention),
        collection=command.collection,
        scope=command.scope,
        not_before=command.not_before,
        not_after=command.not_after,
        batch_id=batch_id,
        task_token=command.task_token,
    )


def queued_at(at: datetime, *not_before: str | None) -> datetime:
    """Return the time at which the last of several commands is queued: the latest of the given times."""
    return max([at, *(datetime.fromisoformat(each) for each in not_before if each is not None)])


def expiry_of_queued_job(at: datetime, retention: timedelta) -> int:
    """Return the expiry, in seconds since 1970, of a job that is queued at this time.

    The message can wait for QUEUE_RETENTION in the queue, and as long in the dead-letter queue. The job must not
    expire before then.
    """
    return int((at + 2 * QUEUE_RETENTION + retention).timestamp())


def new_generation() -> str:
    """Return a new random generation."""
    return secrets.token_hex(8)


def is_job_id(text: str) -> bool:
    """Return whether the text has the form of a job id."""
    return JOB_ID.fullmatch(text) is not None


def _job_id(owner: str, idempotency_key: str | None) -> str:
    """Return a random id, or one derived from the caller and its key, so that a replay finds its job by the id."""
    if idempotency_key is None:
        return secrets.token_hex(16)
    # The length keeps ("a", "bc") and ("ab", "c") from giving the same id.
    return hashlib.sha256(f"{len(owner)}:{owner}{idempotency_key}".encode()).hexdigest()[:32]
