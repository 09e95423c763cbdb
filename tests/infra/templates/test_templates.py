import copy
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from infra.cli.progress import Progress
from infra.errors import OperatorError
from infra.settings import ROOT
from infra.stacks.change_sets import Stacks
from infra.templates import sources as templates
from jobpipe.stores.dynamodb_rows import OLD_LIST_KEY
from tests.helpers.embedded import embedded
from tests.infra.rendered import NAMES, rendered

STATEFUL = {
    "EncryptionKey",
    "EncryptionKeyAlias",
    "CommandsQueue",
    "DeadLettersQueue",
    "ParkedQueue",
    "EventsQueue",
    "DeliveriesQueue",
    "DeliveriesLaterQueue",
    "WebhooksTable",
    "JobsTable",
    "ItemsTable",
    "NamesTable",
    "CollectionsTable",
    "LookupsTable",
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
def test_only_in_the_local_stage_is_state_deleted_with_its_stack(
    stage: str, deletion: str, replacement: str
) -> None:
    resources = templates.foundation_template(stage)["Resources"]

    assert {name for name, resource in resources.items() if "DeletionPolicy" in resource} == STATEFUL
    for name in STATEFUL:
        assert resources[name]["DeletionPolicy"] == deletion
        assert resources[name]["UpdateReplacePolicy"] == replacement


def test_short_tags_are_written_out(tmp_path: Path) -> None:
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


def test_a_deployment_is_made_after_the_gateway_responses_that_only_emulators_have() -> None:
    template = templates.from_sam(SAM)

    (deployment,) = resources_of("AWS::ApiGateway::Deployment", template).values()
    condition, description, otherwise = deployment["Properties"]["Description"]["Fn::If"]
    responses = sorted(resources_of("AWS::ApiGateway::GatewayResponse", template))
    assert condition == "HasRestApiId"
    assert [each["Ref"] for each in description["Fn::Join"][1] if isinstance(each, dict)] == responses
    assert isinstance(otherwise, str)
    assert "StageName" not in deployment["Properties"]
    assert "Transform" not in template


@pytest.mark.parametrize("name", NAMES)
def test_no_depends_on_names_a_conditional_resource(name: str) -> None:
    """AWS's validator reports a DependsOn on a resource with another condition as an error (E3005)."""
    resources = rendered(name).source["Resources"]

    for logical, resource in resources.items():
        depends = resource.get("DependsOn", [])
        for other in [depends] if isinstance(depends, str) else depends:
            assert resources[other].get("Condition") in {None, resource.get("Condition")}, (logical, other)


def test_emulators_create_the_resources_that_a_deployment_names_first(tmp_path: Path) -> None:
    """The names are in reverse order, in which the emulator creates resources without dependencies."""
    resources: dict[str, Any] = {
        "Zeroth": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "order"}},
        "Method": {
            "Type": "AWS::ApiGateway::Method",
            "Properties": {
                "RestApiId": {"Ref": "Zeroth"},
                "ResourceId": {"Fn::GetAtt": ["Zeroth", "RootResourceId"]},
                "HttpMethod": "GET",
                "AuthorizationType": "NONE",
                "Integration": {"Type": "MOCK"},
            },
        },
        "Response": {
            "Type": "AWS::ApiGateway::GatewayResponse",
            "Condition": "HasRestApiId",
            "Properties": {"RestApiId": {"Ref": "Zeroth"}, "ResponseType": "THROTTLED"},
        },
        "Deployment": {
            "Type": "AWS::ApiGateway::Deployment",
            "DependsOn": ["Method"],
            "Properties": {"RestApiId": {"Ref": "Zeroth"}, "Description": "d"},
        },
    }
    templates._after(resources["Deployment"], ["Response"], condition="HasRestApiId")
    template = {"Conditions": {"HasRestApiId": {"Fn::Equals": ["a", "a"]}}, "Resources": resources}
    with embedded(tmp_path) as (target, _):
        cloudformation = target.client("cloudformation")
        Stacks(cloudformation, Progress(Console(quiet=True)), target.poll_seconds).deploy("order", template, {})
        events = cloudformation.describe_stack_events(StackName="order")["StackEvents"][::-1]

    made = [each["LogicalResourceId"] for each in events if each["ResourceStatus"] == "CREATE_COMPLETE"]
    assert made.index("Response") < made.index("Deployment")


