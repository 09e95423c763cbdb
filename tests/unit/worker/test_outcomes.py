"""The outcomes count jobs of every function that ends jobs; botocore's Stubber plays AWS."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from botocore.stub import ANY, Stubber

from jobpipe.runtime.metrics import FAILED, NAMESPACE
from jobpipe_client.cli.commands.stats import outcome_rows
from scripts.stage.outcomes import Outcomes, from_log, from_metrics
from tests.helpers.stubbed import a_client

WORKER, DEAD_LETTERS = FAILED.services


def metric_line(service: str, name: str, values: list[int], reason: str = "") -> dict[str, Any]:
    line = {"_aws": {}, "service": service, "stage": "s", name: values, **({"reason": reason} if reason else {})}
    return {"message": json.dumps(line), "timestamp": 1}


def test_the_log_of_every_function_that_ends_jobs_is_read() -> None:
    groups = [f"/aws/lambda/jobpipe-s-{function}" for function in ("api", "dead-letters", "other-api", "worker")]
    with Stubber(a_client("logs")) as stub:
        stub.add_response(
            "describe_log_groups",
            {"logGroups": [{"logGroupName": group} for group in groups]},
            {"logGroupNamePrefix": "/aws/lambda/jobpipe-s-"},
        )
        events = {
            groups[1]: [
                metric_line(DEAD_LETTERS, "Failed", [1, 1], "attempts-spent"),
                metric_line(DEAD_LETTERS, "Failed", [1], "name-taken"),
            ],
            groups[3]: [
                metric_line(WORKER, "Succeeded", [2, 1]),
                metric_line(WORKER, "Failed", [1], "name-taken"),
                metric_line("another", "Failed", [1], "name-taken"),
                {"message": "no metric", "timestamp": 1},
            ],
        }
        for group, lines in events.items():
            asked = {"logGroupName": group, "startTime": ANY, "filterPattern": '"_aws"'}
            stub.add_response("filter_log_events", {"events": lines}, asked)
        outcomes = from_log(stub.client, "s", 10)
        stub.assert_no_pending_responses()
    assert outcomes.succeeded == 3
    assert outcomes.failed == {"attempts-spent": 2, "name-taken": 2}


def test_a_function_without_log_lines_has_no_log_group() -> None:
    with Stubber(a_client("logs")) as stub:
        stub.add_response("describe_log_groups", {"logGroups": []})
        outcomes = from_log(stub.client, "s", 10)
    assert (outcomes.succeeded, outcomes.failed) == (0, {})


def test_the_metrics_of_every_service_that_ends_jobs_are_added() -> None:
    now = datetime.now(UTC)
    with Stubber(a_client("cloudwatch")) as stub:
        for service, reasons in ((WORKER, ["name-taken"]), (DEAD_LETTERS, ["attempts-spent", "name-taken"])):
            own = [{"Name": "service", "Value": service}, {"Name": "stage", "Value": "s"}]
            found = [
                {"MetricName": "Failed", "Dimensions": [*own, {"Name": "reason", "Value": each}]}
                for each in reasons
            ]
            stub.add_response(
                "list_metrics",
                {"Metrics": [{"MetricName": "Failed", "Dimensions": own}, *found]},
                {"Namespace": NAMESPACE, "MetricName": "Failed", "Dimensions": own},
            )
        values = {"m0": [4.0, 1.0], "m1": [3.0], "m2": [2.0], "m3": [1.0]}
        results = [{"Id": name, "Timestamps": [now], "Values": found} for name, found in values.items()]
        stub.add_response("get_metric_data", {"MetricDataResults": results})
        outcomes = from_metrics(stub.client, "s", 10)
        stub.assert_no_pending_responses()
    assert outcomes.succeeded == 5
    assert outcomes.failed == {"name-taken": 4, "attempts-spent": 2}


def test_incomplete_outcomes_are_shown_with_at_least() -> None:
    outcomes = Outcomes(6000, Counter({"name-taken": 2}), is_complete=False)
    assert outcome_rows(outcomes, 10) == [
        ("succeeded in 10 min", "at least 6,000"),
        ("failed: name-taken", "at least 2"),
    ]
    assert [value for _, value in outcome_rows(Outcomes(6000, Counter({"name-taken": 2})), 10)] == ["6,000", "2"]
    assert outcome_rows(None, 10) == []
