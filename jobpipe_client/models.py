"""Items, jobs and statistics as parsed from the service's responses, and the errors of jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, Literal, ParamSpec, TypeVar

from jobpipe_client.exceptions import InvalidResponse, JobpipeError
from jobpipe_client.problem import Problem

Operation = str  # "create", "read", "update", "delete", "upsert", or an operation of a collection
Status = Literal["scheduled", "queued", "retrying", "succeeded", "failed", "cancelled"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def response_parser(what: str) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Decorate a function that parses a response. If it fails, raise InvalidResponse, which quotes no response."""

    def decorate(parse: Callable[_P, _T]) -> Callable[_P, _T]:
        @wraps(parse)
        def parse_or_raise(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            try:
                return parse(*args, **kwargs)
            except KeyError as error:
                why = f"it has no {error.args[0]!r}"
            except (TypeError, ValueError, AttributeError):
                why = "it, or one of its members, has an unexpected form"
            raise InvalidResponse(f"the response is not {what}: {why}")

        return parse_or_raise

    return decorate


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
        """The ETag, including its quotes. Raise AttributeError for an item from a list, which has no ETag.

        Returning None would be unsafe: `if_match=None` means no precondition, and would overwrite others' changes.
        """
        if self._etag is None:
            raise AttributeError("an item from a list has no ETag; get_item() returns the item with its ETag")
        return self._etag

    @property
    def id(self) -> str:
        return str(self["id"])


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted command, as the service last described it."""

    id: str  # for GET /jobs/{id}; it cannot be guessed
    status: Status  # queued → succeeded | failed | cancelled; scheduled before queued, retrying between attempts
    done: bool  # whether the status is final
    operation: Operation
    collection: str  # "items", or another collection
    item_id: str  # known as soon as the job is accepted, even for a create
    attempts: int  # how many times a worker has started the command
    retries: int  # how many times the failed job was queued again
    created_at: datetime
    updated_at: datetime
    result: Mapping[str, Any] | None  # after a success: the item, or {"message": ...} for a delete
    error: Problem | None  # why the job failed or, while it is retrying, why the last attempt did
    etag: str | None  # the ETag of the version that the command created or read, including its quotes
    links: Mapping[str, str]  # self and item
    retry_after: float | None = field(default=None, compare=False)  # the service's pause before the next poll, in s
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # the document as received
    owner: str | None = None  # the job's owner, if an operator listed the jobs of others
    not_before: datetime | None = None  # the command must not take effect earlier
    not_after: datetime | None = None  # the command must not take effect later
    dismissed_at: datetime | None = None  # when the failed job was dismissed
    command: Mapping[str, Any] | None = None  # the raw command of a failed job, unless it is large
    label: str | None = None  # the display name of a failed or retrying job's document, if known

    @classmethod
    @response_parser("a job")
    def of(cls, document: Any, *, retry_after: float | None = None) -> Job:
        """Return the job that a JSON document describes. Raise InvalidResponse if the document is no job."""
        return cls(
            id=str(document["id"]),
            status=document["status"],
            done=bool(document["done"]),
            operation=document["operation"],
            collection=parse_collection(document),
            item_id=str(document["item_id"]),
            attempts=int(document.get("attempts") or 0),
            retries=int(document.get("retries") or 0),
            created_at=datetime.fromisoformat(document["created_at"]),
            updated_at=datetime.fromisoformat(document["updated_at"]),
            result=document.get("result"),
            error=parse_problem(document),
            etag=document.get("etag"),
            links=document.get("links") or {},
            retry_after=retry_after,
            raw=document,
            owner=document.get("owner"),
            not_before=_parse_time(document, "not_before"),
            not_after=_parse_time(document, "not_after"),
            dismissed_at=_parse_time(document, "dismissed_at"),
            command=document.get("command"),
            label=document.get("label"),
        )

    @property
    def succeeded(self) -> bool:
        return self.status == "succeeded"

    def raise_for_failure(self) -> Job:
        """Return this job. Raise JobFailed if it failed, JobCancelled if it was cancelled.

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
        """The item that a successful command ended with; None after a delete, a failure or a cancellation."""
        if not self.succeeded or self.operation == "delete" or self.result is None:
            return None
        return Item(self.result, self.etag)


class JobError(JobpipeError):
    """The base class for errors of an accepted job (`error.job`)."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.job = job


class JobFailed(JobError):
    """The job ended without effect, for the reason in `problem`.

    >>> client.wait(client.read("no-such-item")).raise_for_failure()
    Traceback (most recent call last):
    jobpipe_client.models.JobFailed: job ... failed: 404 not-found: ...
    """

    def __init__(self, job: Job, problem: Problem) -> None:
        super().__init__(job)
        self.args = (job, problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"job {self.job.id} failed: {self.problem}"


class JobCancelled(JobError):
    """The job was cancelled before it took effect.

    >>> client.cancel(client.delete(item.id).id).raise_for_failure()
    Traceback (most recent call last):
    jobpipe_client.models.JobCancelled: job ... was cancelled
    """

    def __str__(self) -> str:
        return f"job {self.job.id} was cancelled"


class WaitTimeout(JobError):
    """The job did not end within the `timeout` of a wait. The job continues, and you can wait for it again.

    >>> try:
    ...     client.wait(client.delete(item.id), timeout=0.1)
    ... except WaitTimeout as error:
    ...     print(error.job.status)
    queued
    """

    def __str__(self) -> str:
        return f"job {self.job.id} is still {self.job.status}"


@dataclass(frozen=True, slots=True)
class Stats:
    """The approximate numbers of messages and scheduled commands, for all callers together."""

    at: datetime  # the time of the count
    waiting: int  # messages that are ready for the worker
    in_flight: int  # messages that the worker has, or that are hidden until their redelivery
    delayed: int  # messages that may not be delivered yet
    oldest_seconds: float | None  # age of the oldest message; None if unknown, as on emulators
    dead_letters: int  # messages in the dead-letter queue, whose jobs will be ended soon
    parked: int  # messages that cannot be read as commands, and wait for an operator
    paused_at: datetime | None = None  # when the stage was paused; None if not paused, or from an older service
    scheduled: int | None = None  # commands that are not due yet, 1000 at most; None from an older service
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # the document as received

    @classmethod
    @response_parser("the counts of queues")
    def of(cls, document: Any) -> Stats:
        """Return the counts in a JSON document. Raise InvalidResponse if the document has no counts."""
        queue = document["queue"]
        oldest, paused_at, scheduled = queue["oldest_seconds"], document.get("paused_at"), document.get("scheduled")
        return cls(
            at=datetime.fromisoformat(document["at"]),
            waiting=int(queue["waiting"]),
            in_flight=int(queue["in_flight"]),
            delayed=int(queue["delayed"]),
            oldest_seconds=None if oldest is None else float(oldest),
            dead_letters=int(document["dead_letters"]),
            parked=int(document["parked"]),
            paused_at=None if paused_at is None else datetime.fromisoformat(paused_at),
            scheduled=None if scheduled is None else int(scheduled),
            raw=document,
        )


def parse_collection(job: dict[str, Any]) -> str:
    """Return the name of the collection in a job's document."""
    return str(job.get("collection") or "items")  # an older service has no other collections


def _parse_time(document: Any, member: str) -> datetime | None:
    text = document.get(member)
    return None if text is None else datetime.fromisoformat(text)


def parse_problem(job: dict[str, Any]) -> Problem | None:
    """Return the problem in a job's document, or None if it has none."""
    error = job.get("error")
    return None if error is None else Problem.of(error, status=500)
