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

from botocore.exceptions import BotoCoreError, ClientError

from infra.aws_errors import rights_problem
from infra.errors import OperatorError
from infra.stack_names import FUNCTIONS, log_group_prefix
from infra.stage_file import Deployment
from jobpipe.metrics import FAILED, NAMESPACE, SUCCEEDED, Metric
from scripts.stage_aws import open_stage

_SERVICES = SUCCEEDED.services[0]
_PERIOD = 60  # seconds: what CloudWatch keeps for 15 days


@dataclass
class Outcomes:
    """Of the jobs that ended."""

    succeeded: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # by the slug of the problem


def read_outcomes(stage: str | None, base_url: str, minutes: int) -> Outcomes:
    """Of a stage that was deployed from here, and is the one at `base_url`; OperatorError if it cannot be read."""
    opened = open_stage(stage)
    if opened.deployment.base_url != base_url:
        raise OperatorError(f"the stage {opened.deployment.stage!r} that was deployed from here is another one")
    try:
        if opened.is_emulated:
            return _from_log(opened.target.client("logs"), opened.deployment, minutes)
        return _from_metrics(opened.target.client("cloudwatch"), opened.deployment, minutes)
    except (BotoCoreError, ClientError) as error:
        raise OperatorError(rights_problem(error) or f"AWS says: {error}") from error


def _from_log(logs: Any, deployment: Deployment, minutes: int) -> Outcomes:
    outcomes = Outcomes()
    group = f"{log_group_prefix(deployment.stage)}{FUNCTIONS[1]}"
    since = int((time.time() - minutes * 60) * 1000)
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
    for event in (event for page in pages for event in page["events"]):
        line = _embedded(event["message"])
        outcomes.succeeded += _sum(line, SUCCEEDED)
        if n := _sum(line, FAILED):
            outcomes.failed[str(line.get("reason", "unknown"))] += n
    return outcomes


def _embedded(message: str) -> dict[str, Any]:
    """A line in the embedded metric format; nothing of other lines."""
    if '"_aws"' not in message:
        return {}
    try:
        line = json.loads(message)
    except ValueError:
        return {}
    return line if isinstance(line, dict) and line.get("service") == _SERVICES else {}


def _sum(line: dict[str, Any], metric: Metric) -> int:
    return int(sum(line.get(metric.name, ())))


def _from_metrics(cloudwatch: Any, deployment: Deployment, minutes: int) -> Outcomes:
    own = [{"Name": "service", "Value": _SERVICES}, {"Name": "stage", "Value": deployment.stage}]
    reasons = sorted(set(_reasons(cloudwatch, own)))
    wanted = [(SUCCEEDED, own), *((FAILED, [*own, {"Name": "reason", "Value": each}]) for each in reasons)]
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
            for n, (metric, dimensions) in enumerate(wanted)
        ],
        StartTime=end - timedelta(minutes=minutes),
        EndTime=end,
    )
    sums: Counter[str] = Counter()
    for page in pages:
        for result in page["MetricDataResults"]:
            sums[result["Id"]] += int(sum(result["Values"]))
    outcomes = Outcomes(succeeded=sums["m0"])
    for n, reason in enumerate(reasons, 1):
        if sums[f"m{n}"]:
            outcomes.failed[reason] = sums[f"m{n}"]
    return outcomes


def _reasons(cloudwatch: Any, own: list[dict[str, str]]) -> Iterator[str]:
    pages = cloudwatch.get_paginator("list_metrics").paginate(
        Namespace=NAMESPACE, MetricName=FAILED.name, Dimensions=own
    )
    for metric in (metric for page in pages for metric in page["Metrics"]):
        yield from (each["Value"] for each in metric["Dimensions"] if each["Name"] == "reason")
