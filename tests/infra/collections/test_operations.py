"""The alarms, the dashboard, the topic, and the operators' page about them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from infra.settings import ROOT
from infra.stage.names import FUNCTIONS
from tests.infra import metrics
from tests.infra.rendered import rendered

ALARM = "AWS::CloudWatch::Alarm"
PAGE = (ROOT / "docs" / "operations.md").read_text()
ALARMS = rendered("operations", Events="on").of_type(ALARM)


def sections() -> dict[str, str]:
    """Return the page's sections on alarms by their anchors."""
    part = re.search(r"^## Alarms\n(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE)
    assert part
    heads = re.split(r"^### (.+)\n", part[1], flags=re.MULTILINE)[1:]
    return {re.sub(r"\W+", "-", head.lower()): text for head, text in zip(heads[::2], heads[1::2], strict=True)}


def dashboard() -> dict[str, Any]:
    (properties,) = rendered("operations").of_type("AWS::CloudWatch::Dashboard").values()
    body: dict[str, Any] = json.loads(properties["DashboardBody"])
    return body


def lines() -> list[tuple[str, str, dict[str, str], dict[str, Any]]]:
    """Return namespace, metric, dimensions and options of every line of the dashboard."""
    found = []
    for widget in dashboard()["widgets"]:
        for namespace, metric, *rest in widget["properties"]["metrics"]:
            options = rest.pop() if isinstance(rest[-1], dict) else {}
            found.append((namespace, metric, dict(zip(rest[::2], rest[1::2], strict=True)), options))
    return found


def assert_is_emitted(metric: str, dimensions: dict[str, str]) -> None:
    assert (dimensions["service"], metric) in metrics.UNITS
    assert dimensions["stage"] == "prod"
    assert set(dimensions) - {"service", "stage"} <= {"reason"}
    if "reason" in dimensions:
        assert dimensions["reason"] in metrics.REASONS[metric]


@pytest.mark.parametrize("name", ALARMS)
def test_a_description_is_a_sentence_and_a_link_to_a_section(name: str) -> None:
    alarm = ALARMS[name]

    sentence, anchor = alarm["AlarmDescription"].split(" docs/operations.md#")
    assert sentence.endswith(".")
    assert f"`{alarm['AlarmName'].removeprefix('jobpipe-prod-')}`" in sections()[anchor]


def test_every_section_is_named_by_an_alarm() -> None:
    named = {alarm["AlarmDescription"].rpartition("#")[2] for alarm in ALARMS.values()}

    assert named == set(sections())


@pytest.mark.parametrize("anchor", sections())
def test_every_section_has_all_parts(anchor: str) -> None:
    for part in ("*Means*", "*Look*", "*Do*"):
        assert part in sections()[anchor]


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_and_its_end_are_published_to_the_topic(name: str) -> None:
    alarm = ALARMS[name]

    assert alarm["AlarmActions"] == alarm["OKActions"] == ["Topic"]
    # Only of a function that must be started each minute does it mean something that there are no values.
    assert alarm["TreatMissingData"] == ("breaching" if name == "ReleaseNotStarted" else "notBreaching")
    assert "Metrics" not in alarm, "emulators do not evaluate metric math"
    assert alarm["Period"] % 60 == 0
    assert alarm["Period"] * alarm["EvaluationPeriods"] <= 86_400, "CloudWatch allows no longer time"


@pytest.mark.parametrize("name", [name for name, alarm in ALARMS.items() if alarm["Namespace"] == "jobpipe"])
def test_an_alarm_on_a_custom_metric_names_an_existing_one(name: str) -> None:
    alarm = ALARMS[name]
    dimensions = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}

    assert_is_emitted(alarm["MetricName"], dimensions)
    unit = metrics.UNITS[dimensions["service"], alarm["MetricName"]]
    statistic = {"Count": "Sum", "Milliseconds": "p99", "Seconds": "Maximum"}[unit]
    assert statistic == alarm.get("Statistic", alarm.get("ExtendedStatistic"))


def test_the_list_of_alarms() -> None:
    named = {alarm["AlarmName"].removeprefix("jobpipe-prod-") for alarm in ALARMS.values()}

    assert named == {
        "parked-messages",
        "dead-letters",
        "dead-letters-waiting",
        "dead-letters-stuck",
        "command-age",
        "command-age-retrying",
        "commands-expire",
        "api-errors",
        "api-faults",
        "request-time",
        "attempts-spent",
        "command-unreadable",
        "outages",
        "event-age",
        "delivery-age",
        "later-deliveries",
        "webhooks-paused",
        "late-releases",
        "release-not-started",
        *(f"{function}-function-{kind}" for function in FUNCTIONS for kind in ("errors", "throttles")),
    }


def test_a_stage_without_events_has_no_alarms_of_them() -> None:
    without = rendered("operations").of_type(ALARM)
    assert ALARMS.keys() - without.keys() == {
        "EventAge",
        "DeliveryAge",
        "LaterDeliveries",
        "WebhooksPaused",
        *(f"{name}Function{kind}" for name in ("Events", "Deliveries") for kind in ("Errors", "Throttles")),
    }


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("CommandAge", "CommandAgeSeconds"),
        ("CommandAgeRetrying", "CommandAgeSeconds"),
        ("ApiErrors", "ApiErrorRate"),
        ("RequestTime", "RequestTimeMs"),
        ("Outages", "InterruptedLimit"),
        ("EventAge", "EventAgeSeconds"),
        ("LateReleases", "ReleaseDelaySeconds"),
        ("DeliveryAge", "EventAgeSeconds"),
    ],
)
def test_thresholds_are_parameters(name: str, parameter: str) -> None:
    assert rendered("operations", Events="on", **{parameter: "7"}).of_type(ALARM)[name]["Threshold"] == "7"


