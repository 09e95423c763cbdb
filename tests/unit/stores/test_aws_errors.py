"""Which errors of AWS are outages, conflicts or failed conditions, most of which emulators never return.

botocore's Stubber checks the requests against the service model and the expected ones; none is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore import exceptions as botocore_errors
from botocore.parsers import ResponseParserError
from botocore.stub import ANY

from jobpipe.domain.commands.command import DeleteItem
from jobpipe.domain.documents.item import Created, DocumentRef, Removed, Replaced, StoredItem
from jobpipe.domain.errors import ItemChanged, JobEnded, Unavailable, ValueLocked
from jobpipe.domain.events.cloud_event import Event
from jobpipe.domain.events.delivery import Line
from jobpipe.domain.events.delivery_messages import Sweep, WakeLine
from jobpipe.domain.events.ended_jobs import EndedJob, WaitingTask
from jobpipe.domain.events.webhook import Webhook
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.batch import Batch
from jobpipe.domain.jobs.job import Status, Success, new_job
from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.runtime.aws import Conflict, aws_call, settle_conflicts
from jobpipe.runtime.deadline import limit_calls
from jobpipe.stores.dynamodb_rows import job_to_row
from tests.helpers.stubbed import Stubbed

NOW = datetime(2026, 11, 22, tzinfo=UTC)
REF = JobRef("a" * 32, "b" * 16)
JOB = new_job(DeleteItem("i"), "alice", None, NOW, timedelta(days=7))
BATCH = Batch("batch-" + "a" * 32, "alice", "f", "seed", 1, {}, 1, "t", int(NOW.timestamp()) + 1)
WEBHOOK = Webhook("w", "alice", "https://a.example/", ("job.ended",), (), "whsec_", "t", "t", creation="c")
ITEM = StoredItem("i", "v1", "n", DocumentRef("k", "s3v"), "{}", "t", "t")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobpipe.runtime.aws.time.sleep", lambda _: None)


@pytest.mark.parametrize(
    "error",
    [
        botocore_errors.EndpointConnectionError(endpoint_url="x"),
        botocore_errors.ConnectTimeoutError(endpoint_url="x"),
        botocore_errors.ConnectionClosedError(endpoint_url="x"),
        botocore_errors.ReadTimeoutError(endpoint_url="x"),
        botocore_errors.SSLError(endpoint_url="x", error=OSError()),
        botocore_errors.ProxyConnectionError(proxy_url="x"),
        botocore_errors.HTTPClientError(error="x"),
        botocore_errors.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        botocore_errors.NoCredentialsError(),
        botocore_errors.CredentialRetrievalError(provider="x", error_msg="x"),
        ResponseParserError("cut short"),
    ],
)
def test_a_missing_response_is_an_outage(error: Exception) -> None:
    with pytest.raises(Unavailable), aws_call("It"):
        raise error


CALLS: list[tuple[str, str, Callable[[Stubbed], Any]]] = [
    ("dynamodb", "get_item", lambda s: s.jobs.get("j")),
    ("dynamodb", "put_item", lambda s: s.jobs.put_new(JOB, NOW)),
    ("dynamodb", "update_item", lambda s: s.jobs.fail(REF, {"status": 409}, NOW)),
    ("dynamodb", "get_item", lambda s: s.items.get("i")),
    ("dynamodb", "scan", lambda s: s.items.page(1, None)),
    ("dynamodb", "transact_write_items", lambda s: s.items.commit(Created(ITEM), REF, Success(), NOW)),
    ("s3", "put_object", lambda s: s.documents.put("k", "{}")),
    ("s3", "get_object", lambda s: s.documents.get(DocumentRef("k", "v"))),
    ("s3", "delete_object", lambda s: s.documents.delete(["k"])),
    ("s3", "delete_objects", lambda s: s.documents.delete_together(["k"])),
    ("s3", "list_objects_v2", lambda s: s.documents.keys("p")),
    ("s3", "get_object", lambda s: s.documents.get_by_key("k")),
    ("dynamodb", "update_item", lambda s: s.jobs.begin_attempt(REF, 0, NOW)),
    ("dynamodb", "update_item", lambda s: s.jobs.record_interruption(REF, {"status": 503}, 0, 1, NOW)),
    ("dynamodb", "query", lambda s: s.jobs.list_jobs("alice", Status.FAILED, 1, None, NOW)),
    ("sqs", "send_message", lambda s: s.queue.send(Envelope("{}", "g", "d"))),
    ("sqs", "delete_message", lambda s: s.queue.delete(["r"])),
    ("sqs", "change_message_visibility", lambda s: s.queue.postpone([("r", 1)])),
    ("sqs", "send_message", lambda s: s.parked.park("junk", {"reason": "r"})),
    ("sqs", "send_message_batch", lambda s: s.queue.send_batch([Envelope("{}", "g", "d")])),
    ("dynamodb", "batch_get_item", lambda s: s.batches.jobs(["j"])),
    ("sqs", "get_queue_attributes", lambda s: s.backlog.read()),
    ("dynamodb", "scan", lambda s: s.scheduled.read()),
    ("dynamodb", "get_item", lambda s: s.webhooks.all()),
    ("dynamodb", "query", lambda s: s.webhooks.of_owner("alice")),
    ("dynamodb", "transact_write_items", lambda s: s.webhooks.put_new(WEBHOOK, 10)),
    ("dynamodb", "get_item", lambda s: s.webhooks.created_by("alice", "c")),
    ("dynamodb", "query", lambda s: s.deliveries.page("alice", "w", 1, None)),
    ("dynamodb", "query", lambda s: s.deliveries.head(Line("alice", "w", "d"))),
    ("dynamodb", "delete_item", lambda s: s.deliveries._delete({"partition": {"S": "p"}, "entry": {"S": "e"}})),
    ("sqs", "send_message_batch", lambda s: s.events.send_ended([("g", [EndedJob(REF)])])),
    ("sqs", "send_message", lambda s: s.events.send_task(WaitingTask("j"))),
    ("sqs", "send_message_batch", lambda s: s.lines.deliver_now([WakeLine(Line("alice", "w", "d"))])),
    ("sqs", "send_message", lambda s: s.lines.sweep(Sweep("alice", "w"))),
    ("eventbridge", "put_events", lambda s: s.bus.put([Event("e", "job.ended", "items", "jobs/1", "1", "{}")])),
]
OUTAGES = [
    ("KMS.ThrottlingException", 400),
    ("KmsDisabled", 400),
    ("InternalServerError", 500),
    ("SomethingNew", 503),
    ("ThrottlingException", 400),
    ("ProvisionedThroughputExceededException", 400),
    ("RequestLimitExceeded", 400),
    ("RequestThrottled", 403),
    ("SlowDown", 503),
    ("ExpiredTokenException", 400),
    ("AccessDenied", 403),
    ("ResourceNotFoundException", 400),
    ("TooManyRequestsException", 429),
]


@pytest.mark.parametrize(("code", "status"), OUTAGES)
@pytest.mark.parametrize(("service", "operation", "call"), CALLS, ids=[f"{s}.{o}" for s, o, _ in CALLS])
def test_throttles_and_server_errors_are_outages(
    stubbed: Stubbed, service: str, operation: str, call: Callable[[Stubbed], Any], code: str, status: int
) -> None:
    stubbed.stubs[service].add_client_error(operation, code, http_status_code=status)
    with pytest.raises(Unavailable):
        call(stubbed)


@pytest.mark.parametrize(("service", "operation", "call"), CALLS, ids=[f"{s}.{o}" for s, o, _ in CALLS])
def test_other_errors_are_faults_and_are_not_translated(
    stubbed: Stubbed, service: str, operation: str, call: Callable[[Stubbed], Any]
) -> None:
    stubbed.stubs[service].add_client_error(operation, "ValidationException", http_status_code=400)
    with pytest.raises(botocore_errors.ClientError, match="ValidationException"):
        call(stubbed)


@pytest.mark.parametrize(("operation", "call"), [(o, c) for s, o, c in CALLS if o in ("put_item", "update_item")])
def test_a_write_that_conflicts_with_a_transaction_is_retried(
    stubbed: Stubbed, operation: str, call: Callable[[Stubbed], Any]
) -> None:
    stubbed.dynamodb.add_client_error(operation, "TransactionConflictException", http_status_code=400)
    stubbed.dynamodb.add_response(operation, {})
    call(stubbed)


def test_a_conflict_at_every_try_is_an_outage() -> None:
    tries: list[int] = []

    def write() -> None:
        tries.append(1)
        raise Conflict

    with pytest.raises(Unavailable):
        settle_conflicts(write)
    assert len(tries) == 5


CHANGES = [Created(ITEM), Replaced(ITEM, ITEM), Removed(ITEM)]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: type(change).__name__)
@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_transaction_cancelled_for_a_transient_reason_is_retried(
    stubbed: Stubbed, change: Any, code: str, position: int
) -> None:
    codes = ["None", "None", "None"]
    codes[position] = code
    stubbed.cancelled(*codes)
    stubbed.dynamodb.add_response("transact_write_items", {})
    stubbed.items.commit(change, REF, Success(), NOW)


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        (("ConditionalCheckFailed", "ConditionalCheckFailed", "ConditionalCheckFailed"), JobEnded),
        (("ConditionalCheckFailed", "TransactionConflict", "None"), JobEnded),
        (("None", "ConditionalCheckFailed", "ConditionalCheckFailed"), ItemChanged),
        (("None", "ConditionalCheckFailed", "None"), ItemChanged),
        (("None", "None", "ConditionalCheckFailed"), ValueLocked),
        (("None", "None", "None", "ConditionalCheckFailed"), ValueLocked),
        (("None", "ValidationError", "None"), botocore_errors.ClientError),
    ],
)
def test_the_most_important_reason_of_a_cancelled_transaction_is_raised(
    stubbed: Stubbed, codes: tuple[str, ...], error: type[Exception]
) -> None:
    stubbed.cancelled(*codes)
    with pytest.raises(error):
        stubbed.items.commit(Created(ITEM), REF, Success(), NOW)


@pytest.mark.parametrize("codes", [(), ("ConditionalCheckFailed",), ("None", "None"), ("None", "None", "None")])
@pytest.mark.parametrize("change", CHANGES[:1] + CHANGES[2:], ids=lambda change: type(change).__name__)
def test_a_transaction_cancelled_without_a_reason_is_an_outage(
    stubbed: Stubbed, change: Any, codes: tuple[str, ...]
) -> None:
    """It is not known which condition failed, so the caller must not get a 4xx."""
    for _ in range(5):
        stubbed.cancelled(*codes)
    with pytest.raises(Unavailable):
        stubbed.items.commit(change, REF, Success(), NOW)


@pytest.mark.parametrize("codes", [(), ("ConditionalCheckFailed",), ("None", "None")])
def test_a_batch_cancelled_without_a_reason_is_an_outage(stubbed: Stubbed, codes: tuple[str, ...]) -> None:
    for put in (stubbed.batches.put_new, stubbed.batches.put_rest):
        for _ in range(5):
            stubbed.cancelled(*codes)
        with pytest.raises(Unavailable):
            put(*((BATCH, [JOB], NOW) if put == stubbed.batches.put_new else (replace(BATCH, stored=0), [JOB])))


def test_a_conflict_counts_before_a_failed_condition(stubbed: Stubbed) -> None:
    stubbed.cancelled("None", "TransactionConflict", "ConditionalCheckFailed")
    stubbed.dynamodb.add_response("transact_write_items", {})
    stubbed.items.commit(Created(ITEM), REF, Success(), NOW)


def test_the_earlier_job_is_returned_with_the_refusal(stubbed: Stubbed) -> None:
    stubbed.dynamodb.add_client_error(
        "put_item",
        "ConditionalCheckFailedException",
        http_status_code=400,
        modeled_fields={"Item": job_to_row(JOB)},
        expected_params={
            "TableName": "jobs",
            "Item": ANY,
            "ConditionExpression": "attribute_not_exists(job_id) OR expires_at <= :now",
            "ExpressionAttributeValues": {":now": {"N": str(int(NOW.timestamp()))}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
    )
    assert stubbed.jobs.put_new(JOB, NOW) == JOB


def test_the_earlier_job_is_read_if_the_refusal_does_not_have_it(stubbed: Stubbed) -> None:
    for found in ({"Item": job_to_row(JOB)}, {}):
        stubbed.dynamodb.add_client_error("put_item", "ConditionalCheckFailedException", http_status_code=400)
        stubbed.dynamodb.add_response("get_item", found)
    assert stubbed.jobs.put_new(JOB, NOW) == JOB
    with pytest.raises(Unavailable):
        stubbed.jobs.put_new(JOB, NOW)


def test_every_read_is_consistent(stubbed: Stubbed) -> None:
    for table, key in (("jobs", "job_id"), ("items", "item_id")):
        stubbed.dynamodb.add_response(
            "get_item", {}, {"TableName": table, "Key": {key: {"S": "x"}}, "ConsistentRead": True}
        )
    assert stubbed.jobs.get("x") is None
    assert stubbed.items.get("x") is None
    stubbed.dynamodb.add_response("scan", {"Items": []}, {"TableName": "items", "Limit": 7, "ConsistentRead": True})
    assert stubbed.items.page(7, None).items == []


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion"])
def test_a_version_that_the_bucket_no_longer_has_is_none(stubbed: Stubbed, code: str) -> None:
    expected = {"Bucket": "documents", "Key": "k", "VersionId": "v"}
    stubbed.stubs["s3"].add_client_error("get_object", code, http_status_code=404, expected_params=expected)
    by_key = {"Bucket": "documents", "Key": "k"}
    stubbed.stubs["s3"].add_client_error("get_object", "NoSuchKey", http_status_code=404, expected_params=by_key)
    assert stubbed.documents.get(DocumentRef("k", "v")) is None


def test_a_message_is_sent_with_its_group_and_deduplication_id(stubbed: Stubbed) -> None:
    stubbed.stubs["sqs"].add_response(
        "send_message",
        {},
        {
            "QueueUrl": "https://sqs/commands.fifo",
            "MessageBody": "{}",
            "MessageGroupId": "g",
            "MessageDeduplicationId": "d",
        },
    )
    stubbed.queue.send(Envelope("{}", "g", "d"))


@pytest.mark.parametrize(("service", "operation", "call"), CALLS, ids=[f"{s}.{o}" for s, o, _ in CALLS])
def test_no_call_begins_when_it_is_too_late(
    stubbed: Stubbed, service: str, operation: str, call: Callable[[Stubbed], Any]
) -> None:
    with limit_calls(9, lambda: 8.9), pytest.raises(Unavailable, match="time"):
        call(stubbed)
    with limit_calls(9, lambda: 9.1):
        stubbed.stubs[service].add_client_error(operation, "ValidationException", http_status_code=400)
        with pytest.raises(botocore_errors.ClientError, match="ValidationException"):
            call(stubbed)
