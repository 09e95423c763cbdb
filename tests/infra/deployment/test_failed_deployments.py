"""After a failed deployment or destruction, the cause is known and the next one can begin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError
from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.deployment.stateful import Bucket as StatefulBucket
from infra.deployment.stateful import delete_leftovers
from infra.errors import OperatorError
from infra.stacks.change_sets import Stacks
from infra.stacks.events import find_leftovers
from infra.targets.target import Target
from tests.helpers.embedded import embedded

TABLE, QUEUE, BUCKET = "AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::S3::Bucket"


@pytest.fixture(scope="module")
def deployer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    with embedded(tmp_path_factory.mktemp("failed-first")) as (target, settings):
        yield Deployer(target, "prod", settings, Progress(Console(quiet=True)), {})


def template(name: str, *, fails: bool) -> dict[str, Any]:
    """Return a template whose resources outlive a roll-back, as protected tables do on AWS only."""
    resources: dict[str, Any] = {
        "Table": {
            "Type": TABLE,
            "DeletionPolicy": "Retain",
            "Properties": {
                "TableName": name,
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "DeletionProtectionEnabled": True,
            },
        },
        "Queue": {"Type": QUEUE, "DeletionPolicy": "Retain", "Properties": {"QueueName": name}},
        "Bucket": {"Type": BUCKET, "DeletionPolicy": "Retain", "Properties": {"BucketName": name}},
    }
    if fails:
        resources["Response"] = {
            "Type": "AWS::ApiGateway::GatewayResponse",
            "DependsOn": ["Table", "Queue", "Bucket"],
            "Properties": {"RestApiId": "no-such-api", "ResponseType": "THROTTLED"},
        }
    return {"Resources": resources}


def test_resources_that_a_rolled_back_creation_left_are_deleted(deployer: Deployer) -> None:
    stacks, target = deployer.stacks(), deployer.target

    with pytest.raises(OperatorError, match="Response"):
        stacks.deploy("again", template("again", fails=True), {})

    assert stacks.template("again") is None
    assert "again" not in target.client("dynamodb").list_tables()["TableNames"]
    assert target.client("sqs").list_queues(QueueNamePrefix="again").get("QueueUrls", []) == []
    assert "again" not in {each["Name"] for each in target.client("s3").list_buckets()["Buckets"]}
    assert stacks.deploy("again", template("again", fails=False), {}).changed


def test_a_table_of_another_stack_is_left_alone(deployer: Deployer) -> None:
    """The new stack fails because a table with the name exists already."""
    stacks, dynamodb = deployer.stacks(), deployer.target.client("dynamodb")
    stacks.deploy("owner", template("taken", fails=False), {})

    with pytest.raises(OperatorError, match="Validation failed"):
        stacks.deploy("intruder", template("taken", fails=True), {})

    assert dynamodb.describe_table(TableName="taken")["Table"]["DeletionProtectionEnabled"] is True
    assert deployer.target.client("sqs").list_queues(QueueNamePrefix="taken")["QueueUrls"]


@pytest.mark.parametrize(
    ("kind", "name"), [(TABLE, "filled-table"), (BUCKET, "filled-bucket"), (QUEUE, "filled-queue")]
)
def test_a_resource_with_data_is_not_deleted(deployer: Deployer, kind: str, name: str) -> None:
    target = deployer.target
    deployer.stacks().deploy(name, template(name, fails=False), {})
    if kind == TABLE:
        target.client("dynamodb").put_item(TableName=name, Item={"id": {"S": "1"}})
    elif kind == QUEUE:
        sqs = target.client("sqs")
        sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], MessageBody="m")
    else:
        target.client("s3").put_object(Bucket=name, Key="k", Body=b"v")

    with pytest.raises(OperatorError, match=f"{name} is not empty"):
        delete_leftovers(target, deployer.progress, [(TABLE, name), (QUEUE, f"http://x/{name}"), (BUCKET, name)])

    assert target.client("dynamodb").describe_table(TableName=name)["Table"]["DeletionProtectionEnabled"] is True
    assert target.client("sqs").list_queues(QueueNamePrefix=name)["QueueUrls"]


class Cfn:
    """CloudFormation's answers, newest event first, as AWS words them."""

    def __init__(self, *events: tuple[str, str, str, str]) -> None:
        self._events = [
            {
                "LogicalResourceId": logical,
                "ResourceType": TABLE,
                "ResourceStatus": status,
                "PhysicalResourceId": physical,
                "ResourceStatusReason": reason,
            }
            for logical, status, physical, reason in events
        ]

    def get_paginator(self, name: str) -> Cfn:
        assert name == "describe_stack_events"
        return self

    def paginate(self, StackName: str) -> list[dict[str, Any]]:  # noqa: N803  # boto3's name
        assert StackName == "the-id"
        return [{"StackEvents": self._events[::-1]}]


