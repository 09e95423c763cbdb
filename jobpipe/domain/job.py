"""A job: the state and outcome of one accepted command.

    queued ──→ succeeded | failed | cancelled
      └─ retrying ─┘   (between attempts)
    failed ──→ queued  (an explicit retry: a new generation)

The other final states never change. There is no `running` state: the worker writes a job only when a
poller learns something from it.
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
    """The state of a job."""

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

UNFINISHED = (Status.QUEUED, Status.RETRYING)


@dataclass(frozen=True, slots=True)
class KeptCommand:
    """The command of a failed job, or its claim check."""

    command: str | None = None  # its raw form as JSON text
    claim: str | None = None  # a key in the documents bucket


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the jobs table."""

    job_id: str  # random, or derived from caller and Idempotency-Key
    owner: str  # the caller that may read it
    status: Status
    generation: str  # random, and new with each retry; a message of another generation changes nothing
    operation: str  # create, read, update or delete
    item_id: str  # assigned on acceptance if the command is a create
    fingerprint: str  # of the command, to recognise a replay of its Idempotency-Key
    attempts: int  # charged attempts that have ended
    created_at: str  # RFC 3339
    updated_at: str  # RFC 3339
    expires_at: int  # seconds since 1970; DynamoDB deletes the row some time later
    result: str | None = None  # succeeded: the item's document as JSON text, if it is small
    result_document: DocumentRef | None = None  # succeeded: the reference to a larger one
    result_version: str | None = None  # succeeded: the version of the item in the result
    superseded: str | None = None  # succeeded: the key of the replaced document, to be deleted
    error: Problem | None = None  # failed: the reason; retrying: what interrupted the last attempt
    running_attempt: int | None = None  # its number, if it was recorded and has not ended
    interruptions: int = 0  # since the job was queued, for whatever reason
    retries: int = 0  # how often a caller or an operator has retried it
    kept: KeptCommand | None = None  # the command of a failed job, which a retry sends again

    @property
    def ref(self) -> JobRef:
        """Return a reference to this generation of the job."""
        return JobRef(self.job_id, self.generation)

    def is_unfinished(self, ref: JobRef, at: datetime) -> bool:
        """Return whether the job is in this generation, has not ended and has not expired."""
        return not self.status.done and self.generation == ref.generation and not self.is_expired(at)

    def needs_claim(self, key: str) -> bool:
        """Return whether the job's message or a retry may still need the claim check under this key."""
        return not self.status.done or (self.kept is not None and self.kept.claim == key)

    def is_expired(self, at: datetime) -> bool:
        """Return whether the job has expired; its row may still exist."""
        return self.expires_at <= at.timestamp()


@dataclass(frozen=True, slots=True)
class JobPage:
    """A page of a list of jobs, and the cursor after which the next one starts."""

    jobs: list[Job]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class Success:
    """The result of a job, and the document that it replaced."""

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
    """Return the job of a command that is about to be queued; `known`: its id and fingerprint, if known."""
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
    """Return when a job that is queued at this time expires, in seconds since 1970.

    Its message may wait 14 days, and 14 more as a dead letter; no waiting command may lose its job.
    """
    return int((at + 2 * QUEUE_RETENTION + retention).timestamp())


def new_generation() -> str:
    """Return a new random generation."""
    return secrets.token_hex(8)


def is_job_id(text: str) -> bool:
    """Return whether the text has the form of a job id."""
    return JOB_ID.fullmatch(text) is not None


def _job_id(owner: str, idempotency_key: str | None) -> str:
    """Return 32 hex digits, derived from the caller and the key if there is one, so that no index is needed."""
    if idempotency_key is None:
        return secrets.token_hex(16)
    # With the length, ("a", "bc") and ("ab", "c") give different ids.
    return hashlib.sha256(f"{len(owner)}:{owner}{idempotency_key}".encode()).hexdigest()[:32]
