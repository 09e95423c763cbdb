"""Metrics, written as log lines in CloudWatch's embedded metric format, so that they need no API calls.

Each metric has the dimensions `service` and `stage`, and `reason` if there is one. Commands of other collections
than `items` are also counted by `collection`.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from jobpipe.domain import json_text
from jobpipe.domain.documents.item_ref import ITEMS
from jobpipe.runtime.telemetry import SERVICE, logger

NAMESPACE = "jobpipe"

_MAX_VALUES = 100  # of one metric in a line, a limit of the format


class MetricUnit(StrEnum):
    """CloudWatch's names of the units."""

    COUNT = "Count"
    SECONDS = "Seconds"
    MILLISECONDS = "Milliseconds"


_API, _WORKER, _DEAD_LETTERS = "jobpipe-api", "jobpipe-worker", "jobpipe-dead-letters"
_EVENTS, _DELIVERIES = "jobpipe-events", "jobpipe-deliveries"
_RELEASE = "jobpipe-release"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric, and the functions that write it."""

    name: str
    unit: MetricUnit
    services: tuple[str, ...]


# commands and retries that were answered with 202, or with the final response
ACCEPTED = Metric("Accepted", MetricUnit.COUNT, (_API,))
# the time of requests that need a key, without waiting for jobs
REQUEST_TIME = Metric("RequestTime", MetricUnit.MILLISECONDS, (_API,))
# the time for which requests waited for their jobs; 60 s in a minute keep one execution busy
WAITED = Metric("Waited", MetricUnit.SECONDS, (_API,))
# waits that ended before the job did
WAITS_IN_VAIN = Metric("WaitsInVain", MetricUnit.COUNT, (_API,))
# responses with 503, and with 500
UNAVAILABLE = Metric("Unavailable", MetricUnit.COUNT, (_API,))
FAULTS = Metric("Faults", MetricUnit.COUNT, (_API,))

# messages of one invocation
BATCH_SIZE = Metric("BatchSize", MetricUnit.COUNT, (_WORKER, _DEAD_LETTERS, _EVENTS, _DELIVERIES))
# from the send to the start of the attempt that ended the job
QUEUE_DELAY = Metric("QueueDelay", MetricUnit.MILLISECONDS, (_WORKER,))
# from the send to the start of each attempt; SQS's own metric ignores messages that are redelivered often
COMMAND_AGE = Metric("CommandAge", MetricUnit.SECONDS, (_WORKER,))
ATTEMPT_TIME = Metric("AttemptTime", MetricUnit.MILLISECONDS, (_WORKER,))
# a commit whose response is lost is not counted: the next delivery finds the job ended
SUCCEEDED = Metric("Succeeded", MetricUnit.COUNT, (_WORKER,))
# failed jobs, by the slug of the problem
FAILED = Metric("Failed", MetricUnit.COUNT, (_WORKER, _DEAD_LETTERS))
# interrupted attempts, by OUTAGE or FAULT; Lambda's own metric counts workers that died
INTERRUPTED = Metric("Interrupted", MetricUnit.COUNT, (_WORKER,))
PARKED = Metric("Parked", MetricUnit.COUNT, (_WORKER, _DEAD_LETTERS))
# jobs that failed by a dead letter; FAILED counts them too
DEAD_LETTERS = Metric("DeadLetters", MetricUnit.COUNT, (_DEAD_LETTERS,))

# from the time of a scheduled command until SQS has its message
RELEASE_DELAY = Metric("ReleaseDelay", MetricUnit.SECONDS, (_RELEASE,))

# attempts to deliver an event to a webhook: successful ones, and failed ones
DELIVERED = Metric("Delivered", MetricUnit.COUNT, (_DELIVERIES,))
DELIVERY_FAILED = Metric("DeliveryFailed", MetricUnit.COUNT, (_DELIVERIES,))
# messages about ended jobs whose events the event bus did not take
BUS_FAILED = Metric("BusFailed", MetricUnit.COUNT, (_EVENTS,))
# ended jobs whose tasks could not be answered, since Step Functions refused the answer for good
TASK_REFUSED = Metric("TaskRefused", MetricUnit.COUNT, (_EVENTS,))
# deliveries whose last attempt failed; DELIVERY_FAILED counts it too
GIVEN_UP = Metric("GivenUp", MetricUnit.COUNT, (_DELIVERIES,))
# webhooks that were paused because their deliveries had failed for days, or because the receiver is gone
WEBHOOK_PAUSED = Metric("WebhookPaused", MetricUnit.COUNT, (_DELIVERIES,))

OUTAGE, FAULT = "outage", "fault"


_Values = tuple[MetricUnit, list[float]]
_Lines = dict[tuple[str, str], dict[str, _Values]]  # by reason and collection, and by the metric's name


@dataclass
class Meter:
    """Collects the metrics of one invocation; several threads may add to it."""

    stage: str
    _added: deque[tuple[Metric, float, tuple[str, str]]] = field(default_factory=deque)  # its append is atomic

    def add(self, metric: Metric, value: float = 1, *, reason: str = "", collection: str = ITEMS) -> None:
        """Add a value to the next `write`."""
        self._added.append((metric, value, (reason, collection)))

    def write(self) -> None:
        """Write a line for each reason and collection, and one without. Call this when all threads are done."""
        try:
            while self._added:
                for (reason, collection), metrics in self._take().items():
                    sys.stdout.write(_in_embedded_format(metrics, self.stage, reason, collection) + "\n")
            sys.stdout.flush()
        except Exception:  # noqa: BLE001  # metrics must not make a request or command fail
            logger.warning("metrics not written", exc_info=True)

    def _take(self) -> _Lines:
        """Take the values that were added first, as many as fit in a line."""
        taken: _Lines = {}
        for _ in range(min(len(self._added), _MAX_VALUES)):
            metric, value, line = self._added.popleft()
            _, values = taken.setdefault(line, {}).setdefault(metric.name, (metric.unit, []))
            values.append(float(value))
        return taken


def _in_embedded_format(metrics: Mapping[str, _Values], stage: str, reason: str, collection: str) -> str:
    """Return one line; CloudWatch counts its values with the dimension of a reason or collection, and without."""
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    units = tuple((name, unit) for name, (unit, _) in metrics.items())
    directive, dimensions = _directive(stage, reason, collection, units)
    values = json_text.encode({name: values for name, (_, values) in metrics.items()})
    metadata = f'{{"Timestamp":{time.time_ns() // 1_000_000},"CloudWatchMetrics":[{directive}]}}'
    return f'{{"_aws":{metadata},{dimensions[1:-1]},{values[1:]}'


@lru_cache(maxsize=256)
def _directive(
    stage: str, reason: str, collection: str, units: tuple[tuple[str, MetricUnit], ...]
) -> tuple[str, str]:
    """Return the parts that all lines with these metrics share: the directive and the dimensions, as JSON texts."""
    sets, dimensions = [["service", "stage"]], {"service": SERVICE, "stage": stage}
    if reason:
        sets, dimensions = [*sets, ["service", "stage", "reason"]], {**dimensions, "reason": reason}
    if collection != ITEMS:  # not by both: each combination that gets values is billed
        sets, dimensions = [*sets, ["service", "stage", "collection"]], {**dimensions, "collection": collection}
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": sets,
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in units],
    }
    return json_text.encode(directive), json_text.encode(dimensions)


meter = Meter(os.environ.get("STAGE", "none"))
"""The meter of this process."""
