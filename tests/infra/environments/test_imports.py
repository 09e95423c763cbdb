"""CloudFormation's answers to imports and to early validation, from botocore's Stubber."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from botocore.stub import ANY, Stubber
from rich.console import Console

from infra.cli.progress import Progress
from infra.errors import OperatorError
from infra.stacks.change_sets import Stacks
from infra.templates.sources import Template
from tests.helpers.stubbed import a_client
from tests.infra.foundations import PROD, remaining_resource


@pytest.fixture
def cloudformation() -> Iterator[tuple[Stacks, Stubber]]:
    client = a_client("cloudformation")
    with Stubber(client) as stub:
        yield Stacks(client, Progress(Console(quiet=True)), 0), stub
        stub.assert_no_pending_responses()


CHANGE_SET = "arn:aws:cloudformation:us-east-1:111122223333:changeSet/jobpipe-1/1"
EARLY_VALIDATION = (
    "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. To troubleshoot Early"
    " Validation errors, use the DescribeEvents API for detailed failure information."
)
PARAMETERS = ("StackName", "ChangeSetName", "ChangeSetType", "TemplateBody", "Parameters", "Capabilities")
TO_IMPORT = [remaining_resource("JobsTable").to_import]


def add_stack(stub: Stubber, status: str | None) -> None:
    if status is None:
        stub.add_client_error("describe_stacks", "ValidationError", "Stack s does not exist", 400)
        return
    made = {"StackName": "s", "StackId": "arn:aws:s", "CreationTime": 0, "StackStatus": status}
    stub.add_response("describe_stacks", {"Stacks": [made]})


def add_events(stub: Stubber, *events: tuple[str, str, str]) -> None:
    found = [
        {
            "StackId": "arn:aws:s",
            "StackName": "s",
            "EventId": f"{number}",
            "Timestamp": 0,
            "LogicalResourceId": logical,
            "ResourceType": "AWS::DynamoDB::Table",
            "ResourceStatus": status,
            "ResourceStatusReason": reason,
        }
        for number, (logical, status, reason) in enumerate(events)
    ]
    stub.add_response("describe_stack_events", {"StackEvents": found[::-1]})


def add_refusal(stub: Stubber) -> None:
    """Add the answers up to the reason of the change set."""
    add_stack(stub, None)
    stub.add_client_error("describe_stack_events", "ValidationError", "Stack s does not exist", 400)
    add_stack(stub, None)
    stub.add_response("create_change_set", {"Id": CHANGE_SET}, dict.fromkeys(PARAMETERS, ANY))
    stub.add_response("describe_change_set", {"Status": "FAILED", "StatusReason": EARLY_VALIDATION})


def test_findings_of_early_validation_are_reported(cloudformation: tuple[Stacks, Stubber]) -> None:
    stacks, stub = cloudformation
    add_refusal(stub)
    conflict = {
        "EventType": "VALIDATION_ERROR",
        "LogicalResourceId": "WorkLogGroup",
        "ResourceType": "AWS::Logs::LogGroup",
        "ValidationName": "NAME_CONFLICT_VALIDATION",
        "ValidationStatus": "FAILED",
        "ValidationStatusReason": "Resource of type 'AWS::Logs::LogGroup' with identifier 'g' already exists.",
    }
    progress = {"EventType": "STACK_EVENT", "OperationStatus": "FAILED"}
    expected = {"ChangeSetName": CHANGE_SET, "Filters": {"FailedEvents": True}}
    stub.add_response("describe_events", {"OperationEvents": [progress, conflict, conflict]}, expected)
    stub.add_response("delete_change_set", {})
    add_stack(stub, "REVIEW_IN_PROGRESS")
    stub.add_response("delete_stack", {}, {"StackName": "arn:aws:s"})
    add_stack(stub, None)

    with pytest.raises(OperatorError) as error:
        stacks.deploy("s", {"Resources": {}}, {})
    assert str(error.value) == (
        "s is refused: WorkLogGroup (AWS::Logs::LogGroup):"
        " Resource of type 'AWS::Logs::LogGroup' with identifier 'g' already exists."
    )


def test_a_missing_permission_for_the_findings_is_reported(cloudformation: tuple[Stacks, Stubber]) -> None:
    stacks, stub = cloudformation
    add_refusal(stub)
    stub.add_client_error("describe_events", "AccessDenied", "not authorized", 403)
    stub.add_response("delete_change_set", {})
    add_stack(stub, None)
    with pytest.raises(OperatorError, match=r"ResourceExistenceCheck.*need cloudformation:DescribeEvents"):
        stacks.deploy("s", {"Resources": {}}, {})


def add_import(stub: Stubber) -> None:
    stub.add_client_error("describe_stack_events", "ValidationError", "Stack s does not exist", 400)
    expected = {**dict.fromkeys(PARAMETERS, ANY), "ChangeSetType": "IMPORT", "ResourcesToImport": TO_IMPORT}
    stub.add_response("create_change_set", {"Id": CHANGE_SET}, expected)
    stub.add_response("describe_change_set", {"Status": "CREATE_COMPLETE"})
    stub.add_response("execute_change_set", {})


@pytest.mark.parametrize("status", ["IMPORT_ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_an_import_that_fails_leaves_no_stack_and_all_data(
    cloudformation: tuple[Stacks, Stubber], status: str
) -> None:
    stacks, stub = cloudformation
    template: Template = {"Resources": {"JobsTable": {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain"}}}
    add_import(stub)
    failure = ("JobsTable", "IMPORT_FAILED", "the table is in another stack")
    add_stack(stub, "IMPORT_IN_PROGRESS")
    add_events(stub, failure)
    add_stack(stub, status)
    add_events(stub, failure)
    if status == "REVIEW_IN_PROGRESS":
        add_events(stub, failure)
    add_stack(stub, status)
    add_events(stub, failure)
    add_stack(stub, status)
    if status != "REVIEW_IN_PROGRESS":
        add_stack(stub, status)
        stub.add_response("get_template", {"TemplateBody": json.dumps(template)})
    stub.add_response("delete_stack", {}, {"StackName": "arn:aws:s"})
    add_stack(stub, None)

    with pytest.raises(OperatorError, match="the table is in another stack"):
        stacks.adopt("s", template, {"Stage": PROD}, TO_IMPORT)


def test_a_stack_whose_deletion_deletes_resources_is_not_a_failed_adoption(
    cloudformation: tuple[Stacks, Stubber],
) -> None:
    stacks, stub = cloudformation
    template = {"Resources": {"JobsTable": {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Delete"}}}
    add_stack(stub, "IMPORT_ROLLBACK_COMPLETE")
    add_stack(stub, "IMPORT_ROLLBACK_COMPLETE")
    stub.add_response("get_template", {"TemplateBody": json.dumps(template)})
    assert stacks.remove_unusable("s") is True


def test_an_empty_stack_has_no_template(cloudformation: tuple[Stacks, Stubber]) -> None:
    stacks, stub = cloudformation
    add_stack(stub, "REVIEW_IN_PROGRESS")
    stub.add_response("get_template", {})
    assert stacks.template("s") is None
