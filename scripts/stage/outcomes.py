"""How a stage's jobs ended in the last minutes: from CloudWatch's metrics, on an emulator from the log lines that
CloudWatch would read them from.
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

_ENDED_BY = (SUCCEEDED, FAILED)
_PERIOD = 60  # seconds: what CloudWatch keeps for 15 days


@dataclass
class Outcomes:
    """Of the jobs that ended."""

    succeeded: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # by the slug of the problem
    is_complete: bool = True  # if False, there are more, which cannot be read


def read_outcomes(stage: str | None, base_url: str, minutes: int) -> Outcomes:
    """Of a stage that was deployed from here, and is the one at `base_url`; OperatorError if it cannot be read."""
    opened = open_stage(stage)
    if opened.deployment.base_url != base_url:
        raise OperatorError(f"the stage {opened.deployment.stage!r} that was deployed from here is another one")
    try:
        if opened.is_emulated:
            return from_log(opened.target.client("logs"), opened.deployment.stage, minutes)
        return from_metrics(opened.target.client("cloudwatch"), opened.deployment.stage, minutes)
    except LIBRARY_ERRORS as error:
        raise OperatorError(describe(error)) from None


def from_log(logs: Any, stage: str, minutes: int) -> Outcomes:
    """Of all functions that end jobs. A function's first line makes its log group: before, there is none."""
    outcomes = Outcomes()
    since = int((time.time() - minutes * 60) * 1000)
    for group in _groups(logs, stage):
        events = LogEvents(logs, group, since, pattern='"_aws"')
        for event in events:
            line = _embedded(event["message"])
            outcomes.succeeded += _sum(line, SUCCEEDED)
            if n := _sum(line, FAILED):
                outcomes.failed[str(line.get("reason", "unknown"))] += n
        outcomes.is_complete = outcomes.is_complete and events.is_complete
    return outcomes


def _groups(logs: Any, stage: str) -> list[str]:
    services = {service for metric in _ENDED_BY for service in metric.services}
    ours = {group for group, function in log_groups(stage).items() if f"jobpipe-{function}" in services}
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=log_group_prefix(stage))
    there = {group["logGroupName"] for page in pages for group in page["logGroups"]}
    return sorted(ours & there)


def _embedded(message: str) -> dict[str, Any]:
    """A line in the embedded metric format; nothing of other lines."""
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
    """The same of metrics, each of which CloudWatch keeps by the function that counted it."""
    wanted = [(SUCCEEDED, "", _dimensions(service, stage)) for service in SUCCEEDED.services]
    for own in (_dimensions(service, stage) for service in FAILED.services):
        reasons = sorted(set(_reasons(cloudwatch, own)))
        wanted += [(FAILED, each, [*own, {"Name": "reason", "Value": each}]) for each in reasons]
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
            for n, (metric, _, dimensions) in enumerate(wanted)
        ],
        StartTime=end - timedelta(minutes=minutes),
        EndTime=end,
    )
    sums: Counter[str] = Counter()
    for page in pages:
        for result in page["MetricDataResults"]:
            sums[result["Id"]] += int(sum(result["Values"]))
    outcomes = Outcomes()
    for n, (metric, reason, _) in enumerate(wanted):
        if metric is SUCCEEDED:
            outcomes.succeeded += sums[f"m{n}"]
        elif sums[f"m{n}"]:
            outcomes.failed[reason] += sums[f"m{n}"]
    return outcomes


def _dimensions(service: str, stage: str) -> list[dict[str, str]]:
    return [{"Name": "service", "Value": service}, {"Name": "stage", "Value": stage}]


def _reasons(cloudwatch: Any, own: list[dict[str, str]]) -> Iterator[str]:
    pages = cloudwatch.get_paginator("list_metrics").paginate(
        Namespace=NAMESPACE, MetricName=FAILED.name, Dimensions=own
    )
    for metric in (metric for page in pages for metric in page["Metrics"]):
        yield from (each["Value"] for each in metric["Dimensions"] if each["Name"] == "reason")
