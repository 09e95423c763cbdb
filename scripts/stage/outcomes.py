"""Counts how a stage's jobs ended in the last minutes.

The source is CloudWatch's metrics. An emulator has no metrics, so there the log lines behind them are read.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.cli.aws_errors import LIBRARY_ERRORS, describe
from infra.errors import OperatorError
from infra.stage.log_events import LogEvents
from infra.stage.names import log_group_prefix, log_groups
from jobpipe.runtime.metrics import FAILED, NAMESPACE, SUCCEEDED, Metric
from scripts.stage.aws import open_stage

_PERIOD = 60  # seconds; CloudWatch stores the values of one-minute periods for 15 days


@dataclass
class Outcomes:
    """The numbers of jobs that succeeded and failed."""

    succeeded: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # by the slug of the problem
    is_complete: bool = True  # False if there are more jobs that cannot be read


def read_outcomes(stage: str | None, base_url: str, minutes: int) -> Outcomes:
    """Read the outcomes of a stage. Raise OperatorError if this checkout did not deploy it at `base_url`."""
    opened = open_stage(stage)
    if opened.deployment.base_url != base_url:
        raise OperatorError(f"the stage {opened.deployment.stage!r} that was deployed from here has another URL")
    try:
        if opened.is_emulated:
            return from_log(opened.target.client("logs"), opened.deployment.stage, minutes)
        return from_metrics(opened.target.client("cloudwatch"), opened.deployment.stage, minutes)
    except LIBRARY_ERRORS as error:
        raise OperatorError(describe(error)) from None


def from_log(logs: Any, stage: str, minutes: int) -> Outcomes:
    """Count the outcomes in the log lines of all functions that end jobs."""
    outcomes = Outcomes()
    since = int((time.time() - minutes * 60) * 1000)
    for group in _log_groups(logs, stage):
        events = LogEvents(logs, group, since, pattern='"_aws"')
        for event in events:
            line = _metric_line(event["message"])
            outcomes.succeeded += _sum(line, SUCCEEDED)
            if n := _sum(line, FAILED):
                outcomes.failed[str(line.get("reason", "unknown"))] += n
        outcomes.is_complete = outcomes.is_complete and events.is_complete
    return outcomes


def _log_groups(logs: Any, stage: str) -> list[str]:
    """Return the existing log groups of functions that end jobs; a function's first line creates its group."""
    services = {*SUCCEEDED.services, *FAILED.services}
    ours = {group for group, function in log_groups(stage).items() if f"jobpipe-{function}" in services}
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=log_group_prefix(stage))
    return sorted(ours & {group["logGroupName"] for page in pages for group in page["logGroups"]})


def _metric_line(message: str) -> dict[str, Any]:
    """Parse a line in the embedded metric format; return an empty object for other lines."""
    if '"_aws"' not in message:
        return {}
    try:
        line = json.loads(message)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


def _sum(line: dict[str, Any], metric: Metric) -> int:
    return int(sum(line.get(metric.name, ()))) if line.get("service") in metric.services else 0


def from_metrics(cloudwatch: Any, stage: str, minutes: int) -> Outcomes:
    """Add up the metrics of all functions that end jobs."""
    metrics = [(SUCCEEDED, "", _dimensions(service, stage)) for service in SUCCEEDED.services]
    for dimensions in (_dimensions(service, stage) for service in FAILED.services):
        reasons = sorted(set(_reasons(cloudwatch, dimensions)))
        metrics += [(FAILED, each, [*dimensions, {"Name": "reason", "Value": each}]) for each in reasons]
    end = datetime.now(UTC)
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[
            {
                "Id": f"m{n}",
                "MetricStat": {
                    "Metric": {"Namespace": NAMESPACE, "MetricName": metric.name, "Dimensions": dimensions},
                    "Period": _PERIOD,
                    "Stat": "Sum",
                },
            }
            for n, (metric, _, dimensions) in enumerate(metrics)
        ],
        StartTime=end - timedelta(minutes=minutes),
        EndTime=end,
    )
    outcomes = Outcomes()
    for result in (result for page in pages for result in page["MetricDataResults"]):
        metric, reason, _ = metrics[int(result["Id"].removeprefix("m"))]
        total = int(sum(result["Values"]))
        if metric is SUCCEEDED:
            outcomes.succeeded += total
        elif total:
            outcomes.failed[reason] += total
    return outcomes


def _dimensions(service: str, stage: str) -> list[dict[str, str]]:
    return [{"Name": "service", "Value": service}, {"Name": "stage", "Value": stage}]


def _reasons(cloudwatch: Any, dimensions: list[dict[str, str]]) -> Iterator[str]:
    """Yield the values of the dimension `reason` that the metric has."""
    pages = cloudwatch.get_paginator("list_metrics").paginate(
        Namespace=NAMESPACE, MetricName=FAILED.name, Dimensions=dimensions
    )
    for metric in (metric for page in pages for metric in page["Metrics"]):
        yield from (each["Value"] for each in metric["Dimensions"] if each["Name"] == "reason")