def test_a_changed_gateway_response_makes_a_new_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = resources_of("AWS::ApiGateway::Deployment", templates.from_sam(SAM))
    monkeypatch.setattr(templates, "openapi_responses", lambda: {"THROTTLED": {"statusCode": "429"}})
    after = resources_of("AWS::ApiGateway::Deployment", templates.from_sam(SAM))

    assert set(before) != set(after)
    (stage,) = resources_of("AWS::ApiGateway::Stage", templates.from_sam(SAM)).values()
    assert stage["Properties"]["DeploymentId"] == {"Ref": next(iter(after))}


def test_the_transform_does_not_change_its_input() -> None:
    before = copy.deepcopy(SAM)

    templates.from_sam(SAM)

    assert before == SAM


@pytest.mark.parametrize(
    ("app", "role", "claims"),
    [
        ("api", "APIRole", {"s3:PutObject", "s3:GetObject", "s3:DeleteObject"}),
        ("worker", "WorkerRole", {"s3:PutObject", "s3:GetObject", "s3:DeleteObject"}),
        ("worker", "DeadLettersRole", {"s3:PutObject", "s3:DeleteObject"}),
    ],
)
def test_a_roles_permissions_for_claims_are_for_claims_only(app: str, role: str, claims: set[str]) -> None:
    template = templates.read_template(ROOT / "infra" / "templates" / f"{app}.merge.yaml")

    objects: dict[str, set[str]] = {}
    for statement in _statements(template["Resources"][role]):
        if any(action.startswith("s3:") and action != "s3:ListBucket" for action in _actions(statement)):
            prefix = statement["Resource"]["Fn::Sub"].partition("${DocumentsBucket}/")[2]
            objects.setdefault(prefix, set()).update(_actions(statement))
    assert objects["claims/*"] == claims
    waiting = {"scheduled/*"} if role == "APIRole" else set()
    assert set(objects) == {"items/*", "collections/*", "claims/*", *waiting}


def test_jobs_are_queried_by_their_lists_only() -> None:
    template = templates.read_template(ROOT / "infra" / "templates" / "api.merge.yaml")

    statements = _statements(template["Resources"]["APIRole"])
    of_jobs = [each for each in statements if "${JobsTable}" in str(each["Resource"])]
    queries = [each for each in of_jobs if "dynamodb:Query" in _actions(each)]
    assert {query["Resource"]["Fn::Sub"].rpartition("/")[2]: _actions(query) for query in queries} == {
        "lists": ["dynamodb:Query", "dynamodb:Scan"],
        "recent": ["dynamodb:Query"],
        "trouble": ["dynamodb:Query", "dynamodb:Scan"],
    }
    properties = rendered("foundation", JobLists="on").of_type("AWS::DynamoDB::Table")["JobsTable"]
    indexes = {index["IndexName"]: index for index in properties["GlobalSecondaryIndexes"]}
    due = indexes.pop("due")
    assert due["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert {query["Resource"]["Fn::Sub"].rpartition(":")[2] for query in queries} == {
        f"table/${{JobsTable}}/index/{name}" for name in indexes
    }
    for index in indexes.values():
        assert [key["KeyType"] for key in index["KeySchema"]] == ["HASH", "RANGE"]
        assert not {"command", "claim", "result"} & set(index["Projection"]["NonKeyAttributes"])
    assert OLD_LIST_KEY in indexes["lists"]["Projection"]["NonKeyAttributes"], "it shows which entries are outdated"


