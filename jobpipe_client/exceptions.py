"""The errors of the client.

JobpipeError
├─ ConfigurationError          no deployment or no key to be found, or an unusable one
├─ TransportError              no answer
│  ├─ Unreachable              refused, reset, unknown host
│  └─ TimedOut                 no answer in time
├─ BadAnswer                   an answer that the contract does not know
├─ ItemsUnreadable             a list was complete except for items whose documents are missing
├─ ProblemError                a problem document, by its type
│  ├─ InvalidRequest           400 invalid-request
│  ├─ Forbidden                403 forbidden
│  ├─ NotFound                 404 not-found
│  ├─ NameTaken                409 name-taken
│  ├─ JobEndedAlready          409 job-ended
│  ├─ CommandCancelled         409 job-cancelled
│  ├─ VersionMismatch          412 version-mismatch
│  ├─ TooLarge                 413 too-large
│  ├─ UnsupportedMediaType     415 unsupported-media-type
│  ├─ IdempotencyKeyReused     422 idempotency-key-reused
│  ├─ TooManyRequests          429 too-many-requests
│  ├─ InternalError            500 internal-error
│  ├─ AttemptsSpent            500 attempts-spent
│  ├─ CommandUnreadable        500 command-unreadable
│  ├─ Unavailable              503 unavailable
│  └─ GatewayTimeout           504 timeout
└─ JobError                    about a job that was accepted
   ├─ JobFailed                it failed, for the reason in `problem`
   ├─ JobCancelled             it was cancelled before it took effect
   └─ WaitTimeout              it had not ended in time; it goes on
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobpipe_client.models import Job
    from jobpipe_client.problem import Problem

_SHOWN = 10  # ids in a message


class JobpipeError(Exception):
    """Anything that this client raises on purpose, but for ValueError on an unusable argument."""


class ConfigurationError(JobpipeError):
    """The deployment cannot be found or its settings cannot be used."""


class TransportError(JobpipeError):
    """No answer came. With the idempotency key of the failed call it is safe to send it again."""

    is_transient = False  # whether the same request may succeed later


class Unreachable(TransportError):
    """The connection was refused or broke."""

    is_transient = True  # unless TLS failed


class TimedOut(TransportError):
    """No answer within the client's time-out."""

    is_transient = True


class BadAnswer(JobpipeError):
    """What answered does not speak jobpipe's contract."""


class ItemsUnreadable(JobpipeError):
    """The service left out items that it cannot read; all others were yielded before.

    `item_ids` names them, and an operator's `jobpipe audit` reports details.
    """

    def __init__(self, item_ids: Sequence[str]) -> None:
        super().__init__(item_ids)
        self.item_ids = tuple(item_ids)

    def __str__(self) -> str:
        shown, more = ", ".join(self.item_ids[:_SHOWN]), len(self.item_ids) - _SHOWN
        return f"items that cannot be read are left out: {shown}{f' and {more:,} more' if more > 0 else ''}"


class ProblemError(JobpipeError):
    """The service refused the request or, through `client.sync`, the command failed.

    >>> try:
    ...     client.sync.read("no-such-item")
    ... except ProblemError as error:
    ...     print(type(error).__name__, error.status, error.problem.slug)
    NotFound 404 not-found

    `ended` tells the two apart: whether the command was accepted, and this is how its job ended.
    """

    slug: str | None = None

    def __init__(self, problem: Problem, *, retry_after: float | None = None, ended: bool = False) -> None:
        super().__init__(problem)  # pickle calls the class with this, and restores the other attributes
        self.ended = ended
        self.problem = problem
        self.status = problem.status
        self.type = problem.type
        self.title = problem.title
        self.detail = problem.detail
        self.retry_after = retry_after  # seconds, when the service named them

    def __str__(self) -> str:
        return str(self.problem)


class InvalidRequest(ProblemError):
    """The request is malformed; `problem.errors` names the fields.

    >>> try:
    ...     client.submit_batch([{"operation": "fly"}])
    ... except InvalidRequest as error:
    ...     print([each["pointer"] for each in error.problem.errors])
    ['#/commands/0/operation']
    """

    slug = "invalid-request"