def test_which_resources_a_stack_made_and_left() -> None:
    cfn = Cfn(
        ("Protected", "CREATE_IN_PROGRESS", "", ""),
        ("Protected", "CREATE_IN_PROGRESS", "jobs", "Resource creation Initiated"),
        ("Protected", "CREATE_COMPLETE", "jobs", ""),
        ("Cancelled", "CREATE_IN_PROGRESS", "items", "Resource creation Initiated"),
        ("Cancelled", "CREATE_FAILED", "items", "Resource creation cancelled"),
        ("Foreign", "CREATE_IN_PROGRESS", "", ""),
        ("Foreign", "CREATE_FAILED", "names", "names already exists"),
        ("Initiated", "CREATE_IN_PROGRESS", "more", "Resource creation Initiated"),
        ("Initiated", "CREATE_FAILED", "more", "Resource handler returned message: AlreadyExists"),
        ("Gone", "CREATE_COMPLETE", "other", ""),
        ("Protected", "DELETE_FAILED", "jobs", "protected against deletion"),
        ("Gone", "DELETE_COMPLETE", "other", ""),
    )

    assert find_leftovers(cfn, "the-id") == [(TABLE, "jobs"), (TABLE, "items")]


class Aws:
    """A model of CloudFormation: it cannot roll a protected table back, and a stack's deletion retains it."""

    def __init__(self) -> None:
        self.status, self.tables, self.repaired = "", set[str](), False
        self._events: list[dict[str, Any]] = []

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if not self.status:
            answer: Any = {"Error": {"Code": "ValidationError", "Message": f"Stack {StackName} does not exist"}}
            raise ClientError(answer, "DescribeStacks")
        return {"Stacks": [{"StackId": "id", "StackStatus": self.status}]}

    def create_change_set(self, **_: Any) -> dict[str, Any]:
        self.status = "REVIEW_IN_PROGRESS"
        return {"Id": "change-set"}

    def describe_change_set(self, **_: Any) -> dict[str, Any]:
        return {"Status": "CREATE_COMPLETE", "ExecutionStatus": "EXECUTE_COMPLETE"}

    def execute_change_set(self, **_: Any) -> None:
        if self.tables:
            self._add_event("Table", "CREATE_FAILED", "jobs already exists")
            self.status = "ROLLBACK_COMPLETE"
            return
        self.tables.add("jobs")
        self._add_event("Table", "CREATE_IN_PROGRESS", "Resource creation Initiated")
        self._add_event("Table", "CREATE_COMPLETE", "")
        self.status = "CREATE_COMPLETE"
        if not self.repaired:
            self._add_event("Key", "CREATE_FAILED", "not authorized to perform: kms:CreateKey")
            self._add_event("Table", "DELETE_FAILED", "protected against deletion")
            self.status = "ROLLBACK_FAILED"

    def delete_stack(self, **_: Any) -> None:
        self.status = ""

    def get_paginator(self, _: str) -> Aws:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{"StackEvents": self._events[::-1]}]

    def _add_event(self, logical: str, status: str, reason: str) -> None:
        self._events.append(
            {
                "EventId": str(len(self._events)),
                "StackName": "first",
                "LogicalResourceId": logical,
                "PhysicalResourceId": "jobs",
                "ResourceType": TABLE,
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
            }
        )


