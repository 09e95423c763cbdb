"""The API's template: limits, logs, and resources for emulators."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from api_lambda.chalicelib.http.request_fields import MAX_WAIT_SECONDS
from tests.infra.rendered import rendered, template

STAGE, PLAN = "AWS::ApiGateway::Stage", "AWS::ApiGateway::UsagePlan"


def stage_of_the_api(**parameters: str) -> dict[str, Any]:
    (properties,) = rendered("api", **parameters).of_type(STAGE).values()
    return dict(properties)


def test_every_route_is_limited_and_its_bodies_are_not_logged() -> None:
    (settings,) = stage_of_the_api(StageRateLimit="70", StageBurstLimit="90")["MethodSettings"]

    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == ("70", "90")
    assert settings["MetricsEnabled"] is True
    assert (settings["LoggingLevel"], settings["DataTraceEnabled"]) == ("OFF", False)


def test_every_key_is_limited() -> None:
    (plan,) = rendered("api", RateLimit="5", BurstLimit="6").of_type(PLAN).values()
    assert plan["Throttle"] == {"RateLimit": "5", "BurstLimit": "6"}
    assert "Quota" not in plan, "a quota is optional"

    (plan,) = rendered("api", QuotaLimit="1000", QuotaPeriod="MONTH").of_type(PLAN).values()
    assert plan["Quota"] == {"Limit": "1000", "Period": "MONTH"}


def test_operators_choose_how_long_requests_may_wait() -> None:
    for given, expected in (({}, "20"), ({"MaxWaitSeconds": "0"}, "0")):
        (function,) = rendered("api", **given).of_type("AWS::Lambda::Function").values()
        assert function["Environment"]["Variables"]["MAX_WAIT_SECONDS"] == expected
    assert template("api")["Parameters"]["MaxWaitSeconds"]["MaxValue"] == MAX_WAIT_SECONDS


def test_access_logs_have_callers_and_times_but_no_content() -> None:
    setting = stage_of_the_api(AccessLogs="true")["AccessLogSetting"]

    fields = json.loads(setting["Format"])
    assert set(fields) == {
        "time",
        "request_id",
        "route",
        "status",
        "latency_ms",
        "integration_latency_ms",
        "api_key_id",
        "error",
        "trace_id",
        "source_ip",
    }
    variables = set(re.findall(r"\$context\.[\w.]+", setting["Format"]))
    assert not variables & {"$context.identity.apiKey", "$context.path", "$context.identity.user"}
    assert "\n" not in setting["Format"], "CloudWatch takes one line for each request"
    assert setting["DestinationArn"].endswith(":log-group:AccessLogGroup")


def test_access_logs_are_off_where_the_account_cannot_have_them() -> None:
    api = rendered("api")

    assert "AccessLogSetting" not in stage_of_the_api()
    assert "AccessLogGroup" not in api.resources


def test_no_other_site_may_call_from_a_browser() -> None:
    text = json.dumps(template("api"))

    assert "access-control" not in text.lower()
    (api,) = rendered("api").of_type("AWS::ApiGateway::RestApi").values()
    methods = {method for path in api["Body"]["paths"].values() for method in path}
    assert methods <= {"get", "post", "put", "patch", "delete"}


@pytest.mark.parametrize(("rest_api_id", "tags"), [("", None), ("local", {"ms-custom-id", "_custom_id_"})])
def test_resources_for_emulators_are_not_deployed_to_aws(rest_api_id: str, tags: set[str] | None) -> None:
    api = rendered("api", RestApiId=rest_api_id)
    (properties,) = api.of_type("AWS::ApiGateway::RestApi").values()

    assert ({tag["Key"] for tag in properties["Tags"]} if "Tags" in properties else None) == tags
    assert bool(api.of_type("AWS::ApiGateway::GatewayResponse")) is bool(rest_api_id)
    assert "x-amazon-apigateway-gateway-responses" in properties["Body"]