class Forbidden(ProblemError):
    """The API key is missing, wrong or not allowed this."""

    slug = "forbidden"


class NotFound(ProblemError):
    """There is no such item, job or route."""

    slug = "not-found"


class NameTaken(ProblemError):
    """Another live item has this name."""

    slug = "name-taken"


class JobEndedAlready(ProblemError):
    """The job has ended in a way that leaves nothing to cancel or to retry."""

    slug = "job-ended"


class CommandCancelled(ProblemError):
    """The command was cancelled while its answer was waited for; without waiting it is JobCancelled."""

    slug = "job-cancelled"


class VersionMismatch(ProblemError):
    """The item is no longer at the version named by `if_match`."""

    slug = "version-mismatch"


class TooLarge(ProblemError):
    """The body or the resulting document is over the limit."""

    slug = "too-large"


class UnsupportedMediaType(ProblemError):
    """The body's content type is not one that this route takes."""

    slug = "unsupported-media-type"


class IdempotencyKeyReused(ProblemError):
    """The key was used before for another command."""

    slug = "idempotency-key-reused"


class TooManyRequests(ProblemError):
    """Throttled, or the quota of the key is spent."""

    slug = "too-many-requests"


class InternalError(ProblemError):
    """A fault of the service."""

    slug = "internal-error"


class AttemptsSpent(ProblemError):
    """The command was interrupted too often; `Client.retry` queues it again."""

    slug = "attempts-spent"


class CommandUnreadable(ProblemError):
    """The service was rolled back to a release that does not understand the command; `Client.retry` it later."""

    slug = "command-unreadable"


class Unavailable(ProblemError):
    """The service cannot take the command now."""

    slug = "unavailable"


class GatewayTimeout(ProblemError):
    """The gateway gave up waiting for the service."""

    slug = "timeout"


class JobError(JobpipeError):
    """About `job`, which was accepted."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.job = job


class JobFailed(JobError):
    """The job ended without effect.

    >>> client.wait(client.read("no-such-item")).raise_for_failure()
    Traceback (most recent call last):
    jobpipe_client.exceptions.JobFailed: job ... failed: 404 not-found: ...
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
    jobpipe_client.exceptions.JobCancelled: job ... was cancelled
    """

    def __str__(self) -> str:
        return f"job {self.job.id} was cancelled"


class WaitTimeout(JobError):
    """The job had not ended in time; it goes on, and can be waited for again.

    >>> try:
    ...     client.wait(client.delete(item.id), timeout=0.1)
    ... except WaitTimeout as error:
    ...     print(error.job.status)
    queued
    """

    def __str__(self) -> str:
        return f"job {self.job.id} is still {self.job.status}"


_TYPES: tuple[type[ProblemError], ...] = (
    InvalidRequest,
    Forbidden,
    NotFound,
    NameTaken,
    JobEndedAlready,
    CommandCancelled,
    VersionMismatch,
    TooLarge,
    UnsupportedMediaType,
    IdempotencyKeyReused,
    TooManyRequests,
    InternalError,
    AttemptsSpent,
    CommandUnreadable,
    Unavailable,
    GatewayTimeout,
)
_BY_SLUG = {cls.slug: cls for cls in _TYPES}

# For answers that are not problem documents of jobpipe. Statuses of a domain rule (409, 412, 422) are left
# out: whoever answered so did not mean a name or a version.
_BY_STATUS: dict[int, type[ProblemError]] = {
    400: InvalidRequest,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    413: TooLarge,
    415: UnsupportedMediaType,
    429: TooManyRequests,
    500: InternalError,
    503: Unavailable,
    504: GatewayTimeout,
}


def error_for(problem: Problem, *, retry_after: float | None = None, ended: bool = False) -> ProblemError:
    """The error whose class says what `problem` is about, be it of a request or of a job that ended so."""
    if problem.slug is not None:
        kind = _BY_SLUG.get(problem.slug, ProblemError)
    else:
        kind = _BY_STATUS.get(problem.status, ProblemError)
    return kind(problem, retry_after=retry_after, ended=ended)
