"""The alarms, their topic, the dashboard and the limits of a deployed stage."""

from __future__ import annotations

import json

from infra.stage.names import api_name
from infra.targets.target import API_STAGE
from tests.helpers.deployed import Stage
from tests.infra.rendered import rendered


def test_alarms_publish_to_the_topic(stage: Stage) -> None:
    name = stage.deployment.stage
    alarms = stage.aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"jobpipe-{name}-")["MetricAlarms"]
    wanted = rendered("operations", Stage=name, Events="on").of_type("AWS::CloudWatch::Alarm").values()

    assert {alarm["AlarmName"] for alarm in alarms} == {alarm["AlarmName"] for alarm in wanted}
    topics = {(*alarm["AlarmActions"], *alarm["OKActions"]) for alarm in alarms}
    ((begins, ends),) = topics
    assert begins == ends
    assert begins.endswith(f":jobpipe-{name}-alarms")
    (parked,) = [alarm for alarm in alarms if alarm["AlarmName"].endswith("-parked-messages")]
    queue = stage.resources["parked_queue_url"].rpartition("/")[2]
    assert parked["Dimensions"] == [{"Name": "QueueName", "Value": queue}]
    assert (parked["Threshold"], parked["TreatMissingData"]) == (0.0, "notBreaching")


def test_only_alarms_may_publish_to_the_topic(stage: Stage) -> None:
    topics = [topic["TopicArn"] for topic in stage.aws("sns").list_topics()["Topics"]]
    (topic,) = [arn for arn in topics if arn.endswith(f":jobpipe-{stage.deployment.stage}-alarms")]

    policy = json.loads(stage.aws("sns").get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"])
    assert [(each["Effect"], each["Principal"]) for each in policy["Statement"]] == [
        ("Allow", {"Service": "cloudwatch.amazonaws.com"})
    ]


def test_the_dashboard_exists_and_names_this_stage(stage: Stage) -> None:
    cloudwatch, name = stage.aws("cloudwatch"), f"jobpipe-{stage.deployment.stage}"
    names = {entry["DashboardName"] for entry in cloudwatch.list_dashboards()["DashboardEntries"]}
    assert (name in names) is stage.keeps_dashboards
    if stage.keeps_dashboards:
        body = json.loads(cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"])
        assert {widget["properties"]["region"] for widget in body["widgets"]} == {stage.deployment.region}
        assert "${" not in json.dumps(body)


def test_every_route_and_every_key_has_a_limit(stage: Stage) -> None:
    gateway = stage.aws("apigateway")
    (api,) = [each for each in gateway.get_rest_apis()["items"] if each["name"] == api_name(stage.deployment.stage)]
    settings = gateway.get_stage(restApiId=api["id"], stageName=API_STAGE).get("methodSettings", {})
    if stage.keeps_dashboards:
        assert (settings["*/*"]["throttlingRateLimit"], settings["*/*"]["throttlingBurstLimit"]) == (1000.0, 2000)
        assert settings["*/*"]["dataTraceEnabled"] is False
    plans = gateway.get_usage_plans()["items"]
    (plan,) = [plan for plan in plans if plan["name"] == api_name(stage.deployment.stage)]
    assert (float(plan["throttle"]["rateLimit"]), int(plan["throttle"]["burstLimit"])) == (1000.0, 2000)
    assert not plan.get("quota")
