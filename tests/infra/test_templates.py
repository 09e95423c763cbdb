import copy
import json
from pathlib import Path
from typing import Any

import pytest

from infra import templates
from infra.package import package_all
from infra.settings import ROOT
from infra.templates import FOUNDATION, read_template

STATEFUL = {
    "CommandsQueue",
    "DeadLettersQueue",
    "JobsTable",
    "ItemsTable",
    "NamesTable",
    "DocumentsBucket",
    "ArtifactsBucket",
}

SAM: dict[str, Any] = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Transform": "AWS::Serverless-2016-10-31",
    "Parameters": {"RestApiId": {"Type": "String", "Default": ""}},
    "Conditions": {"HasRestApiId": {"Fn::Not": [{"Fn::Equals": [{"Ref": "RestApiId"}, ""]}]}},
    "Resources": {
        "RestAPI": {
            "Type": "AWS::Serverless::Api",
            "Properties": {"StageName": "v1", "DefinitionBody": {"swagger": "2.0", "paths": {"/": {"get": {}}}}},
        }
    },
}


def resources_of(kind: str, template: templates.Template) -> dict[str, Any]:
    return {name: r for name, r in template["Resources"].items() if r["Type"] == kind}


@pytest.mark.parametrize(
    ("stage", "deletion", "replacement"),
    [("local", "Delete", "Delete"), ("prod", "RetainExceptOnCreate", "Retain")],
)
def test_only_the_local_stage_loses_its_state_with_its_stack(stage: str, deletion: str, replacement: str) -> None:
    resources = templates.foundation_for(stage)["Resources"]

    assert {name for name, resource in resources.items() if "DeletionPolicy" in resource} == STATEFUL
    for name in STATEFUL:
        assert resources[name]["DeletionPolicy"] == deletion
        assert resources[name]["UpdateReplacePolicy"] == replacement


def test_short_tags_are_spelt_out(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(
        "a: !Ref X\nb: !GetAtt Y.Z.W\nc: !If [C, !Sub '${S}', !Ref AWS::NoValue]\nd: {Condition: !Condition Q}"
    )

    assert templates.read_template(path) == {
        "a": {"Ref": "X"},
        "b": {"Fn::GetAtt": ["Y", "Z.W"]},
        "c": {"Fn::If": ["C", {"Fn::Sub": "${S}"}, {"Ref": "AWS::NoValue"}]},
        "d": {"Condition": {"Condition": "Q"}},
    }


def test_a_deployment_is_made_after_the_gateway_responses() -> None:
    template = templates.from_sam(SAM)

    (deployment,) = resources_of("AWS::ApiGateway::Deployment", template).values()
    assert deployment["DependsOn"] == sorted(resources_of("AWS::ApiGateway::GatewayResponse", template))
    assert "StageName" not in deployment["Properties"]
    assert "Transform" not in template


def test_a_changed_gateway_response_makes_a_new_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = resources_of("AWS::ApiGateway::Deployment", templates.from_sam(SAM))
    monkeypatch.setattr(templates, "openapi_responses", lambda: {"THROTTLED": {"statusCode": "429"}})
    after = resources_of("AWS::ApiGateway::Deployment", templates.from_sam(SAM))

    assert set(before) != set(after)
    (stage,) = resources_of("AWS::ApiGateway::Stage", templates.from_sam(SAM)).values()
    assert stage["Properties"]["DeploymentId"] == {"Ref": next(iter(after))}


def test_the_transform_leaves_its_input_alone() -> None:
    before = copy.deepcopy(SAM)

    templates.from_sam(SAM)

    assert before == SAM


@pytest.mark.parametrize("app", ["api", "worker"])
def test_no_role_may_do_everything_or_reach_everything(app: str) -> None:
    template = templates.read_template(ROOT / "infra" / f"{app}.merge.yaml")

    (role,) = resources_of("AWS::IAM::Role", {"Resources": _typed(template)}).values()
    for policy in role["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert not any("*" in action for action in actions)
            assert statement["Resource"] != "*"


def _typed(template: templates.Template) -> dict[str, Any]:
    return {name: resource for name, resource in template["Resources"].items() if "Type" in resource}


def test_templates_go_out_compact() -> None:
    text = templates.to_json(templates.foundation_for("prod"))

    assert json.loads(text) == templates.foundation_for("prod")
    assert ": " not in text.split('"Description"')[0]


def test_the_queue_is_told_which_messages_failed() -> None:
    """Without ReportBatchItemFailures Lambda would delete the failed messages of a batch with the others."""
    template = read_template(package_all()["worker"].template_path)
    (mapping,) = _properties("AWS::Lambda::EventSourceMapping", template)
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] == 10
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "WorkerConcurrency"}}


def test_the_queue_hides_a_batch_for_six_times_the_workers_time_out() -> None:
    foundation = read_template(FOUNDATION)
    mapping = foundation["Mappings"]["VisibilityOfWorkerTimeout"]
    allowed = foundation["Parameters"]["WorkerTimeout"]["AllowedValues"]
    assert {seconds: rule["Seconds"] for seconds, rule in mapping.items()} == {s: 6 * int(s) for s in allowed}
    queues = {queue["QueueName"]["Fn::Sub"]: queue for queue in _properties("AWS::SQS::Queue", foundation)}
    commands = queues["jobpipe-${Stage}-commands.fifo"]
    assert commands["VisibilityTimeout"]["Fn::FindInMap"][0] == "VisibilityOfWorkerTimeout"
    assert commands["DeduplicationScope"] == "messageGroup"
    assert commands["FifoThroughputLimit"] == "perMessageGroupId"
    for queue in queues.values():
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert queue["FifoQueue"] is True


def test_versions_outlive_the_jobs_that_speak_of_them() -> None:
    foundation = read_template(FOUNDATION)
    windows = foundation["Mappings"]["UndoWindowOfJobRetention"]
    assert set(windows) == set(foundation["Parameters"]["JobRetentionDays"]["AllowedValues"])
    assert all(window["Days"] > int(days) for days, window in windows.items())


def _properties(kind: str, template: templates.Template) -> list[dict[str, Any]]:
    return [resource["Properties"] for resource in resources_of(kind, template).values()]
