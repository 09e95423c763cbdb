"""The number of messages on the queues, from SQS, and the age of the oldest, from CloudWatch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from jobpipe.domain.backlog import Backlog
from jobpipe.domain.clock import now
from jobpipe.domain.errors import Unavailable
from jobpipe.runtime.aws import AwsClients, aws_call
from jobpipe.runtime.telemetry import logger

_WAITING: Final = "ApproximateNumberOfMessages"
_IN_FLIGHT: Final = "ApproximateNumberOfMessagesNotVisible"
_DELAYED: Final = "ApproximateNumberOfMessagesDelayed"
_AGE_PERIOD = timedelta(minutes=5)
"""SQS sends the age to CloudWatch once a minute, and it appears there some minutes later."""
_MINUTE = 60
AGE_CACHED_FOR = timedelta(minutes=1)
"""CloudWatch gets a new value only once a minute, and charges a fee for each request."""


@dataclass(frozen=True, slots=True)
class QueueUrls:
    """The three queues of a stage."""

    commands: str
    dead_letters: str
    parked: str


class SqsBacklog:
    """BacklogGauge on SQS and CloudWatch."""

    def __init__(self, clients: AwsClients, queues: QueueUrls) -> None:
        self._clients = clients
        self._queues = queues
        self._cached: tuple[datetime, float | None] | None = None  # when the age was read, and the age

    def read(self) -> Backlog:
        """Return the counts of some seconds ago, and the age of a minute or two ago."""
        commands, dead_letters, parked = map(
            self._counts, (self._queues.commands, self._queues.dead_letters, self._queues.parked)
        )
        return Backlog(
            waiting=commands[_WAITING],
            in_flight=commands[_IN_FLIGHT],
            delayed=commands[_DELAYED],
            oldest_seconds=self._cached_age() if sum(commands.values()) else self._drop_cached_age(),
            dead_letters=sum(dead_letters.values()),
            parked=sum(parked.values()),
        )

    def _counts(self, url: str) -> dict[str, int]:
        with aws_call("A queue"):
            response = self._clients.sqs.get_queue_attributes(
                QueueUrl=url, AttributeNames=[_WAITING, _IN_FLIGHT, _DELAYED]
            )
        counts = response["Attributes"]
        return {
            _WAITING: int(counts[_WAITING]),
            _IN_FLIGHT: int(counts[_IN_FLIGHT]),
            _DELAYED: int(counts[_DELAYED]),
        }

    def _cached_age(self) -> float | None:
        """Return the age from the last minute's request, or request it; None is cached too."""
        at = now()
        if self._cached is None or not timedelta() <= at - self._cached[0] < AGE_CACHED_FOR:
            self._cached = at, self._oldest()
        return self._cached[1]

    def _drop_cached_age(self) -> float:
        """Return the age for an empty queue, and drop the cached one, since later messages are younger."""
        self._cached = None
        return 0.0

    def _oldest(self) -> float | None:
        at = now()
        try:
            with aws_call("CloudWatch"):
                response = self._clients.cloudwatch.get_metric_statistics(
                    Namespace="AWS/SQS",
                    MetricName="ApproximateAgeOfOldestMessage",
                    Dimensions=[{"Name": "QueueName", "Value": self._queues.commands.rpartition("/")[2]}],
                    StartTime=at - _AGE_PERIOD,
                    EndTime=at,
                    Period=_MINUTE,
                    Statistics=["Maximum"],
                )
        except Unavailable:  # the counts are useful without the age
            logger.warning("the age of the oldest message is not known", exc_info=True)
            return None
        points = sorted(response["Datapoints"], key=lambda point: point["Timestamp"])
        return float(points[-1]["Maximum"]) if points else None
