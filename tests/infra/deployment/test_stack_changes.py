"""CloudFormation's descriptions of changes are read. They are those of its API reference."""

from __future__ import annotations

from typing import Any

import pytest

from infra.stacks import parameters as stack_parameters
from infra.stacks.changes import Change, read_change

TABLE = "AWS::DynamoDB::Table"


def described(action: str, kind: str = TABLE, **more: Any) -> dict[str, Any]:
    return {"Action": action, "LogicalResourceId": "It", "ResourceType": kind, **more}


@pytest.mark.parametrize(
    ("answer", "action", "loses"),
    [
        (described("Add"), "add", False),
        (described("Modify", Replacement="False"), "change", False),
        (described("Modify", Replacement="Conditional"), "may replace", True),
        (described("Modify", Replacement="True"), "replace", True),
        (described("Remove"), "remove", True),
        (described("Remove", PolicyAction="Retain"), "remove", True),
        (described("Import"), "import", False),
        (described("Dynamic"), "dynamic", True),
        (described("SyncWithActual"), "syncwithactual", True),
        (described("Dynamic", "AWS::Lambda::Function"), "dynamic", False),
        (described("Modify", "AWS::Lambda::Function", Replacement="True"), "replace", False),
        (described("Remove", "AWS::Lambda::Function"), "remove", False),
        (described("Modify", "AWS::S3::Bucket", Replacement="True"), "replace", True),
        (described("Modify", "AWS::SQS::Queue", Replacement="True"), "replace", True),
        (described("Modify", "AWS::ApiGateway::ApiKey", Replacement="True"), "replace", True),
        (described("Modify", "AWS::ApiGateway::RestApi", Replacement="True"), "replace", True),
        (described("Remove", "AWS::KMS::Key"), "remove", True),
        (described("Modify", "AWS::ApiGateway::Stage", Replacement="True"), "replace", True),
        (described("Modify", "AWS::ApiGateway::Stage", Replacement="False"), "change", False),
        (described("Remove", "AWS::ApiGateway::UsagePlan"), "remove", True),
        (described("Modify", "AWS::SNS::Topic", Replacement="True"), "replace", True),
        (described("Remove", "AWS::Logs::LogGroup"), "remove", True),
    ],
)
def test_the_action_of_a_change_and_whether_it_loses_state(
    answer: dict[str, Any], action: str, loses: bool
) -> None:
    change = read_change(answer)

    assert (change.action, change.loses_data) == (action, loses)


def test_each_property_is_named_once_with_its_causes() -> None:
    details = [
        {"Target": {"Attribute": "Properties", "Name": "Timeout"}, "CausingEntity": "WorkerTimeout"},
        {"Target": {"Attribute": "Properties", "Name": "Timeout"}},
        {"Target": {"Attribute": "Tags"}},
    ]

    change = read_change(described("Modify", Replacement="False", Details=details))

    assert change == Change("change", TABLE, "It", ("Timeout (by WorkerTimeout)", "Tags"))


def test_a_secret_is_not_among_the_changed_parameters() -> None:
    template: dict[str, Any] = {
        "Parameters": {"Key": {"NoEcho": True}, "Size": {"Default": 3}, "Kept": {}, "Same": {}}
    }
    values: list[stack_parameters.Parameter] = [
        {"ParameterKey": "Key", "ParameterValue": "secret"},
        {"ParameterKey": "Kept", "UsePreviousValue": True},
        {"ParameterKey": "Same", "ParameterValue": "1"},
    ]

    differing = stack_parameters.changed(template, {"Key": "****", "Size": "2", "Kept": "k", "Same": "1"}, values)

    assert differing == {"Size": ("2", "3")}
