"""P8: a message that is no command is parked, a dead letter ends its job, and neither affects other items."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import tenacity

from jobpipe.domain.commands.command import CreateItem
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.claim_check import Claim
from jobpipe.domain.jobs.queue_message import QueueMessage, seal
from tests.helpers.deployed import Stage, unique

VISIBILITY_SECONDS = 30  # 6 x the worker's time-out on an emulator

soon = tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.1), reraise=True)


def test_a_message_that_is_no_command_is_parked_and_the_others_take_effect(stage: Stage) -> None:
    sqs = stage.aws("sqs")
    junk, group = unique("junk"), uuid.uuid4().hex
    sqs.send_message(
        QueueUrl=stage.resources["commands_queue_url"],
        MessageBody=junk,
        MessageGroupId=group,
        MessageDeduplicationId=group,
    )
    jobs = [stage.client.create({"name": unique("Beside junk"), "description": "d"}) for _ in range(12)]
    assert all(stage.client.wait(job).succeeded for job in jobs)
    parked = take(stage, "parked_queue_url", lambda message: message["Body"] == junk)
    attributes = {name: value["StringValue"] for name, value in parked["MessageAttributes"].items()}
    assert "not valid JSON" in attributes["reason"]
    assert attributes["source"] == "commands"
    assert attributes["group_id"] == group


def test_the_job_of_a_dead_letter_ends_failed_and_can_be_retried(stage: Stage) -> None:
    """The test sends the message to the queue to which SQS would move it after a thousand receives."""
    name = unique("Dead letter")
    body = {"name": name, "description": "d"}
    # The test stores the job itself, so it has no other message.
    job_id, generation, item_id = uuid.uuid4().hex, uuid.uuid4().hex[:16], str(uuid.uuid4())
    stage.put_job(job_id, generation, item_id)
    envelope = seal(QueueMessage(JobRef(job_id, generation), item_id, CreateItem(item_id, body), "test"))
    stage.aws("sqs").send_message(
        QueueUrl=stage.resources["dead_letters_queue_url"],
        MessageBody=envelope.body,
        MessageGroupId=envelope.group_id,
        MessageDeduplicationId=envelope.deduplication_id,
    )

    @soon
    def ended() -> Any:
        answer = stage.request("GET", f"/jobs/{job_id}").json()
        assert answer["done"], answer
        return answer

    failed = ended()
    assert failed["status"] == "failed"
    assert failed["error"]["type"].endswith(":attempts-spent")
    assert stage.request("POST", f"/jobs/{job_id}/retry").status_code == 202
    again = ended()
    assert again["status"] == "succeeded"
    assert again["result"]["name"] == name
    assert again["retries"] == 1


def test_a_command_with_a_fault_is_redelivered_with_a_backoff_and_fails_after_five_attempts(
    stage: Stage,
) -> None:
    """Its claim check is no command, which is a fault. Without a backoff it would be delivered every 30 s."""
    job_id, generation, item_id = uuid.uuid4().hex, uuid.uuid4().hex[:16], str(uuid.uuid4())
    stage.put_job(job_id, generation, item_id)
    claim = Claim(f"claims/{job_id}/{generation}/{'0' * 64}.json")
    stage.aws("s3").put_object(Bucket=stage.resources["documents_bucket"], Key=claim.key, Body=b"no command")
    envelope = seal(QueueMessage(JobRef(job_id, generation), item_id, claim, "test"))
    stage.aws("sqs").send_message(
        QueueUrl=stage.resources["commands_queue_url"],
        MessageBody=envelope.body,
        MessageGroupId=envelope.group_id,
        MessageDeduplicationId=envelope.deduplication_id,
    )
    started, seen = time.monotonic(), set()

    @tenacity.retry(stop=tenacity.stop_after_delay(90), wait=tenacity.wait_fixed(0.1), reraise=True)
    def wait_until_ended() -> Any:
        job = stage.request("GET", f"/jobs/{job_id}").json()
        seen.add((job["status"], job["attempts"]))
        assert job["done"], job
        return job

    job = wait_until_ended()
    assert (job["status"], job["attempts"]) == ("failed", 5)
    assert job["error"]["type"].endswith(":attempts-spent")
    assert {("retrying", attempts) for attempts in range(1, 5)} <= seen
    assert time.monotonic() - started < 4 * VISIBILITY_SECONDS


def take(stage: Stage, queue: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Remove the wanted message from the queue and return it."""
    sqs, url = stage.aws("sqs"), stage.resources[queue]

    @soon
    def received() -> dict[str, Any]:
        messages = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1, MessageAttributeNames=["All"]
        ).get("Messages", [])
        (message,) = [message for message in messages if wanted(message)]
        return dict(message)

    message = received()
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return message
