"""The exceptions of the client. JobError and its subclasses are defined in `models`, next to `Job`.
Classes were renamed and slugs never change, so some of them do not match.

JobpipeError
├─ ConfigurationError          the deployment or the key is missing or unusable
├─ TransportError              a request got no response
│  ├─ Unreachable              the connection was refused or reset, or the host is unknown
│  └─ RequestTimeout           a request timed out
├─ InvalidResponse             the response does not follow the API contract
├─ ItemsUnreadable             a list left out items whose documents are missing
├─ ProblemError                the service returned a problem document
│  ├─ InvalidRequest           400 invalid-request
│  ├─ Forbidden                403 forbidden
│  ├─ NotFound                 404 not-found
│  ├─ NameTaken                409 name-taken
│  ├─ NotUnique                409 not-unique
│  ├─ IndexBuilding            409 index-building
│  ├─ OperationRefused         409 <collection>:<slug>
│  ├─ JobAlreadyEnded          409 job-ended
│  ├─ JobNotFailed             409 job-not-failed
│  ├─ JobListDisabled          409 job-list-off
│  ├─ EventsDisabled           409 events-off
│  ├─ TaskTokensDisabled       409 task-tokens-off
│  ├─ TooManyWebhooks          409 too-many-webhooks
│  ├─ CommandCancelled         409 job-cancelled
│  ├─ CommandTooLate           409 too-late
│  ├─ VersionMismatch          412 version-mismatch
│  ├─ TooLarge                 413 too-large
│  ├─ UnsupportedMediaType     415 unsupported-media-type
│  ├─ IdempotencyKeyReused     422 idempotency-key-reused
│  ├─ TooManyRequests          429 too-many-requests
│  ├─ InternalError            500 internal-error
│  ├─ AttemptsExhausted        500 attempts-spent
│  ├─ CommandUnreadable        500 command-unreadable
│  ├─ Unavailable              503 unavailable
│  └─ GatewayTimeout           504 timeout
└─ JobError                    an error of an accepted job (`error.job`)
   ├─ JobFailed                the job failed, for the reason in `problem`
   ├─ JobCancelled             the job was cancelled before it took effect
   └─ WaitTimeout              the job did not end within the timeout, and may still take effect
"""

from __future__ import annotations

from collections.abc import Sequence

from jobpipe_client.problem import Problem

_MAX_IDS_IN_MESSAGE = 10


class JobpipeError(Exception):
    """The base class of the client's errors. Invalid arguments raise ValueError instead."""


class ConfigurationError(JobpipeError):
    """No deployment is configured, or the settings of the connection are invalid."""


class TransportError(JobpipeError):
    """A request got no response. It is safe to repeat the call with the same idempotency key."""

    is_transient = False  # whether the same request may succeed later


class Unreachable(TransportError):
    """The connection was refused or lost, or the host is unknown."""

    is_transient = True  # False for TLS errors


class RequestTimeout(TransportError):
    """The service did not respond to a request within the client's `request_timeout`."""

    is_transient = True


class InvalidResponse(JobpipeError):
    """The response does not follow the API contract, so it probably did not come from the service."""


class ItemsUnreadable(JobpipeError):
    """The service left out items that it cannot read. This error is raised after all other items have been yielded.

    `item_ids` names the missing items. Operators can see details with `jobpipe audit`.
    """

    def __init__(self, item_ids: Sequence[str]) -> None:
        super().__init__(item_ids)
        self.item_ids = tuple(item_ids)

    def __str__(self) -> str:
        shown, more = ", ".join(self.item_ids[:_MAX_IDS_IN_MESSAGE]), len(self.item_ids) - _MAX_IDS_IN_MESSAGE
        return f"unreadable items were left out: {shown}{f' and {more:,} more' if more > 0 else ''}"


class ProblemError(JobpipeError):
    """The service refused the request or, in a call through `client.sync`, the command failed.

    >>> try:
    ...     client.sync.read("no-such-item")
    ... except ProblemError as error:
    ...     print(type(error).__name__, error.status, error.problem.slug)
    NotFound 404 not-found

    If `ended` is true, the command was accepted and its job ended with this problem. `retry_after` is the number of
    seconds for which the service asks the caller to wait before a retry.
    """

    slug: str | None = None

    def __init__(self, problem: Problem, *, retry_after: float | None = None, ended: bool = False) -> None:
        super().__init__(problem)  # pickle passes this to the class, and then restores the attributes
        self.ended = ended
        self.problem = problem
        self.status = problem.status
        self.type = problem.type
        self.title = problem.title
        self.detail = problem.detail
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.problem)


class InvalidRequest(ProblemError):
    """The request is malformed; `problem.errors` names the invalid fields.

    >>> try:
    ...     client.submit_batch([{"operation": "fly"}])
    ... except InvalidRequest as error:
    ...     print([each["pointer"] for each in error.problem.errors])
    ['#/commands/0/operation']
    """

    slug = "invalid-request"


class Forbidden(ProblemError):
    """The API key is missing or wrong, or does not allow this request."""

    slug = "forbidden"


