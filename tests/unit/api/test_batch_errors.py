"""Answers of AWS to the calls of batches that emulators never or seldom give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from jobpipe.domain.errors import InternalError, Unavailable
from jobpipe.domain.jobs.batch import commands_of, jobs_of, new_batch, parse_batch
from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.stores.dynamodb_rows import job_to_row
from jobpipe.stores.jobs.batch_rows import batch_to_row
from tests.helpers.stubbed import Stubbed

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "jobpipe.runtime.aws.time.sleep", lambda _: None
    )  # of the module time, so for all that use it


ASKED = parse_batch({"commands": [{"operation": "delete", "item_id": "i"}] * 2}, lambda _: None)
BATCH = new_batch(ASKED, "alice", None, NOW, timedelta(days=7))
JOBS = jobs_of(BATCH, commands_of(BATCH, ASKED), ASKED, NOW, timedelta(days=7))
ENVELOPES = [Envelope(body, group, f"{body}:d") for body, group in (("1", "a"), ("2", "b"), ("3", "c"))]


def keys_of(*job_ids: str) -> dict[str, Any]:
    return {"jobs": {"Keys": [{"job_id": {"S": job_id}} for job_id in job_ids]}}


def test_a_batch_that_is_in_another_transaction_is_put_again(stubbed: Stubbed) -> None:
    stubbed.cancelled("TransactionConflict", "None", "None")
    stubbed.cancelled("None", "ThrottlingError", "None")
    stubbed.dynamodb.add_response("transact_write_items", {})
    assert stubbed.batches.put_new(BATCH, JOBS, NOW) is None


def test_a_batch_in_conflict_for_ever_is_an_outage(stubbed: Stubbed) -> None:
    for _ in range(5):
        stubbed.cancelled("TransactionConflict", "None", "None")
    with pytest.raises(Unavailable):
        stubbed.batches.put_new(BATCH, JOBS, NOW)


def test_an_existing_batch_is_read_if_the_refusal_does_not_have_it(stubbed: Stubbed) -> None:
    stubbed.cancelled("ConditionalCheckFailed", "TransactionConflict", "None")
    stubbed.dynamodb.add_response("get_item", {"Item": batch_to_row(BATCH)})
    assert stubbed.batches.put_new(BATCH, JOBS, NOW) == BATCH


def test_a_batch_that_is_refused_and_gone_is_an_outage(stubbed: Stubbed) -> None:
    stubbed.cancelled("ConditionalCheckFailed", "None", "None")
    stubbed.dynamodb.add_response("get_item", {})
    with pytest.raises(Unavailable):
        stubbed.batches.put_new(BATCH, JOBS, NOW)


def test_another_reason_for_a_batch_is_a_fault(stubbed: Stubbed) -> None:
    stubbed.cancelled("None", "ValidationError", "None")
    with pytest.raises(ClientError):
        stubbed.batches.put_new(BATCH, JOBS, NOW)


def test_jobs_that_are_left_out_of_an_answer_are_asked_for_again(stubbed: Stubbed) -> None:
    """DynamoDB gives 16 MB at once, and less when it is busy."""
    first, second = JOBS
    rest = keys_of(second.job_id)
    stubbed.dynamodb.add_response(
        "batch_get_item", {"Responses": {"jobs": [job_to_row(first)]}, "UnprocessedKeys": rest}
    )
    nothing = {"Responses": {}, "UnprocessedKeys": rest}
    stubbed.dynamodb.add_response("batch_get_item", nothing, {"RequestItems": rest})
    stubbed.dynamodb.add_response("batch_get_item", {"Responses": {"jobs": [job_to_row(second)]}})
    assert stubbed.batches.jobs([first.job_id, second.job_id]) == {each.job_id: each for each in JOBS}


def test_jobs_that_are_never_returned_are_an_outage(stubbed: Stubbed) -> None:
    for _ in range(5):
        stubbed.dynamodb.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": keys_of("j")})
    with pytest.raises(Unavailable):
        stubbed.batches.jobs(["j"])


def test_only_messages_that_sqs_confirms_count_as_sent(stubbed: Stubbed) -> None:
    taken = {"Id": "1", "MessageId": "m", "MD5OfMessageBody": "c81e728d9d4c2f636f067f89cc14862c"}
    failed = {"Id": "0", "SenderFault": False, "Code": "InternalError"}
    stubbed.stubs["sqs"].add_response("send_message_batch", {"Successful": [taken], "Failed": [failed]})
    refused = stubbed.queue.send_batch(ENVELOPES)
    assert {name: type(why) for name, why in refused.items()} == {"1:d": Unavailable, "3:d": Unavailable}


@pytest.mark.parametrize(
    ("code", "kind"), [("InvalidMessageContents", InternalError), ("RequestThrottled", Unavailable)]
)
def test_a_message_that_sqs_calls_invalid_is_no_outage(stubbed: Stubbed, code: str, kind: type) -> None:
    failed = [{"Id": f"{n}", "SenderFault": True, "Code": code} for n in range(3)]
    stubbed.stubs["sqs"].add_response("send_message_batch", {"Successful": [], "Failed": failed})
    assert {type(why) for why in stubbed.queue.send_batch(ENVELOPES).values()} == {kind}


def test_a_call_for_several_messages_that_fails_is_an_outage(stubbed: Stubbed) -> None:
    stubbed.stubs["sqs"].add_client_error("send_message_batch", "ServiceUnavailable", http_status_code=503)
    with pytest.raises(Unavailable):
        stubbed.queue.send_batch(ENVELOPES)