@pytest.mark.parametrize("value", ["on", "off"])
def test_only_a_stage_with_job_lists_has_their_index_and_the_right_to_it(value: str) -> None:
    properties = rendered("foundation", JobLists=value).of_type("AWS::DynamoDB::Table")["JobsTable"]
    indexes = {index["IndexName"]: index for index in properties["GlobalSecondaryIndexes"]}
    api = rendered("api", JobLists=value)
    (role,) = api.of_type("AWS::IAM::Role").values()
    statements = role["Policies"][0]["PolicyDocument"]["Statement"]
    (function,) = api.of_type("AWS::Lambda::Function").values()
    on = value == "on"
    assert ("recent" in indexes) is on
    assert any(str(each["Resource"]).endswith("/index/recent") for each in statements) is on
    assert function["Environment"]["Variables"]["JOB_LISTS"] == value
    # DynamoDB refuses an attribute definition that no key uses.
    keys = {key["AttributeName"] for each in (properties, *indexes.values()) for key in each["KeySchema"]}
    assert {each["AttributeName"] for each in properties["AttributeDefinitions"]} == keys
    if on:
        assert indexes["recent"]["Projection"]["NonKeyAttributes"] == ["fingerprint"], "it never changes"


def test_a_function_is_invoked_by_its_own_source_only() -> None:
    """Another caller of the API's function could set `identity.apiKey` in the event, and act as any owner."""
    (allowed,) = rendered("api").of_type("AWS::Lambda::Permission").values()
    assert allowed["Principal"] == "apigateway.amazonaws.com"
    assert allowed["SourceArn"] == "arn:aws:execute-api:eu-central-1:111122223333:RestAPI/*"
    (allowed,) = rendered("worker").of_type("AWS::Lambda::Permission").values()
    assert (allowed["FunctionName"], allowed["Principal"]) == ("Release", "events.amazonaws.com")
    assert allowed["SourceArn"] == "ReleaseReleaseEvent.Arn"
    for name in ("foundation", "operations"):
        assert rendered(name).of_type("AWS::Lambda::Permission") == {}
    for app in ("api", "worker"):
        assert rendered(app).of_type("AWS::Lambda::Url") == {}


def test_the_dead_letter_consumer_may_end_jobs_and_commit_nothing() -> None:
    template = templates.read_template(ROOT / "infra" / "templates" / "worker.merge.yaml")

    statements = _statements(template["Resources"]["DeadLettersRole"])
    actions = {each for statement in statements for each in _actions(statement)}
    assert not actions & {"dynamodb:PutItem", "dynamodb:DeleteItem"}
    [puts] = [statement for statement in statements if "s3:PutObject" in _actions(statement)]
    assert puts["Resource"]["Fn::Sub"].endswith("${DocumentsBucket}/claims/*"), "it puts no document"


def _statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the role's statements, including those for the stage's own key."""
    policies = role["Properties"]["Policies"]
    statements = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
    return [each["Fn::If"][1] if "Fn::If" in each else each for each in statements]


def _actions(statement: dict[str, Any]) -> list[str]:
    actions = statement["Action"]
    return actions if isinstance(actions, list) else [actions]


def test_templates_are_sent_as_compact_json() -> None:
    text = templates.to_json(templates.foundation_template("prod"))

    assert json.loads(text) == templates.foundation_template("prod")
    assert ": " not in text.split('"Description"')[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A: 1\n]\n", r"broken\.yaml:2: did not find expected"),
        ("A: 1\nB: {C: 1, C: 2}\n", r"broken\.yaml:2: {'C'} is given twice"),
    ],
)
def test_a_mistake_in_a_template_is_one_line_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "broken.yaml").write_text(text)
    with pytest.raises(OperatorError, match=expected) as caught:
        templates.read_template(tmp_path / "broken.yaml")
    assert "\n" not in str(caught.value)
