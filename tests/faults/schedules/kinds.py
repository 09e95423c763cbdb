"""The kinds of faults at an AWS call, and the answers that the product's client gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from tests.faults.schedules.call_sites import Site
from tests.faults.stage.emulator import http_response

OUTAGE_SECONDS = 20 * 60
"""This is longer than all attempts take, and than the five minutes of SQS's deduplication."""

SETTLING_SECONDS = 14 * 60
"""S3 may need 15 minutes to store versions and to find objects after versioning was first enabled on a bucket."""


class Kind(StrEnum):
    """The kind of a fault at a call. botocore tries a call up to three times."""

    THROTTLED = "throttled once"  # refused before any effect; botocore tries again
    BROKEN = "server error at every try"  # refused before any effect; the product gets the error
    LOST_ONCE = "answer lost once"  # botocore repeats a call that has taken effect
    LOST = "answers lost at every try"  # it took effect, and the product cannot know
    GONE_BEFORE = "process gone before"
    GONE_AFTER = "process gone after"
    OVERTAKEN = "overtaken"  # before the call another worker gets all messages, also those in flight
    OUTAGE = "outage of the service"  # from this call on, for OUTAGE_SECONDS
    CONFLICT_ONCE = "transaction conflict once"
    CONFLICT = "transaction conflicts without end"
    UNREASONED = "transaction cancelled without a reason"
    CUT = "body cut short"
    UNSETTLED = "bucket not settled"  # from this call on, for SETTLING_SECONDS: versioning was just enabled
    NOT_TAKEN = "one message or event not taken"  # of several in one call
    NOT_DELETED = "messages not deleted"  # at the poller's call: processed messages are redelivered
    LATE_REPLAY = "process gone after, replayed when deduplication has lapsed"
    LATER_REPLAY = "process gone after, replayed when the job has ended and deduplication has lapsed"


OFTEN = frozenset({Kind.GONE_BEFORE, Kind.GONE_AFTER, Kind.LOST, Kind.OVERTAKEN})
"""The faults that leave work half done, or done twice: --faults=calls tries them at more calls than the others.

`make test` tries every kind of fault once at each call site of each file's scenarios, and `make faults
FAULTS=--singles` and CI every kind at every call.
"""

_ROW_WRITES = {"put_item", "update_item", "delete_item"}
_READS = {
    *("get_item", "batch_get_item", "query", "scan", "get_object", "list_objects_v2"),
    *("get_queue_attributes", "get_metric_statistics"),
}
ACKNOWLEDGE = Site("tests/faults/stage/world.py", "poller", "sqs.delete_message")


@dataclass(frozen=True)
class Place:
    """A kind of fault at a call site."""

    site: Site
    process: str
    kind: Kind


@dataclass(frozen=True)
class Point:
    """One call of a run."""

    number: int
    site: Site
    process: str  # api, worker, dead_letters or poller
    follows: bool = False  # at once: the run's previous call is this process's, which has done nothing since then

    def place(self, kind: Kind) -> Place:
        """Return the place of a fault at this call."""
        return Place(self.site, self.process, kind)

    @property
    def kinds(self) -> list[Kind]:
        """Return the kinds of faults that are possible at this call."""
        if self.site == ACKNOWLEDGE:
            return [Kind.NOT_DELETED]
        operation = self.site.call.partition(".")[2]
        kinds = [Kind.BROKEN, Kind.LOST, Kind.GONE_BEFORE, Kind.OVERTAKEN, Kind.OUTAGE]
        if operation not in _READS:  # for a read, these are no different from the others
            kinds += [Kind.THROTTLED, Kind.LOST_ONCE, Kind.GONE_AFTER]
            if self.process == "api":
                kinds += [Kind.LATE_REPLAY, Kind.LATER_REPLAY]
        if operation in _ROW_WRITES or operation.startswith("transact_"):
            kinds += [Kind.CONFLICT_ONCE, Kind.CONFLICT]
        if operation.startswith("transact_"):
            kinds.append(Kind.UNREASONED)
        if operation == "get_object":
            kinds.append(Kind.CUT)
        if operation in {"get_object", "put_object"}:
            kinds.append(Kind.UNSETTLED)
        if operation in {"send_message_batch", "put_events"}:
            kinds.append(Kind.NOT_TAKEN)
        return kinds


@dataclass(frozen=True)
class Fault:
    """A fault at a call of a run."""

    call: int
    kind: Kind

    def __str__(self) -> str:
        return f"{self.kind} at call {self.call}"


