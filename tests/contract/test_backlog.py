"""What `GET /stats` tells is what is on the queues."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from jobpipe.domain.backlog import Backlog
from jobpipe.domain.clock import now
from jobpipe.domain.queue_message import Envelope
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.sqs_backlog import QueueUrls, SqsBacklog
from jobpipe.stores.sqs_commands import SqsCommands
from jobpipe.stores.sqs_parked import SqsParked

Aws = tuple[AwsClients, dict[str, str]]


@pytest.fixture
def gauge(aws: Aws) -> Iterator[SqsBacklog]:
    """Of queues that are empty before, and after, since others receive from them too."""
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


def tell_age(aws: Aws, seconds: float, ago: timedelta, queue: str = "CommandsQueueUrl") -> None:
    """As SQS tells CloudWatch on AWS."""
    clients, names = aws
    point: Any = {
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": names[queue].rpartition("/")[2]}],
        "Timestamp": now() - ago,
        "Value": seconds,
    }
    clients.cloudwatch.put_metric_data(Namespace="AWS/SQS", MetricData=[point])


def test_empty_queues_have_nothing_old(aws: Aws, gauge: SqsBacklog) -> None:
    tell_age(aws, 300, timedelta(minutes=4))
    assert gauge.read() == Backlog(0, 0, 0, 0.0, 0, 0)


def test_each_message_is_counted_where_it_is(aws: Aws, gauge: SqsBacklog) -> None:
    clients, names = aws
    for _ in range(3):
        send(aws, "CommandsQueueUrl")
    clients.sqs.receive_message(QueueUrl=names["CommandsQueueUrl"], MaxNumberOfMessages=1)
    send(aws, "DeadLettersQueueUrl")
    for _ in range(2):
        SqsParked(clients, names["ParkedQueueUrl"]).park("{", {"reason": "no JSON"})
    clients.sqs.receive_message(QueueUrl=names["ParkedQueueUrl"], MaxNumberOfMessages=1)
    found = gauge.read()
    assert (found.waiting, found.in_flight, found.delayed) == (2, 1, 0)
    assert (found.dead_letters, found.parked) == (1, 2), "those that somebody looks at are there too"


def test_the_age_is_the_latest_that_was_told_of_this_queue(aws: Aws, gauge: SqsBacklog) -> None:
    send(aws, "CommandsQueueUrl")
    tell_age(aws, 999, timedelta(minutes=9))
    tell_age(aws, 777, timedelta(minutes=1), "DeadLettersQueueUrl")
    tell_age(aws, 60, timedelta(minutes=3))
    tell_age(aws, 120.5, timedelta(minutes=2))
    assert gauge.read().oldest_seconds == 120.5


def test_what_was_told_long_ago_is_no_age(aws: Aws) -> None:
    clients, names = aws
    queue = clients.sqs.create_queue(QueueName="untold.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    untold = SqsBacklog(clients, QueueUrls(queue, names["DeadLettersQueueUrl"], names["ParkedQueueUrl"]))
    SqsCommands(clients, queue).send(Envelope("{}", "group", uuid.uuid4().hex))
    tell_age((clients, {"Untold": queue}), 999, timedelta(minutes=9), "Untold")
    assert untold.read().oldest_seconds is None