def test_alarms_and_dashboard_name_exactly_the_existing_resources() -> None:
    foundation = rendered("foundation", Events="on")
    apps = [rendered("api", Events="on"), rendered("worker", Events="on")]
    queues = {queue["QueueName"] for queue in foundation.of_type("AWS::SQS::Queue").values()}
    tables = {table["TableName"] for table in foundation.of_type("AWS::DynamoDB::Table").values()}
    functions = {each["FunctionName"] for app in apps for each in app.of_type("AWS::Lambda::Function").values()}
    (api,) = apps[0].of_type("AWS::ApiGateway::RestApi").values()
    known = {
        "AWS/SQS": {("QueueName", queue) for queue in queues},
        "AWS/DynamoDB": {("TableName", table) for table in tables},
        "AWS/Lambda": {("FunctionName", function) for function in functions},
        "AWS/ApiGateway": {("ApiName", api["Name"])},
    }
    assert api["Body"]["info"]["title"] == api["Name"], "AWS may take the name from either"

    named = [(space, tuple(dimensions.items())) for space, _, dimensions, _ in lines() if space != "jobpipe"]
    for alarm in ALARMS.values():
        if alarm["Namespace"] != "jobpipe":
            dimensions = tuple((each["Name"], each["Value"]) for each in alarm["Dimensions"])
            named.append((alarm["Namespace"], dimensions))
    indexes = {
        ("GlobalSecondaryIndexName", index["IndexName"])
        for table in foundation.of_type("AWS::DynamoDB::Table").values()
        for index in table.get("GlobalSecondaryIndexes", [])
    }
    for namespace, (dimension, *index) in named:
        assert dimension in known[namespace]
        assert set(index) <= indexes
    assert {dimension for _, (dimension, *_) in named} == set().union(*known.values()), "each resource is observed"


def test_the_dashboard_is_valid_for_cloudwatch() -> None:
    for widget in dashboard()["widgets"]:
        assert widget["type"] == "metric"
        assert 1 <= widget["width"] <= 24
        properties = widget["properties"]
        assert properties["region"] == "eu-central-1"
        assert properties["title"]
        assert properties["period"] % 60 == 0
    for namespace, metric, dimensions, options in lines():
        assert all(isinstance(each, str) for each in (namespace, metric, *dimensions, *dimensions.values()))
        assert set(options) <= {"label", "stat"}
        assert re.fullmatch(r"Sum|Average|Maximum|SampleCount|p\d\d", options.get("stat", "Sum"))


def test_the_dashboard_shows_exactly_the_custom_metrics() -> None:
    shown = {
        (dimensions["service"], metric): set[str]()
        for space, metric, dimensions, _ in lines()
        if space == "jobpipe"
    }
    for namespace, metric, dimensions, _ in lines():
        if namespace == "jobpipe":
            assert_is_emitted(metric, dimensions)
            shown[dimensions["service"], metric].add(dimensions.get("reason", ""))

    assert set(shown) == set(metrics.UNITS)
    for metric, reasons in metrics.REASONS.items():
        assert shown["jobpipe-worker", metric] == reasons | {""}
    assert shown["jobpipe-dead-letters", "Failed"] == metrics.REASONS_OF_DEAD_LETTERS | {""}


def test_times_are_shown_as_percentiles() -> None:
    shown: dict[str, set[str]] = {}
    for _, metric, _, options in lines():
        shown.setdefault(metric, set()).add(options.get("stat", ""))

    times = {metric for (_, metric), unit in metrics.UNITS.items() if unit == "Milliseconds"}
    for metric in times | {"Latency"}:
        assert shown[metric] == {"p50", "p95", "p99"}


def test_only_cloudwatch_publishes_for_this_stage_and_only_over_tls() -> None:
    (policy,) = rendered("operations").of_type("AWS::SNS::TopicPolicy").values()
    allowed, denied = policy["PolicyDocument"]["Statement"]

    assert (allowed["Effect"], allowed["Principal"]) == ("Allow", {"Service": "cloudwatch.amazonaws.com"})
    assert allowed["Condition"]["StringEquals"] == {"aws:SourceAccount": "111122223333"}
    assert allowed["Condition"]["ArnLike"]["aws:SourceArn"].endswith(":111122223333:alarm:jobpipe-prod-*")
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "sns:Publish")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}

    (local,) = rendered("operations", RequireTls="false").of_type("AWS::SNS::TopicPolicy").values()
    assert [each["Effect"] for each in local["PolicyDocument"]["Statement"]] == ["Allow"]


def test_only_the_given_address_is_subscribed() -> None:
    kind = "AWS::SNS::Subscription"

    assert rendered("operations").of_type(kind) == {}
    (subscription,) = rendered("operations", AlarmEmail="ops@example.com").of_type(kind).values()
    assert subscription == {"TopicArn": "Topic", "Protocol": "email", "Endpoint": "ops@example.com"}
