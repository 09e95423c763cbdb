"""Batches and their entries, and the submissions of `submit_many`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobpipe_client.models import Operation, Status, parse_collection, parse_problem, response_parser
from jobpipe_client.problem import Problem

_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """One command of a batch: its job, or the problem because of which there is no job."""

    job_id: str | None
    status: Status | None
    done: bool  # whether the job has ended, or there is no job
    operation: Operation | None
    collection: str | None
    item_id: str | None
    problem: Problem | None  # why there is no job, or why the job failed
    unchanged: Problem | None = None  # why a request to cancel or retry the batch left this job unchanged
    label: str | None = None  # see `Job.label`

    @classmethod
    def of(cls, entry: dict[str, Any]) -> BatchEntry:
        """Return the entry that a batch document contains."""
        if "problem" in entry:
            return cls.without_job(Problem.of(entry["problem"], status=500))
        job = entry["job"]
        return cls(
            job_id=str(job["id"]),
            status=job["status"],
            done=bool(job["done"]),
            operation=job["operation"],
            collection=parse_collection(job),
            item_id=str(job["item_id"]),
            problem=parse_problem(job),
            unchanged=Problem.of(entry["unchanged"], status=500) if "unchanged" in entry else None,
            label=job.get("label"),
        )

    @classmethod
    def without_job(cls, problem: Problem | None) -> BatchEntry:
        """Return the entry for a command that was refused, or whose job has expired."""
        return cls(
            job_id=None, status=None, done=True, operation=None, collection=None, item_id=None, problem=problem
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """The commands of one request, as the service last described them."""

    id: str  # for GET /batches/{id}; it cannot be guessed
    done: bool  # whether all of its jobs have ended
    size: int  # number of commands
    counts: Mapping[str, int]  # the number of jobs in each status, and of expired jobs and refused commands
    created_at: datetime
    entries: tuple[BatchEntry, ...]  # in the order of the commands
    retry_after: float | None = field(default=None, compare=False)  # the service's pause before the next poll, in s
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # the document as received
    idempotency_key: str | None = None  # of the request; None without a key, or from an older service
    name: str | None = None  # the display name, such as the name of an imported file; None from an older service

    @classmethod
    @response_parser("a batch")
    def of(cls, document: Any, *, retry_after: float | None = None) -> Batch:
        """Return the batch that a JSON document describes. Raise InvalidResponse if the document is no batch."""
        return cls(
            id=str(document["id"]),
            done=bool(document["done"]),
            size=int(document["size"]),
            counts={str(name): int(count) for name, count in document["counts"].items()},
            created_at=datetime.fromisoformat(document["created_at"]),
            entries=tuple(BatchEntry.of(entry) for entry in document["entries"]),
            retry_after=retry_after,
            raw=document,
            idempotency_key=document.get("idempotency_key"),
            name=document.get("name"),
        )

    @property
    def unsent(self) -> list[int]:
        """The places of the commands that could not be queued. Sending the same batch again queues them.

        >>> commands = [{"operation": "read", "item_id": item.id}]
        >>> batch = client.submit_batch(commands, idempotency_key="reads-1")
        >>> while batch.unsent:
        ...     batch = client.submit_batch(commands, idempotency_key="reads-1")
        """
        return [
            place
            for place, entry in enumerate(self.entries)
            if entry.job_id is None and entry.problem is not None and entry.problem.status >= _SERVER_ERROR
        ]

    @property
    def unreached(self) -> list[int]:
        """The places of the jobs that a request to cancel or retry the batch missed. The request can be repeated.

        >>> batch = client.submit_batch([{"operation": "read", "item_id": item.id}])
        >>> cancelled = client.cancel_batch(batch.id)
        >>> while cancelled.unreached:
        ...     cancelled = client.cancel_batch(batch.id)
        """
        return [
            place
            for place, entry in enumerate(self.entries)
            if entry.unchanged is not None and entry.unchanged.status >= _SERVER_ERROR
        ]


@dataclass(frozen=True, slots=True)
class Submission:
    """One command of `Client.submit_many`: its job, or the problem because of which it was refused.

    >>> for submission in client.submit_many([{"operation": "read", "item_id": item.id}, {"operation": "fly"}]):
    ...     print(submission.place, submission.accepted, submission.problem and submission.problem.status)
    0 True None
    1 False 400
    """

    place: int  # among all commands, from 0
    command: Mapping[str, Any]  # as passed by the caller
    job_id: str | None
    item_id: str | None
    problem: Problem | None
    batch_id: str | None  # None if the batch was refused as a whole
    retry_after: float | None = field(default=None, compare=False)  # the service's pause before polling, in s

    @property
    def accepted(self) -> bool:
        return self.job_id is not None
