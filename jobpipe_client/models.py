"""What the service answers with: jobs, batches and items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar, cast

from jobpipe_client.exceptions import BadAnswer, JobCancelled, JobFailed
from jobpipe_client.problem import Problem

Operation = str  # "create", "read", "update", "delete", and what a service has besides
_SERVER_ERROR = 500
Status = Literal["queued", "retrying", "succeeded", "failed", "cancelled"]


_T = TypeVar("_T")


def _read(what: str, parse: Callable[[], _T]) -> _T:
    """What `parse` returns; BadAnswer, which does not quote the answer, if it fails."""
    try:
        return parse()
    except KeyError as error:
        why = f"it has no {error.args[0]!r}"
    except (TypeError, ValueError, AttributeError):
        why = "it, or one of its members, has another form"
    raise BadAnswer(f"the answer is not {what}: {why}")


class Item(dict[str, Any]):
    """An item's document, `id` included, with the ETag that `if_match` takes.

    >>> item = client.get_item(item.id)
    >>> item["name"], client.wait(client.delete(item.id, if_match=item.etag)).succeeded
    ('Stove', True)
    """

    __slots__ = ("_etag",)

    def __init__(self, document: Mapping[str, Any], etag: str | None = None) -> None:
        super().__init__(document)
        self._etag = etag

    def __reduce__(self) -> tuple[type[Item], tuple[dict[str, Any], str | None]]:
        # for pickle and copy: protocols below 2 do not support a dict with slots
        return type(self), (dict(self), self._etag)

    @property
    def etag(self) -> str:
        """The version, with its quotes. An item of a list has none, and says so rather than None.

        As `if_match` None means no precondition, and the update would silently overwrite what others did.
        """
        if self._etag is None:
            raise AttributeError("an item of a list has no ETag; get_item() gives it with one")
        return self._etag

    @property
    def id(self) -> str:
        return str(self["id"])


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted command, as the service last described it."""

    id: str  # names the job in GET /jobs/{id}; cannot be guessed
    status: Status  # queued → succeeded | failed | cancelled, with retrying between attempts
    done: bool  # the status is a terminal one
    operation: Operation  # what the command does
    item_id: str  # the item that it is for; known from the 202 on, also for a create
    attempts: int  # how many a worker has made
    retries: int  # how often it was queued again after it had failed
    created_at: datetime  # when the command was accepted
    updated_at: datetime  # when the job last changed
    result: Mapping[str, Any] | None  # of a success: the item, or {"message": ...} for a delete
    error: Problem | None  # of a failure (or the last attempt, while retrying): why
    etag: str | None  # the version of the item that the command made or read, with its quotes
    links: Mapping[str, str]  # self and item
    retry_after: float | None = field(default=None, compare=False)  # seconds to the next poll, if asked for
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # as received

    @classmethod
    def of(cls, document: object, *, retry_after: float | None = None) -> Job:
        """The job in `document`; BadAnswer if it is none."""
        return _read("a job", lambda: cls._parse(cast("dict[str, Any]", document), retry_after))

    @classmethod
    def _parse(cls, raw: dict[str, Any], retry_after: float | None) -> Job:
        error = raw.get("error")
        return cls(
            id=str(raw["id"]),
            status=raw["status"],
            done=bool(raw["done"]),
            operation=raw["operation"],
            item_id=str(raw["item_id"]),
            attempts=int(raw.get("attempts") or 0),
            retries=int(raw.get("retries") or 0),
            created_at=datetime.fromisoformat(raw["created_at"]),
            updated_at=datetime.fromisoformat(raw["updated_at"]),
            result=raw.get("result"),
            error=None if error is None else Problem.of(error, status=500),
            etag=raw.get("etag"),
            links=raw.get("links") or {},
            retry_after=retry_after,
            raw=raw,
        )

    @property
    def succeeded(self) -> bool:
        return self.status == "succeeded"

    def raise_for_failure(self) -> Job:
        """This job, unless it failed (JobFailed) or was cancelled (JobCancelled).

        >>> client.wait(client.read(item.id)).raise_for_failure().item["name"]
        'Stove'
        """
        if self.status == "failed":
            raise JobFailed(self, self.error or Problem.of({}, status=500, title="No reason given"))
        if self.status == "cancelled":
            raise JobCancelled(self)
        return self

    @property
    def item(self) -> Item | None:
        """The item that a create, read or update ended with; None for a delete and before the end."""
        if not self.succeeded or self.operation == "delete" or self.result is None:
            return None
        return Item(self.result, self.etag)


