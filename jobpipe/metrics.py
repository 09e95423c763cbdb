"""What CloudWatch counts. Metrics travel as log lines (embedded metric format), so they cost no call.

Each has the dimensions `service` and `stage`; where a reason is told, it is counted by that as well.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from jobpipe.telemetry import logger

NAMESPACE = "jobpipe"


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that is counted or measured."""

    name: str
    unit: MetricUnit


# of the API
ACCEPTED = Metric("Accepted", MetricUnit.Count)  # commands and retries that got a 202, or the final answer
REQUEST_TIME = Metric("RequestTime", MetricUnit.Milliseconds)  # of the keyed routes, without waiting for jobs
UNAVAILABLE = Metric("Unavailable", MetricUnit.Count)  # answered 503
FAULTS = Metric("Faults", MetricUnit.Count)  # answered 500
# of the worker
BATCH_SIZE = Metric("BatchSize", MetricUnit.Count)
QUEUE_DELAY = Metric("QueueDelay", MetricUnit.Milliseconds)  # from the send to the first attempt
ATTEMPT_TIME = Metric("AttemptTime", MetricUnit.Milliseconds)
SUCCEEDED = Metric("Succeeded", MetricUnit.Count)
FAILED = Metric("Failed", MetricUnit.Count)  # by the slug of the job's problem
INTERRUPTED = Metric("Interrupted", MetricUnit.Count)  # by OUTAGE or FAULT; a killed worker is Lambda's error
# of the worker and of the consumer of dead letters
PARKED = Metric("Parked", MetricUnit.Count)
# of the consumer of dead letters
DEAD_LETTERS = Metric("DeadLetters", MetricUnit.Count)  # jobs that it ended

OUTAGE, FAULT = "outage", "fault"


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
        by_reason: dict[str, EphemeralMetrics] = {}
        while self._added:
            metric, value, reason = self._added.popleft()
            if reason not in by_reason:
                by_reason[reason] = self._line(reason)
            by_reason[reason].add_metric(metric.name, metric.unit, value)
        for line in by_reason.values():
            line.flush_metrics()

    def _line(self, reason: str) -> EphemeralMetrics:
        dimensions = {"service": logger.service, "stage": self.stage}
        line = EphemeralMetrics(namespace=NAMESPACE, default_dimensions=dimensions)
        if reason:
            line.add_dimensions(reason=reason)
        return line


meter = Meter(os.environ.get("STAGE", "none"))
"""Of this process. Like the logger's, its settings come from the environment."""
