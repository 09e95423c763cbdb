"""The worker depends on SQS: a group waits for its first message, and parked messages are unchanged."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import tenacity

from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.domain.limits import MAX_CALL_BYTES, MAX_CALL_MESSAGES, MAX_QUEUED_BYTES
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.queues.sqs_commands import SqsCommands
from jobpipe.stores.queues.sqs_parked import SqsParked

Aws = tuple[AwsClients, dict[str, str]]


def receive(aws: Aws, queue: str, **options: Any) -> list[Any]:
    clients, names = aws
    answer = clients.sqs.receive_message(QueueUrl=names[queue], MaxNumberOfMessages=10, **options)
    return list(answer.get("Messages", []))


def send(aws: Aws, group: str, *bodies: str) -> SqsCommands:
    clients, names = aws
    queue = SqsCommands(clients, names["CommandsQueueUrl"])
    for body in bodies:
        queue.send(Envelope(body, group, uuid.uuid4().hex))
    return queue


def test_postponed_messages_are_redelivered_before_the_rest_of_their_group(aws: Aws) -> None:
    group = uuid.uuid4().hex
    queue = send(aws, group, "1", "2")
    first = receive(aws, "CommandsQueueUrl")
    assert [message["Body"] for message in first] == ["1", "2"]
    queue.postpone([(message["ReceiptHandle"], 600) for message in first])
    send(aws, group, "3")
    assert receive(aws, "CommandsQueueUrl") == [], "the group waits for its postponed messages"
    queue.postpone([(message["ReceiptHandle"], 0) for message in first])

    @tenacity.retry(stop=tenacity.stop_after_delay(10), wait=tenacity.wait_fixed(0.1), reraise=True)
    def redelivered() -> list[Any]:
        messages = receive(aws, "CommandsQueueUrl")
        assert messages
        return messages

    messages = redelivered()
    assert [message["Body"] for message in messages] == ["1", "2", "3"]
    clients, names = aws
    for message in messages:
        clients.sqs.delete_message(QueueUrl=names["CommandsQueueUrl"], ReceiptHandle=message["ReceiptHandle"])


def test_an_expired_receipt_handle_is_not_an_error(aws: Aws) -> None:
    queue = send(aws, uuid.uuid4().hex, "1")
    (message,) = receive(aws, "CommandsQueueUrl")
    clients, names = aws
    clients.sqs.delete_message(QueueUrl=names["CommandsQueueUrl"], ReceiptHandle=message["ReceiptHandle"])
    queue.postpone([(message["ReceiptHandle"], 5)])
    queue.delete([message["ReceiptHandle"]])
    queue.postpone([])
    queue.delete([])


def test_the_largest_message_can_be_parked_with_the_longest_reason(aws: Aws) -> None:
    clients, names = aws
    group = "g" * 128
    body = "x" * MAX_QUEUED_BYTES
    send(aws, group, body)
    (message,) = receive(aws, "CommandsQueueUrl")
    clients.sqs.delete_message(QueueUrl=names["CommandsQueueUrl"], ReceiptHandle=message["ReceiptHandle"])
    attributes = {"reason": "r" * 500, "source": "dead-letters", "group_id": group, "message_id": str(uuid.uuid4())}
    SqsParked(clients, names["ParkedQueueUrl"]).park(body, {**attributes, "empty": ""})
    (parked,) = receive(aws, "ParkedQueueUrl", MessageAttributeNames=["All"])
    assert parked["Body"] == body
    assert {name: value["StringValue"] for name, value in parked["MessageAttributes"].items()} == attributes


def test_no_larger_message_can_be_queued(aws: Aws) -> None:
    with pytest.raises(
        Exception, match=r"(?i)shorter|longer|must be|too long|InvalidParameterValue|InvalidMessage"
    ):
        send(aws, uuid.uuid4().hex, "x" * (MAX_QUEUED_BYTES + 1))


def test_a_call_takes_as_many_bytes_as_a_batch_puts_into_it(aws: Aws) -> None:
    clients, names = aws
    queue = SqsCommands(clients, names["CommandsQueueUrl"])

    def call(total: int, messages: int) -> list[Envelope]:
        sizes = [total // messages + (n < total % messages) for n in range(messages)]
        return [Envelope("x" * size, uuid.uuid4().hex, uuid.uuid4().hex) for size in sizes]

    assert queue.send_batch(call(MAX_CALL_BYTES, MAX_CALL_MESSAGES)) == {}
    assert queue.send_batch(call(MAX_CALL_BYTES, -(-MAX_CALL_BYTES // MAX_QUEUED_BYTES))) == {}
    with pytest.raises(clients.sqs.exceptions.BatchRequestTooLong):
        queue.send_batch(call(MAX_CALL_BYTES + 1, MAX_CALL_MESSAGES))
    clients.sqs.purge_queue(QueueUrl=names["CommandsQueueUrl"])