@dataclass(frozen=True, slots=True)
class Stats:
    """What is on the service's queues, all callers' together; the counts are approximate."""

    at: datetime  # when they were counted
    waiting: int  # on the queue of commands, ready for the worker
    in_flight: int  # being worked on, or away until they come again
    delayed: int  # not to be delivered yet
    oldest_seconds: float | None  # since the oldest was sent; None where nobody tells, as on emulators
    dead_letters: int  # given up by the queue; their jobs are about to be ended
    parked: int  # no commands; for an operator to look at
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # as received

    @classmethod
    def of(cls, document: object) -> Stats:
        """The counts in `document`; BadAnswer if there are none."""
        return _read("the counts of queues", lambda: cls._parse(cast("dict[str, Any]", document)))

    @classmethod
    def _parse(cls, raw: dict[str, Any]) -> Stats:
        queue, oldest = raw["queue"], raw["queue"]["oldest_seconds"]
        return cls(
            at=datetime.fromisoformat(raw["at"]),
            waiting=int(queue["waiting"]),
            in_flight=int(queue["in_flight"]),
            delayed=int(queue["delayed"]),
            oldest_seconds=None if oldest is None else float(oldest),
            dead_letters=int(raw["dead_letters"]),
            parked=int(raw["parked"]),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """What became of one command of a batch: a job, or a problem instead."""

    job_id: str | None  # of a command that is queued, or was
    status: Status | None
    done: bool  # whether it has ended, or never was a job
    operation: Operation | None
    item_id: str | None
    problem: Problem | None  # why there is no job; of a failed one: why it failed

    @classmethod
    def of(cls, raw: dict[str, Any]) -> BatchEntry:
        """The entry as it stands in a batch."""
        if "problem" in raw:
            return cls(None, None, True, None, None, Problem.of(raw["problem"], status=500))
        job = raw["job"]
        error = job.get("error")
        return cls(
            job_id=str(job["id"]),
            status=job["status"],
            done=bool(job["done"]),
            operation=job["operation"],
            item_id=str(job["item_id"]),
            problem=None if error is None else Problem.of(error, status=500),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """The commands of one request, as the service last described them."""

    id: str  # names the batch in GET /batches/{id}; cannot be guessed
    done: bool  # whether all of its jobs have ended
    size: int  # commands
    counts: Mapping[str, int]  # of its commands by their jobs' status, and those that are expired or refused
    created_at: datetime  # when it was accepted
    entries: tuple[BatchEntry, ...]  # in the order of the commands
    retry_after: float | None = field(default=None, compare=False)  # seconds to the next poll, if asked for
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # as received

    @classmethod
    def of(cls, document: object, *, retry_after: float | None = None) -> Batch:
        """The batch in `document`; BadAnswer if it is none."""
        return _read("a batch", lambda: cls._parse(cast("dict[str, Any]", document), retry_after))

    @classmethod
    def _parse(cls, raw: dict[str, Any], retry_after: float | None) -> Batch:
        return cls(
            id=str(raw["id"]),
            done=bool(raw["done"]),
            size=int(raw["size"]),
            counts={str(name): int(count) for name, count in raw["counts"].items()},
            created_at=datetime.fromisoformat(raw["created_at"]),
            entries=tuple(BatchEntry.of(entry) for entry in raw["entries"]),
            retry_after=retry_after,
            raw=raw,
        )

    @property
    def unsent(self) -> list[int]:
        """The places of the commands that could not be queued, as far as is known: the same batch again sends them.

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


@dataclass(frozen=True, slots=True)
class Submission:
    """What became of one of the commands of `Client.submit_many`: a job, or a problem instead.

    >>> for submission in client.submit_many([{"operation": "read", "item_id": item.id}, {"operation": "fly"}]):
    ...     print(submission.place, submission.accepted, submission.problem and submission.problem.status)
    0 True None
    1 False 400
    """

    place: int  # of the command among all, from 0
    command: Mapping[str, Any]  # as it was given
    job_id: str | None  # of an accepted one
    item_id: str | None  # the item that it is for; of an accepted one
    problem: Problem | None  # why it was refused
    batch_id: str | None  # the batch that it went out in; None if that was refused as a whole
    retry_after: float | None = field(default=None, compare=False)  # seconds to the first look, if asked for

    @property
    def accepted(self) -> bool:
        return self.job_id is not None