def test_a_half_deleted_stack_is_created_again_only_if_that_is_allowed() -> None:
    aws = Aws()
    aws.status, aws.repaired = "DELETE_FAILED", True
    stacks = Stacks(aws, Progress(Console(quiet=True)), 0, allow_data_loss=False)
    with pytest.raises(OperatorError, match=r"first is partly deleted .*ALLOW_REPLACEMENT=yes"):
        stacks.deploy("first", {"Resources": {}}, {})
    assert aws.status == "DELETE_FAILED"
    assert "ALLOW_REPLACEMENT=yes" in stacks.diff("first", {"Resources": {}}, {}).note
    Stacks(aws, Progress(Console(quiet=True)), 0, allow_data_loss=True).deploy("first", {"Resources": {}}, {})
    assert aws.status == "CREATE_COMPLETE"


def test_protected_tables_of_a_failed_roll_back_do_not_prevent_the_next_try() -> None:
    aws = Aws()

    def remove(resources: list[tuple[str, str]]) -> None:
        assert aws.status == "ROLLBACK_FAILED", "the stack and its events still exist"
        aws.tables -= {name for _, name in resources}

    stacks = Stacks(aws, Progress(Console(quiet=True)), 0, delete_leftovers=remove)
    with pytest.raises(OperatorError, match="kms:CreateKey"):
        stacks.deploy("first", {"Resources": {}}, {})
    assert not aws.tables
    aws.repaired = True

    assert stacks.deploy("first", {"Resources": {}}, {}).changed


def test_the_cause_is_reported_even_if_the_clean_up_takes_too_long() -> None:
    def remove(_: list[tuple[str, str]]) -> None:
        raise WaiterError("TableNotExists", "Max attempts exceeded", {})

    with pytest.raises(OperatorError, match="kms:CreateKey"):
        Stacks(Aws(), Progress(Console(quiet=True)), 0, delete_leftovers=remove).deploy(
            "first", {"Resources": {}}, {}
        )


class WithParameter(Aws):
    """A stack with a parameter."""

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        parameters = [{"ParameterKey": "LogLevel", "ParameterValue": "DEBUG"}]
        return {"Stacks": [{"StackId": StackName, "StackStatus": self.status, "Parameters": parameters}]}

    def get_template(self, **_: Any) -> dict[str, Any]:
        return {"TemplateBody": {}}


@pytest.mark.parametrize(("status", "value"), [("UPDATE_COMPLETE", "DEBUG"), ("ROLLBACK_FAILED", "INFO")])
def test_only_a_stack_that_is_updated_keeps_its_values(status: str, value: str) -> None:
    aws = WithParameter()
    aws.status = status
    template = {"Parameters": {"LogLevel": {"Default": "INFO"}}, "Resources": {}}

    planned = Stacks(aws, Progress(Console(quiet=True)), 0).planned("anew", template, {}, {})

    assert planned == {"LogLevel": value}


class Late(Aws):
    """A stack with the status of its earlier change until the new one has begun, which then fails."""

    def __init__(self) -> None:
        super().__init__()
        self.status, self.polls = "UPDATE_COMPLETE", -1

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if self.polls >= 0:
            self.polls += 1
        if self.polls == 3:
            self._add_event("Table", "UPDATE_FAILED", "no such key")
            self.status = "UPDATE_ROLLBACK_COMPLETE"
        return super().describe_stacks(StackName)

    def get_template(self, **_: Any) -> dict[str, Any]:
        return {"TemplateBody": {}}

    def create_change_set(self, **_: Any) -> dict[str, Any]:
        return {"Id": "change-set"}

    def execute_change_set(self, **_: Any) -> None:
        self.polls = 0


def test_the_status_of_an_earlier_change_is_ignored() -> None:
    with pytest.raises(OperatorError, match="no such key"):
        Stacks(Late(), Progress(Console(quiet=True)), 0).deploy("late", {"Resources": {}}, {})


class Bucket:
    """S3 that reports an object that it did not delete in a successful answer."""

    def get_paginator(self, _: str) -> Bucket:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{"Versions": [{"Key": "items/1", "VersionId": "v"}]}]

    def delete_objects(self, **_: Any) -> dict[str, Any]:
        return {"Errors": [{"Key": "items/1", "Code": "AccessDenied", "Message": "Access Denied"}]}


def test_an_object_that_cannot_be_deleted_is_reported(deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Target, "client", lambda *_: Bucket())

    with pytest.raises(OperatorError, match="documents/items/1 cannot be deleted: Access Denied"):
        StatefulBucket(deployer.target, "documents").empty(deployer.progress)
