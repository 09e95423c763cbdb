"""The store behind `GET /stats` counts the messages of all queues, and reads the age of the oldest."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from jobpipe.domain.backlog import Backlog
from jobpipe.domain.clock import now
from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.queues.sqs_backlog import QueueUrls, SqsBacklog
from jobpipe.stores.queues.sqs_commands import SqsCommands
from jobpipe.stores.queues.sqs_parked import SqsParked

Aws = tuple[AwsClients, dict[str, str]]


@pytest.fixture
def backlog(aws: Aws) -> Iterator[SqsBacklog]:
    """Empty the queues before and after the test, since other tests receive from them too."""
    clients, names = aws
    urls = QueueUrls(names["CommandsQueueUrl"], names["DeadLettersQueueUrl"], names["ParkedQueueUrl"])

    def purge() -> None:
        for url in (urls.commands, urls.dead_letters, urls.parked):
            clients.sqs.purge_queue(QueueUrl=url)

    purge()
    yield SqsBacklog(clients, urls)
    purge()


def send(aws: Aws, queue: str) -> None:
    clients, names = aws
    SqsCommands(clients, names[queue]).send(Envelope("{}", uuid.uuid4().hex, uuid.uuid4().hex))


def put_age(aws: Aws, seconds: float, ago: timedelta, queue: str = "CommandsQueueUrl") -> None:
    """Publish the metric as SQS does on AWS."""
    clients, names = aws
    point: Any = {
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": names[queue].rpartition("/")[2]}],
        "Timestamp": now() - ago,
        "Value": seconds,
    }
    clients.cloudwatch.put_metric_data(Namespace="AWS/SQS", MetricData=[point])


def test_empty_queues_have_the_age_zero(aws: Aws, backlog: SqsBacklog) -> None:
    put_age(aws, 300, timedelta(minutes=4))
    assert backlog.read() == Backlog(0, 0, 0, 0.0, 0, 0)


def test_messages_are_counted_by_queue_and_state(aws: Aws, backlog: SqsBacklog) -> None:
    clients, names = aws
    for _ in range(3):
        send(aws, "CommandsQueueUrl")
    clients.sqs.receive_message(QueueUrl=names["CommandsQueueUrl"], MaxNumberOfMessages=1)
    send(aws, "DeadLettersQueueUrl")
    for _ in range(2):
        SqsParked(clients, names["ParkedQueueUrl"]).park("{", {"reason": "no JSON"})
    clients.sqs.receive_message(QueueUrl=names["ParkedQueueUrl"], MaxNumberOfMessages=1)
    found = backlog.read()
    assert (found.waiting, found.in_flight, found.delayed) == (2, 1, 0)
    assert (found.dead_letters, found.parked) == (1, 2), "parked messages in flight are counted too"


def test_the_age_is_the_latest_value_of_the_queues_metric(aws: Aws, backlog: SqsBacklog) -> None:
    send(aws, "CommandsQueueUrl")
    put_age(aws, 999, timedelta(minutes=9))
    put_age(aws, 777, timedelta(minutes=1), "DeadLettersQueueUrl")
    put_age(aws, 60, timedelta(minutes=3))
    put_age(aws, 120.5, timedelta(minutes=2))
    assert backlog.read().oldest_seconds == 120.5


def test_an_old_value_of_the_metric_is_ignored(aws: Aws) -> None:
    clients, names = aws
    queue = clients.sqs.create_queue(QueueName="unmeasured.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    unmeasured = SqsBacklog(clients, QueueUrls(queue, names["DeadLettersQueueUrl"], names["ParkedQueueUrl"]))
    SqsCommands(clients, queue).send(Envelope("{}", "group", uuid.uuid4().hex))
    put_age((clients, {"Unmeasured": queue}), 999, timedelta(minutes=9), "Unmeasured")
    assert unmeasured.read().oldest_seconds is None
