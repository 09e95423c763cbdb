"""A job: what became of one accepted command.

    queued ──→ succeeded | failed | cancelled
      └─ retrying ─┘   (between attempts)
    failed ──→ queued  (an explicit retry: a new generation)

Other terminal states never change. The worker writes a job only when a poller could learn something from it: there
is no `running`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.commands import Command, fingerprint
from jobpipe.domain.errors import Problem
from jobpipe.domain.item import DocumentRef
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.limits import QUEUE_RETENTION


class Status(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def done(self) -> bool:
        """Whether the job has ended."""
        return self not in UNFINISHED


JOB_ID = re.compile("[0-9a-f]{32}")

UNFINISHED = (Status.QUEUED, Status.RETRYING)


@dataclass(frozen=True, slots=True)
class KeptCommand:
    """The command of a failed job: itself, or the claim check that it travelled by."""

    command: str | None = None  # its raw form as JSON text
    claim: str | None = None  # a key in the documents bucket


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the jobs table."""

    job_id: str  # unguessable, or derived from caller and Idempotency-Key
    owner: str  # the caller that may see it
    status: Status
    generation: str  # random, new on each explicit retry; a message of another generation changes nothing
    operation: str  # create, read, update or delete
    item_id: str  # of a create: assigned on acceptance
    fingerprint: str  # of the command, to tell a replay from another use of its Idempotency-Key
    attempts: int  # how many the worker has made and ended, or was interrupted in
    created_at: str  # RFC 3339
    updated_at: str  # RFC 3339
    expires_at: int  # seconds since 1970; DynamoDB's TTL deletes it some time later
    result: str | None = None  # succeeded: the item's document as JSON text, if it is small
    result_document: DocumentRef | None = None  # succeeded: where it stands, if it is not
    result_version: str | None = None  # succeeded: the version of the item that the result shows
    superseded: str | None = None  # succeeded: the key of the document that it replaced, to be deleted
    error: Problem | None = None  # failed: why; retrying: what interrupted the last attempt
    running_attempt: int | None = None  # its number, if it was recorded and has not ended
    interruptions: int = 0  # since the job was queued, for whatever reason
    retries: int = 0  # how often it was queued again by an explicit retry
    kept: KeptCommand | None = None  # the command of a failed job, which a retry sends again

    @property
    def ref(self) -> JobRef:
        """Return a reference to this generation of the job."""
        return JobRef(self.job_id, self.generation)

    def is_unfinished(self, ref: JobRef, at: datetime) -> bool:
        """Whether the worker may still act on this life of it."""
        return not self.status.done and self.generation == ref.generation and not self.is_expired(at)

    def needs_claim(self, key: str) -> bool:
        """Whether the claim check under this key may still be asked for: by its message, or by a retry."""
        return not self.status.done or (self.kept is not None and self.kept.claim == key)

    def is_expired(self, at: datetime) -> bool:
        """Whether it counts as gone, though the row may still be there."""
        return self.expires_at <= at.timestamp()


@dataclass(frozen=True, slots=True)
class JobPage:
    """A part of a list of jobs, and where the next one starts."""

    jobs: list[Job]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class Success:
    """How a job ends: the document to show as its result, and the document that it replaced."""

    result: str | None = None
    result_document: DocumentRef | None = None
    result_version: str | None = None
    superseded: str | None = None


def new_job(
    command: Command,
    owner: str,
    idempotency_key: str | None,
    at: datetime,
    retention: timedelta,
    *,
    known: tuple[str, str] | None = None,
) -> Job:
    """The job of a command that is about to be queued; `known`: the id and the fingerprint that it has already."""
    job_id, command_fingerprint = known or (_job_id(owner, idempotency_key), fingerprint(command))
    now = rfc3339(at)
    return Job(
        job_id=job_id,
        owner=owner,
        status=Status.QUEUED,
        generation=new_generation(),
        operation=command.operation,
        item_id=command.item_id,
        fingerprint=command_fingerprint,
        attempts=0,
        created_at=now,
        updated_at=now,
        expires_at=waiting_until(at, retention),
    )


def waiting_until(at: datetime, retention: timedelta) -> int:
    """When a job that is queued now expires, in seconds since 1970.

    Its message may wait 14 days, and 14 more as a dead letter: no waiting command loses its job.
    """
    return int((at + 2 * QUEUE_RETENTION + retention).timestamp())


def new_generation() -> str:
    """A generation that no job ever had."""
    return secrets.token_hex(8)


def is_job_id(text: str) -> bool:
    """Whether a job could have this id."""
    return JOB_ID.fullmatch(text) is not None


def _job_id(owner: str, idempotency_key: str | None) -> str:
    """32 hex digits; with a key the same for the same caller, so that no second index is needed to find it."""
    if idempotency_key is None:
        return secrets.token_hex(16)
    # The length keeps ("a", "bc") apart from ("ab", "c").
    return hashlib.sha256(f"{len(owner)}:{owner}{idempotency_key}".encode()).hexdigest()[:32]
