"""What CloudWatch counts. Metrics travel as log lines (embedded metric format), so they cost no call.

Each has the dimensions `service` and `stage`; where a reason is told, it is counted by that as well.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from jobpipe.domain import json_text
from jobpipe.runtime.telemetry import SERVICE, logger

NAMESPACE = "jobpipe"

_MAX_VALUES = 100  # of one metric in a line, by the format


class MetricUnit(StrEnum):
    """CloudWatch's names of the units."""

    COUNT = "Count"
    SECONDS = "Seconds"
    MILLISECONDS = "Milliseconds"


_API, _WORKER, _DEAD_LETTERS = "jobpipe-api", "jobpipe-worker", "jobpipe-dead-letters"


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that is counted or measured, and which of the functions do."""

    name: str
    unit: MetricUnit
    services: tuple[str, ...]


# commands and retries that got a 202, or the final answer
ACCEPTED = Metric("Accepted", MetricUnit.COUNT, (_API,))
# of the keyed routes, without waiting for jobs
REQUEST_TIME = Metric("RequestTime", MetricUnit.MILLISECONDS, (_API,))
# by requests, for their jobs: in a minute 60 times the executions that waiting holds
WAITED = Metric("Waited", MetricUnit.SECONDS, (_API,))
# waits that ended with the job still queued
WAITS_IN_VAIN = Metric("WaitsInVain", MetricUnit.COUNT, (_API,))
# answered 503, and 500
UNAVAILABLE = Metric("Unavailable", MetricUnit.COUNT, (_API,))
FAULTS = Metric("Faults", MetricUnit.COUNT, (_API,))

# messages of one invocation
BATCH_SIZE = Metric("BatchSize", MetricUnit.COUNT, (_WORKER, _DEAD_LETTERS))
# from the send to the start of the attempt that ended the job
QUEUE_DELAY = Metric("QueueDelay", MetricUnit.MILLISECONDS, (_WORKER,))
# at the start of every attempt, from the send: of what comes again and again SQS's own age says nothing
COMMAND_AGE = Metric("CommandAge", MetricUnit.SECONDS, (_WORKER,))
ATTEMPT_TIME = Metric("AttemptTime", MetricUnit.MILLISECONDS, (_WORKER,))
# as soon as it is certain; a commit whose answer is lost is found done by the next delivery, and not counted
SUCCEEDED = Metric("Succeeded", MetricUnit.COUNT, (_WORKER,))
# by the slug of the job's problem
FAILED = Metric("Failed", MetricUnit.COUNT, (_WORKER, _DEAD_LETTERS))
# by OUTAGE or FAULT; a worker that was killed is one of Lambda's errors
INTERRUPTED = Metric("Interrupted", MetricUnit.COUNT, (_WORKER,))
PARKED = Metric("Parked", MetricUnit.COUNT, (_WORKER, _DEAD_LETTERS))
# jobs that the consumer of dead letters ended, each of them failed, too
DEAD_LETTERS = Metric("DeadLetters", MetricUnit.COUNT, (_DEAD_LETTERS,))

OUTAGE, FAULT = "outage", "fault"


_Values = tuple[MetricUnit, list[float]]
_ByReason = dict[str, dict[str, _Values]]  # and by the metric's name


@dataclass
class Meter:
    """Collects what one invocation counts; safe to be added to by several threads."""

    stage: str
    _added: deque[tuple[Metric, float, str]] = field(default_factory=deque)  # its append is atomic

    def add(self, metric: Metric, value: float = 1, *, reason: str = "") -> None:
        """Count it with the next `write`."""
        self._added.append((metric, value, reason))

    def write(self) -> None:
        """A line of what was added since the last one, and one for each reason. Lines are not interleaved: call it
        when the threads are done.
        """
        try:
            while self._added:
                for reason, metrics in self._take().items():
                    sys.stdout.write(_in_embedded_format(metrics, self.stage, reason) + "\n")
            sys.stdout.flush()
        except Exception:  # noqa: BLE001  # what is counted must not cost what is done
            logger.warning("metrics not written", exc_info=True)

    def _take(self) -> _ByReason:
        """What was added first, as much of it as a line may hold."""
        taken: _ByReason = {}
        for _ in range(min(len(self._added), _MAX_VALUES)):
            metric, value, reason = self._added.popleft()
            _, values = taken.setdefault(reason, {}).setdefault(metric.name, (metric.unit, []))
            values.append(float(value))
        return taken


def _in_embedded_format(metrics: Mapping[str, _Values], stage: str, reason: str) -> str:
    """One line; where there is a reason, CloudWatch counts with it and without."""
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    sets, dimensions = [["service", "stage"]], {"service": SERVICE, "stage": stage}
    if reason:
        sets, dimensions = [*sets, ["service", "stage", "reason"]], {**dimensions, "reason": reason}
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": sets,
        "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()],
    }
    about = {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [directive]}
    return json_text.encode({"_aws": about, **dimensions, **{name: told for name, (_, told) in metrics.items()}})


meter = Meter(os.environ.get("STAGE", "none"))
"""Of this process. Like the logger's, its settings come from the environment."""