def earliest(fault: Fault, points: Sequence[Point]) -> Fault:
    """Return the earliest fault with the same effect in a run of these calls.

    A process that is gone before a call leaves the same as one that is gone after its previous call, if it does
    nothing between them; and if the previous call only reads, the same as one that is gone before that call.
    """
    while fault.kind is Kind.GONE_BEFORE and points[fault.call - 1].follows:
        previous = points[fault.call - 2]
        has_effect = Kind.GONE_AFTER in previous.kinds
        fault = Fault(previous.number, Kind.GONE_AFTER if has_effect else Kind.GONE_BEFORE)
    return fault


def throttled(service: str, url: str) -> AWSResponse:
    """Return AWS's answer to too many requests."""
    if service == "s3":
        return _s3_error(url, 503, "SlowDown")
    return _json_error(url, 400, "RequestThrottled" if service == "sqs" else "ThrottlingException")


def broken(service: str, url: str) -> AWSResponse:
    """Return AWS's answer for an internal error."""
    if service == "s3":
        return _s3_error(url, 500, "InternalError")
    return _json_error(url, 500, "InternalFailure" if service == "sqs" else "InternalServerError")


def conflict(url: str, body: bytes, at: int) -> AWSResponse:
    """Return the answer for a conflict; in a transaction, the conflict is at the item number `at`."""
    items = json.loads(body).get("TransactItems")
    if items is None:
        return _json_error(url, 400, "TransactionConflictException")
    reasons = [{"Code": "None"} for _ in items]
    reasons[at] = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
    return _json_error(url, 400, "TransactionCanceledException", CancellationReasons=reasons)


def unreasoned(url: str) -> AWSResponse:
    """Return the answer for a transaction that is cancelled without a reason."""
    return _json_error(url, 400, "TransactionCanceledException")


def not_taken(request: AWSPreparedRequest, answer: Callable[[AWSPreparedRequest], AWSResponse]) -> AWSResponse:
    """Send the messages of a call except the first, and return SQS's answer that names this one."""
    request_body: dict[str, Any] = json.loads(cast("bytes", request.body))
    first, *others = request_body["Entries"]
    result: dict[str, object] = {"Successful": []}
    if others:
        body = json.dumps({**request_body, "Entries": others}).encode()
        less = AWSPreparedRequest(request.method, request.url, request.headers, body, request.stream_output)
        result = json.loads(answer(less).content)
    failed = {"Id": first["Id"], "SenderFault": False, "Code": "InternalError", "Message": "injected"}
    body = json.dumps({**result, "Failed": [failed]}).encode()
    return http_response(request.url, 200, {"Content-Type": "application/x-amz-json-1.0"}, body)


def not_put(request: AWSPreparedRequest, answer: Callable[[AWSPreparedRequest], AWSResponse]) -> AWSResponse:
    """Put the events of a call except the first, and return EventBridge's answer that names this one."""
    request_body: dict[str, Any] = json.loads(cast("bytes", request.body))
    _, *others = request_body["Entries"]
    results: list[Any] = []
    if others:
        body = json.dumps({**request_body, "Entries": others}).encode()
        less = AWSPreparedRequest(request.method, request.url, request.headers, body, request.stream_output)
        results = json.loads(answer(less).content)["Entries"]
    refused = {"ErrorCode": "ThrottlingException", "ErrorMessage": "injected"}
    body = json.dumps({"FailedEntryCount": 1, "Entries": [refused, *results]}).encode()
    return http_response(request.url, 200, {"Content-Type": "application/x-amz-json-1.1"}, body)


def unsettled(url: str, method: str, response: AWSResponse) -> AWSResponse:
    """Return S3's answer while it does not find existing objects, and returns no version for a put."""
    if method == "GET" and "list-type=" not in url:
        return _s3_error(url, 404, "NoSuchKey")
    headers = {name: value for name, value in response.headers.items() if name.lower() != "x-amz-version-id"}
    return http_response(url, response.status_code, headers, response.content)


def cut_short(response: AWSResponse) -> AWSResponse:
    """Return the answer with a connection that ends in the middle of the body."""
    whole = response.content
    headers = {**response.headers, "Content-Length": str(len(whole))}
    return http_response(response.url, response.status_code, headers, whole[: len(whole) // 2])


def _json_error(url: str, status: int, code: str, **more: object) -> AWSResponse:
    body = json.dumps({"__type": f"com.amazonaws#{code}", "message": "injected", **more}).encode()
    return http_response(url, status, {"Content-Type": "application/x-amz-json-1.0"}, body)


def _s3_error(url: str, status: int, code: str) -> AWSResponse:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
    return http_response(url, status, {"Content-Type": "application/xml"}, body)