class NotFound(ProblemError):
    """There is no such item, job, webhook or route."""

    slug = "not-found"


class _DocumentConflict:
    """The attributes of a conflict with another document that has the same value."""

    problem: Problem

    @property
    def pointer(self) -> str | None:
        """The JSON Pointer of the conflicting value, such as `#/invoice`."""
        found = self.problem.errors[0].get("pointer") if self.problem.errors else None
        return found if isinstance(found, str) else None

    @property
    def existing(self) -> str | None:
        """The id of the other document, or None if the caller may not see it."""
        found = self.problem.raw.get("existing")
        return found if isinstance(found, str) else None


class NameTaken(ProblemError, _DocumentConflict):
    """Another item has this name; `existing` is its id."""

    slug = "name-taken"


class NotUnique(ProblemError, _DocumentConflict):
    """Another document has this value of the key or of a unique field.

    >>> _ = orders.sync.create({"number": "7", "customer": "alice"})
    >>> try:
    ...     orders.sync.create({"number": "7", "customer": "bob"})
    ... except NotUnique as error:
    ...     print(error.pointer, orders.get_item(error.existing)["customer"])
    #/number alice
    """

    slug = "not-unique"


class IndexBuilding(ProblemError):
    """The field was only just added to `unique` or `indexes`, so look-ups by it do not work yet."""

    slug = "index-building"


class OperationRefused(ProblemError):
    """An operation of a collection refused the document, for the operation's own reason in `slug`.

    >>> order = orders.sync.create({"number": "7", "status": "open"})
    >>> try:
    ...     orders.sync.run("ship", order.id, carrier="dhl")
    ... except OperationRefused as error:
    ...     print(error.collection, error.slug, error.detail)
    orders not-paid Only a paid order can be shipped.
    """

    def __init__(self, problem: Problem, *, retry_after: float | None = None, ended: bool = False) -> None:
        super().__init__(problem, retry_after=retry_after, ended=ended)
        self.collection, _, self.slug = (problem.slug or "").rpartition(":")


class JobAlreadyEnded(ProblemError):
    """The job has ended and cannot be cancelled or retried."""

    slug = "job-ended"


class JobNotFailed(ProblemError):
    """The job has not failed, so it cannot be dismissed."""

    slug = "job-not-failed"


class JobListDisabled(ProblemError):
    """The stage lists only scheduled, failed and retrying jobs, because it was deployed without JobLists=on."""

    slug = "job-list-off"


class EventsDisabled(ProblemError):
    """Webhooks are disabled, because the stage was deployed without Events=on."""

    slug = "events-off"


class TaskTokensDisabled(ProblemError):
    """Task tokens are disabled, because the stage was deployed without TaskTokens."""

    slug = "task-tokens-off"


class TooManyWebhooks(ProblemError):
    """The owner of the API key already has ten webhooks, or the stage has 1,000."""

    slug = "too-many-webhooks"


class CommandCancelled(ProblemError):
    """The job was cancelled while this request was waiting for it. Polling raises JobCancelled instead."""

    slug = "job-cancelled"


class CommandTooLate(ProblemError):
    """The command's `not_after` passed before it took effect, or before a retry, which needs a new time limit."""

    slug = "too-late"


class VersionMismatch(ProblemError):
    """The item is no longer at the version named by `if_match`."""

    slug = "version-mismatch"


class TooLarge(ProblemError):
    """The body or the resulting document exceeds the limit."""

    slug = "too-large"


class UnsupportedMediaType(ProblemError):
    """The route does not accept the body's content type."""

    slug = "unsupported-media-type"


class IdempotencyKeyReused(ProblemError):
    """The idempotency key was already used for another command."""

    slug = "idempotency-key-reused"


class TooManyRequests(ProblemError):
    """The request was throttled, the key's quota is exhausted, or its owner sends too many commands."""

    slug = "too-many-requests"


class InternalError(ProblemError):
    """The service failed because of an internal error."""

    slug = "internal-error"


class AttemptsExhausted(ProblemError):
    """The command was interrupted too many times; `Client.retry` queues it again."""

    slug = "attempts-spent"


class CommandUnreadable(ProblemError):
    """The service was rolled back to a release that cannot read the command; call `Client.retry` later."""

    slug = "command-unreadable"


class Unavailable(ProblemError):
    """The service is temporarily unable to handle the request."""

    slug = "unavailable"


class GatewayTimeout(ProblemError):
    """The gateway got no response from the service in time."""

    slug = "timeout"


_BY_SLUG = {cls.slug: cls for cls in ProblemError.__subclasses__() if cls.slug is not None}

# Used if the response is not a jobpipe problem document. 409, 412 and 422 are omitted: without such a document, the
# response probably comes from a proxy and says nothing about an item.
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
    """Return the exception for the problem's type, or for its status if the type is not a jobpipe type."""
    if problem.slug is not None:
        is_from_operation = ":" in problem.slug
        error_class = OperationRefused if is_from_operation else _BY_SLUG.get(problem.slug, ProblemError)
    else:
        error_class = _BY_STATUS.get(problem.status, ProblemError)
    return error_class(problem, retry_after=retry_after, ended=ended)
