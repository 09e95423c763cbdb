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


_API, _WORKER, _DEAD_LETTERS = "jobpipe-api", "jobpipe-worker", "jobpipe-dead-letters"


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that is counted or measured, and which of the functions do."""

    name: str
    unit: MetricUnit
    services: tuple[str, ...]


# commands and retries that got a 202, or the final answer
ACCEPTED = Metric("Accepted", MetricUnit.Count, (_API,))
# of the keyed routes, without waiting for jobs
REQUEST_TIME = Metric("RequestTime", MetricUnit.Milliseconds, (_API,))
# by requests, for their jobs: in a minute 60 times the executions that waiting holds
WAITED = Metric("Waited", MetricUnit.Seconds, (_API,))
# waits that ended with the job still queued
WAITS_IN_VAIN = Metric("WaitsInVain", MetricUnit.Count, (_API,))
# answered 503, and 500
UNAVAILABLE = Metric("Unavailable", MetricUnit.Count, (_API,))
FAULTS = Metric("Faults", MetricUnit.Count, (_API,))

# messages of one invocation
BATCH_SIZE = Metric("BatchSize", MetricUnit.Count, (_WORKER, _DEAD_LETTERS))
# from the send to the start of the attempt that ended the job
QUEUE_DELAY = Metric("QueueDelay", MetricUnit.Milliseconds, (_WORKER,))
# at the start of every attempt, from the send: of what comes again and again SQS's own age says nothing
COMMAND_AGE = Metric("CommandAge", MetricUnit.Seconds, (_WORKER,))
ATTEMPT_TIME = Metric("AttemptTime", MetricUnit.Milliseconds, (_WORKER,))
# as soon as it is certain; a commit whose answer is lost is found done by the next delivery, and not counted
SUCCEEDED = Metric("Succeeded", MetricUnit.Count, (_WORKER,))
# by the slug of the job's problem
FAILED = Metric("Failed", MetricUnit.Count, (_WORKER,))
# by OUTAGE or FAULT; a worker that was killed is one of Lambda's errors
INTERRUPTED = Metric("Interrupted", MetricUnit.Count, (_WORKER,))
PARKED = Metric("Parked", MetricUnit.Count, (_WORKER, _DEAD_LETTERS))
# jobs that the consumer of dead letters ended
DEAD_LETTERS = Metric("DeadLetters", MetricUnit.Count, (_DEAD_LETTERS,))

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
        try:
            while self._added:
                metric, value, reason = self._added.popleft()
                if reason not in by_reason:
                    by_reason[reason] = self._line(reason)
                by_reason[reason].add_metric(metric.name, metric.unit, value)
            for line in by_reason.values():
                line.flush_metrics()
        except Exception:  # noqa: BLE001  # what is counted must not cost what is done
            logger.warning("metrics not written", exc_info=True)

    def _line(self, reason: str) -> EphemeralMetrics:
        dimensions = {"service": logger.service, "stage": self.stage}
        line = EphemeralMetrics(namespace=NAMESPACE, default_dimensions=dimensions)
        if reason:
            line.add_dimensions(reason=reason)
        return line


meter = Meter(os.environ.get("STAGE", "none"))
"""Of this process. Like the logger's, its settings come from the environment."""
