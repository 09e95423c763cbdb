"""The errors that jobpipe defines.

A ProblemError becomes a problem document (RFC 9457), in a response or in a job. The document's `type` is made from
the slug and never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

PROBLEM_TYPE_PREFIX = "urn:jobpipe:problem:"

Problem = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a body violates."""

    detail: str
    pointer: str  # the location in the body: a JSON Pointer (RFC 6901) as a URI fragment


class JobpipeError(Exception):
    """The base class of all errors that jobpipe defines."""


class ProblemError(JobpipeError):
    """An error with a problem document."""

    status: ClassVar[int]
    slug: str
    title: ClassVar[str]

    def __init__(self, detail: str, *, pointer: str | None = None) -> None:
        """`pointer` is a JSON Pointer (RFC 6901, as a URI fragment) to the invalid part of the body."""
        super().__init__(detail)
        self.detail = detail
        self.violations: tuple[Violation, ...] = () if pointer is None else (Violation(detail, pointer),)

    @property
    def pointer(self) -> str | None:
        """Return the location of the first violation."""
        return self.violations[0].pointer if self.violations else None

    def with_prefix(self, pointer: str) -> Self:
        """Return a copy of the error whose pointers begin with `pointer`."""
        moved = type(self)(self.detail)
        violations = self.violations or (Violation(self.detail, "#"),)
        moved.violations = tuple(Violation(each.detail, pointer + each.pointer[1:]) for each in violations)
        return moved

    def to_problem(self) -> Problem:
        """Return the problem document, without the request id, which only the API knows."""
        problem: Problem = {
            "type": PROBLEM_TYPE_PREFIX + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.violations:
            problem["errors"] = [{"pointer": each.pointer, "detail": each.detail} for each in self.violations]
        return problem


class Refusal(ProblemError):
    """The request cannot be fulfilled. The same request is refused again unless the stored state changes."""

    stored_label: str | None = None
    """The label of the stored document, if the document was read (label.py); not part of the problem."""


class InvalidRequest(Refusal):
    status, slug, title = 400, "invalid-request", "The request is not valid"

    @classmethod
    def of(cls, violations: Sequence[Violation]) -> InvalidRequest:
        """Return a refusal with all of these violations, of which there must be at least one."""
        first, *others = violations
        more = " There is 1 more error." if len(others) == 1 else f" There are {len(others)} more errors."
        refusal = InvalidRequest(first.detail + (more if others else ""))
        refusal.violations = tuple(violations)
        return refusal


class Unstorable(InvalidRequest):
    """The JSON has values that cannot be stored; `value` is the decoded JSON with placeholders for them."""

    def __init__(self, refusal: InvalidRequest, value: Any) -> None:
        super().__init__(refusal.detail)
        self.violations = refusal.violations
        self.value = value
        self.args = (refusal, value)  # pickle and copy call the class with these


class NoValidCommand(InvalidRequest):
    """None of the commands of a batch is valid."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("None of the commands is valid.")
        self.violations = tuple(violation for refusal in refusals for violation in refusal.violations)
        self.args = (refusals,)


class Forbidden(Refusal):
    status, slug, title = 403, "forbidden", "Forbidden"


class NotFound(Refusal):
    status, slug, title = 404, "not-found", "There is no such resource"


class ValueTaken(Refusal):
    """Another document has a value that must be unique."""

    def __init__(self, detail: str, *, pointer: str | None = None, existing: str | None = None) -> None:
        """`existing` is the id of the other document, if it is known."""
        super().__init__(detail, pointer=pointer)
        self.existing = existing

    def to_problem(self) -> Problem:
        """Return the problem document, which names the other document."""
        problem = super().to_problem()
        return problem if self.existing is None else {**problem, "existing": self.existing}


class NameTaken(ValueTaken):
    status, slug, title = 409, "name-taken", "Another item has this name"


class NotUnique(ValueTaken):
    status, slug, title = 409, "not-unique", "Another document has this value"


OPERATION_REFUSED = "operation-refused"
"""The slug that stands for all refusals by operations where refusals are counted or listed."""


class OperationRefused(Refusal):
    """An operation of a collection refused the command, for a reason whose slug it chose."""

    status, title = 409, "The operation refused the command"

    def __init__(self, detail: str, collection: str, reason: str) -> None:
        super().__init__(detail)
        self.slug = f"{collection}:{reason}"
        self.args = (detail, collection, reason)  # pickle and copy call the class with these


class IndexBuilding(Refusal):
    status, slug, title = 409, "index-building", "The look-up is not ready yet"


class JobEndedAlready(Refusal):
    status, slug, title = 409, "job-ended", "The job has ended already"


class JobNotFailed(Refusal):
    status, slug, title = 409, "job-not-failed", "The job has not failed"


class JobListOff(Refusal):
    status, slug, title = 409, "job-list-off", "This stage has no list of all jobs"


class EventsOff(Refusal):
    status, slug, title = 409, "events-off", "This stage has no webhooks"


class TaskTokensOff(Refusal):
    status, slug, title = 409, "task-tokens-off", "This stage answers no task tokens"


class TooManyWebhooks(Refusal):
    status, slug, title = 409, "too-many-webhooks", "There are as many webhooks as there may be"


class CommandTooLate(Refusal):
    status, slug, title = 409, "too-late", "The command's time has passed"


class CommandCancelled(Refusal):
    status, slug, title = 409, "job-cancelled", "The command was cancelled"


class VersionMismatch(Refusal):
    status, slug, title = 412, "version-mismatch", "The item is not in the version that If-Match names"


class TooLarge(Refusal):
    status, slug, title = 413, "too-large", "The content is too large"


class UnsupportedMediaType(Refusal):
    status, slug, title = 415, "unsupported-media-type", "The content is not in a supported media type"


class IdempotencyKeyReused(Refusal):
    status, slug, title = 422, "idempotency-key-reused", "The Idempotency-Key belongs to another request"


class TooManyRequests(ProblemError):
    """The owner has sent more commands than its limit allows."""

    status, slug, title = 429, "too-many-requests", "Too many requests"

    def __init__(self, detail: str, retry_after: int) -> None:
        """`retry_after`: the seconds after which the same request may be accepted."""
        super().__init__(detail)
        self.retry_after = retry_after
        self.args = (detail, retry_after)  # pickle and copy call the class with these


class InternalError(ProblemError):
    status, slug, title = 500, "internal-error", "Something went wrong on our side"


class AttemptsSpent(ProblemError):
    status, slug, title = 500, "attempts-spent", "The command was interrupted too often"


class CommandUnreadable(ProblemError):
    status, slug, title = 500, "command-unreadable", "The command cannot be read"


class Unavailable(ProblemError):
    status, slug, title = 503, "unavailable", "The service cannot take this now"


class DeadlineNear(Unavailable):
    """Too little of the invocation's time is left for a call."""


class TaskEnded(JobpipeError):
    """The task of a token has ended or timed out; the text is the service's error code."""


class AnswerRefused(JobpipeError):
    """Step Functions would refuse this answer at every attempt; the text says why, without the token."""


class UndecodableMessage(JobpipeError):
    """The message is not a valid command; the text gives the reason."""


class NewerMessage(JobpipeError):
    """The message has a form that this release does not know; it stays on its queue for a later release."""


class ClaimUnusable(JobpipeError):
    """The message's claim check is not in the bucket, or does not hold the command that its key names."""


class CommitRefused(JobpipeError):
    """The transaction that ends a job was cancelled; nothing changed."""


class JobEnded(CommitRefused):
    """The job has ended, is in another generation, or does not exist."""


class ValueLocked(CommitRefused):
    """Another document has the value of a unique field."""

    def __init__(self, field: str, existing: str | None = None) -> None:
        """`existing` is the id of the other document, or None if the store did not return it."""
        super().__init__(field, existing)
        self.field = field
        self.existing = existing


class ItemChanged(CommitRefused):
    """The item is no longer in the version that was read."""


class UnitRefused(CommitRefused):
    """A unit of several commands was not committed, since a condition failed."""
