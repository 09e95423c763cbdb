"""A foundation whose stack was deleted by hand is imported unchanged, and no new key replaces the data's.

The emulator imports as AWS was measured to; what its CloudFormation leaves out (keys of tables and buckets, early
validation) is answered by botocore's Stubber, which checks the service's model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.stub import ANY, Stubber
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment.adoption import _only, plan_adoption
from infra.deployment.data_key import DataKey, data_key
from infra.deployment.diff import print_diff, stage_diff
from infra.deployment.plan import Deployer
from infra.deployment.remaining import Remaining, remaining
from infra.deployment.teardown import Teardown
from infra.errors import OperatorError
from infra.settings import ROOT
from infra.stacks.change_sets import Stacks
from infra.stage.names import foundation_stack
from infra.targets.target import Target
from infra.templates.sources import Template, foundation_for
from tests.helpers.deployed import WAIT, Stage, unique
from tests.helpers.embedded import embedded
from tests.helpers.stubbed import a_client

PROD = "prod"
TEMPLATE = foundation_for(PROD)
STACK = foundation_stack(PROD)
ALIAS = "alias/jobpipe-prod"
KEY = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
OTHER = "arn:aws:kms:us-east-1:000000000000:key/99999999-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def deployer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    with embedded(tmp_path_factory.mktemp("adoption")) as (target, settings):
        yield Deployer(target, PROD, settings, Progress(Console(quiet=True)), {}, allow_replacement=False)


@pytest.fixture
def console() -> Console:
    return Console(record=True, width=400, file=Path("/dev/null").open("w"))


@pytest.fixture
def stage(deployer: Deployer) -> Iterator[Stage]:
    """A stage with other parameters than the defaults, and without its foundation's stack."""
    asked = {"WorkerTimeout": "20", "MaxReceiveCount": "500", "DeletionProtection": "true"}
    deployed = Stage(replace(deployer, overrides=asked).up())
    yield deployed
    Teardown(deployer.target, PROD, deployer.settings, Progress(Console(quiet=True))).destroy()


def held_parameters(deployer: Deployer) -> dict[str, str]:
    (stack,) = deployer.target.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}


def test_a_stack_that_was_deleted_by_hand_is_made_from_its_resources(
    stage: Stage, deployer: Deployer, console: Console
) -> None:
    item = stage.request("POST", "/items", {"name": unique("Kept"), "description": "d"}, headers=WAIT).json()
    stacks = deployer._stacks()
    before = held_parameters(deployer)
    assert stacks.delete(STACK)
    speaking = replace(deployer, progress=Progress(console))

    foundation = stage_diff(speaking)[0]
    assert {change.action for change in foundation.changes} == {"import"}
    assert len(foundation.changes) == 8
    print_diff([foundation], speaking.progress)
    assert "WorkerTimeout=20" in console.export_text(clear=False)
    assert stacks.template(STACK) is None, "a diff does nothing"

    speaking.up()

    assert stacks.template(STACK) == TEMPLATE
    assert held_parameters(deployer) == before
    assert stage.request("GET", f"/items/{item['id']}").json() == item
    later = stage.request("POST", "/items", {"name": unique("Later"), "description": "d"}, headers=WAIT)
    assert later.status_code == 201
    text = console.export_text()
    assert "resources of it remain: CommandsQueue, DeadLettersQueue" in text
    assert "jobpipe-prod-worker          UNCHANGED" in text
    assert "jobpipe-prod-api             UNCHANGED" in text
    assert stage_diff(deployer)[0].differs is False


def test_new_parameters_apply_afterwards_and_missing_resources_are_created(
    stage: Stage, deployer: Deployer, console: Console
) -> None:
    stacks, target = deployer._stacks(), deployer.target
    stacks.delete(STACK)
    sqs = target.client("sqs")
    sqs.delete_queue(QueueUrl=stage.resources["dead_letters_queue_url"])
    asked = Deployer(target, PROD, deployer.settings, Progress(console), {"WorkerTimeout": "60"})

    asked.up()

    assert "lost with their data, and created anew: DeadLettersQueue" in console.export_text()
    assert held_parameters(deployer)["WorkerTimeout"] == "60"
    url = sqs.get_queue_url(QueueName="jobpipe-prod-commands.fifo")["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert told["VisibilityTimeout"] == "360", "the import changes nothing, but the deployment after it does"
    assert json.loads(told["RedrivePolicy"])["deadLetterTargetArn"].endswith("dead-letters.fifo")
    assert stacks.template(STACK) == TEMPLATE


def test_its_own_key_is_taken_over_with_its_alias(deployer: Deployer) -> None:
    target, stacks = deployer.target, deployer._stacks()
    given = {"Stage": PROD, "Encryption": "customer-managed", "RequireTls": "false"}  # the emulator has no TLS
    key = stacks.deploy(STACK, TEMPLATE, given).outputs["EncryptionKey"]
    dynamodb, s3 = target.client("dynamodb"), target.client("s3")
    for each in remaining(target, PROD, TEMPLATE):  # what the emulator's CloudFormation leaves out
        if each.kind == "AWS::DynamoDB::Table":
            encrypted = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
            dynamodb.update_table(TableName=each.name, SSESpecification=encrypted)
        elif each.kind == "AWS::S3::Bucket":
            rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
            s3.put_bucket_encryption(Bucket=each.name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    stacks.delete(STACK)
    with pytest.raises(OperatorError, match="must stay so"):
        replace(deployer, overrides={"Encryption": "aws-owned"}).adopt(STACK, TEMPLATE)
    assert stacks.template(STACK) is None

    deployer.adopt(STACK, TEMPLATE)

    assert held_parameters(deployer)["Encryption"] == "customer-managed"
    # the emulator says that a bucket may be replaced if a key that its encryption names is changed
    may_lose = replace(deployer, allow_replacement=True)._stacks()
    assert may_lose.deploy(STACK, TEMPLATE, {}).outputs["EncryptionKey"] == key
    assert {("AWS::KMS::Key", key.rpartition("/")[2]), ("AWS::KMS::Alias", ALIAS)} <= set(stacks.resources(STACK))
    assert len(target.client("kms").list_keys()["Keys"]) == 1, "no new one"
    Teardown(target, PROD, deployer.settings, Progress(Console(quiet=True))).destroy()


def test_nothing_is_imported_if_nothing_remains(deployer: Deployer) -> None:
    assert plan_adoption(deployer.target, PROD, TEMPLATE, {}) is None
    assert plan_adoption(deployer.target, PROD, TEMPLATE, {"Encryption": "customer-managed"}) is None


def test_a_table_that_cannot_be_read_is_not_taken_over(deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    client = a_client("dynamodb")
    monkeypatch.setattr(Target, "client", lambda _, service: client if service == "dynamodb" else a_client(service))
    monkeypatch.setattr(Target, "account", lambda _: "0")
    tables = {"Resources": {"JobsTable": TEMPLATE["Resources"]["JobsTable"]}}
    with Stubber(client) as stub:
        stub.add_response(
            "describe_table", {"Table": {"TableStatus": "ARCHIVED"}}, {"TableName": "jobpipe-prod-jobs"}
        )
        with pytest.raises(OperatorError, match=r"jobpipe-prod-jobs is ARCHIVED: see docs/operations\.md#a-table"):
            remaining(deployer.target, PROD, tables)


# --- what is sent -------------------------------------------------------------------------------------------------


def left(logical_id: str, key: str | None = None) -> Remaining:
    resource = TEMPLATE["Resources"][logical_id]
    kind, name = resource["Type"], logical_id.lower()
    identifiers = {
        "AWS::DynamoDB::Table": {"TableName": name},
        "AWS::S3::Bucket": {"BucketName": name},
        "AWS::SQS::Queue": {"QueueUrl": f"https://sqs/{name}"},
    }
    return Remaining(logical_id, kind, name, identifiers[kind], {}, key)


ALL = [
    each
    for each, resource in TEMPLATE["Resources"].items()
    if resource["Type"] in {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue"}
]


def test_everything_is_named_by_the_primary_identifier_of_its_type() -> None:
    """ImportExistingResources would not work: no template can have the identifiers of queues and keys."""
    sent = [left(each).to_import for each in ALL] + DataKey(KEY, ALIAS).to_import(TEMPLATE)

    stateful = {each for each, resource in TEMPLATE["Resources"].items() if "DeletionPolicy" in resource}
    assert {each["LogicalResourceId"] for each in sent} == stateful
    read_only = set()
    for each in sent:
        kind = each["ResourceType"]
        assert TEMPLATE["Resources"][each["LogicalResourceId"]]["Type"] == kind
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        primary = [path.removeprefix("/properties/") for path in schema["primaryIdentifier"]]
        assert list(each["ResourceIdentifier"]) == primary
        if set(schema["primaryIdentifier"]) <= set(schema.get("readOnlyProperties", [])):
            read_only.add(kind)
    assert read_only == {"AWS::SQS::Queue", "AWS::KMS::Key"}


@pytest.mark.parametrize("absent", [set(), {"DeadLettersQueue"}, {"JobsTable", "DocumentsBucket"}])
@pytest.mark.parametrize("encryption", ["aws-owned", "customer-managed"])
def test_an_import_has_only_existing_resources_and_retains_them(absent: set[str], encryption: str) -> None:
    taken = set(ALL) - absent
    if encryption == "customer-managed":
        taken |= {"EncryptionKey", "EncryptionKeyAlias"}
    sent = _only(TEMPLATE, taken, {"Stage": PROD, "Encryption": encryption})

    assert set(sent["Resources"]) == taken
    assert not {"Outputs", "Conditions"} & set(sent)
    text = json.dumps(sent["Resources"])
    for logical in set(TEMPLATE["Resources"]) - taken:
        assert f'"Ref": "{logical}"' not in text
        assert f'["{logical}", ' not in text
    for resource in sent["Resources"].values():
        assert resource["DeletionPolicy"] == "Retain"
        assert resource["UpdateReplacePolicy"] == "Retain"
    if not absent:
        assert sent["Resources"]["CommandsQueue"]["Properties"]["RedrivePolicy"]


# --- the key ------------------------------------------------------------------------------------------------------


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = a_client("kms")
    monkeypatch.setattr(Target, "client", lambda *_: client)
    monkeypatch.setattr(Target, "account", lambda _: "000000000000")
    with Stubber(client) as stub:
        yield stub


def answers(
    kms: Stubber, asked: str, arn: str | None, *, state: str = "Enabled", manager: str = "CUSTOMER"
) -> None:
    if arn is None:
        kms.add_client_error(
            "describe_key", "NotFoundException", "no such key", 400, expected_params={"KeyId": asked}
        )
        return
    metadata = {"KeyId": arn[-36:], "Arn": arn, "KeyState": state, "KeyManager": manager}
    kms.add_response("describe_key", {"KeyMetadata": metadata}, {"KeyId": asked})


def key_of(deployer: Deployer, *found: Remaining) -> DataKey | None:
    return data_key(deployer.target, PROD, TEMPLATE, list(found))


def test_the_key_of_all_of_it_is_taken_over(deployer: Deployer, kms: Stubber) -> None:
    for alias in (KEY, None):
        answers(kms, ALIAS, alias)
        answers(kms, KEY, KEY)
        answers(kms, ALIAS[6:], KEY)
        found = key_of(deployer, left("JobsTable", KEY), left("DocumentsBucket", ALIAS[6:]))
        assert found == DataKey(KEY, ALIAS if alias else None)
    sent = {
        each["LogicalResourceId"]: each["ResourceIdentifier"] for each in DataKey(KEY, None).to_import(TEMPLATE)
    }
    assert sent == {"EncryptionKey": {"KeyId": KEY[-36:]}}


@pytest.mark.parametrize(
    ("state", "mended"),
    [
        ("Disabled", f"is Disabled: `aws kms enable-key --key-id {KEY}`"),
        (
            "PendingDeletion",
            f"is PendingDeletion: `aws kms cancel-key-deletion --key-id {KEY} && aws kms enable-key",
        ),
        ("Unavailable", "is Unavailable"),
    ],
)
def test_an_unusable_key_is_refused_with_a_remedy(
    deployer: Deployer, kms: Stubber, state: str, mended: str
) -> None:
    answers(kms, ALIAS, KEY, state=state)
    answers(kms, KEY, KEY, state=state)
    with pytest.raises(OperatorError) as refused:
        key_of(deployer, left("ItemsTable", KEY))
    assert mended in str(refused.value)


def test_no_new_key_replaces_a_deleted_one(deployer: Deployer, kms: Stubber) -> None:
    answers(kms, ALIAS, None)
    answers(kms, KEY, None)
    with pytest.raises(OperatorError, match="its data cannot be read"):
        key_of(deployer, left("ItemsTable", KEY))


def test_another_key_under_the_alias_is_refused(deployer: Deployer, kms: Stubber) -> None:
    answers(kms, ALIAS, OTHER)
    answers(kms, KEY, KEY)
    with pytest.raises(OperatorError, match=f"update-alias --alias-name {ALIAS} --target-key-id {KEY}"):
        key_of(deployer, left("ItemsTable", KEY))


@pytest.mark.parametrize("other", [OTHER, None])
def test_several_keys_are_refused(deployer: Deployer, kms: Stubber, other: str | None) -> None:
    answers(kms, ALIAS, KEY)
    answers(kms, KEY, KEY)
    if other:
        answers(kms, OTHER, OTHER)
    with pytest.raises(OperatorError, match="several keys"):
        key_of(deployer, left("ItemsTable", KEY), left("DocumentsBucket", other))


def test_an_alias_of_a_key_that_encrypts_nothing_is_refused(deployer: Deployer, kms: Stubber) -> None:
    for found in ([], [left("ItemsTable")]):
        answers(kms, ALIAS, KEY)
        with pytest.raises(OperatorError, match=f"delete-alias --alias-name {ALIAS}"):
            key_of(deployer, *found)


def test_without_a_key_of_the_stages_own_no_right_to_kms_is_needed(deployer: Deployer, kms: Stubber) -> None:
    answers(kms, ALIAS, None)
    answers(kms, OTHER, OTHER, manager="AWS")
    assert key_of(deployer, left("ItemsTable", OTHER), left("DocumentsBucket")) is None
    kms.add_client_error("describe_key", "AccessDeniedException", "no", 400)
    assert key_of(deployer, left("ItemsTable")) is None


def test_returning_to_the_key_of_aws_is_refused(
    deployer: Deployer, kms: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(kms, ALIAS, KEY)
    answers(kms, KEY, KEY)
    monkeypatch.setattr("infra.deployment.adoption.remaining", lambda *_: [left("ItemsTable", KEY)])
    with pytest.raises(OperatorError, match=r"encrypted with its own key .* must stay so"):
        plan_adoption(deployer.target, PROD, TEMPLATE, {"Encryption": "aws-owned"})


# --- CloudFormation's answers -------------------------------------------------------------------------------------


@pytest.fixture
def cloudformation() -> Iterator[tuple[Stacks, Stubber]]:
    client = a_client("cloudformation")
    with Stubber(client) as stub:
        yield Stacks(client, Progress(Console(quiet=True)), 0), stub
        stub.assert_no_pending_responses()


CHANGE_SET = "arn:aws:cloudformation:us-east-1:111122223333:changeSet/jobpipe-1/1"
EARLY = (
    "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. To troubleshoot Early"
    " Validation errors, use the DescribeEvents API for detailed failure information."
)
ASKED = ("StackName", "ChangeSetName", "ChangeSetType", "TemplateBody", "Parameters", "Capabilities")
TO_IMPORT = [left("JobsTable").to_import]


def stack_is(stub: Stubber, status: str | None) -> None:
    if status is None:
        stub.add_client_error("describe_stacks", "ValidationError", "Stack s does not exist", 400)
        return
    made = {"StackName": "s", "StackId": "arn:aws:s", "CreationTime": 0, "StackStatus": status}
    stub.add_response("describe_stacks", {"Stacks": [made]})


def told(stub: Stubber, *events: tuple[str, str, str]) -> None:
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


def refused(stub: Stubber) -> None:
    """Add the answers up to the reason of the change set."""
    stack_is(stub, None)
    stub.add_client_error("describe_stack_events", "ValidationError", "Stack s does not exist", 400)
    stack_is(stub, None)
    stub.add_response("create_change_set", {"Id": CHANGE_SET}, dict.fromkeys(ASKED, ANY))
    stub.add_response("describe_change_set", {"Status": "FAILED", "StatusReason": EARLY})


def test_findings_of_early_validation_are_reported(cloudformation: tuple[Stacks, Stubber]) -> None:
    stacks, stub = cloudformation
    refused(stub)
    conflict = {
        "EventType": "VALIDATION_ERROR",
        "LogicalResourceId": "WorkLogGroup",
        "ResourceType": "AWS::Logs::LogGroup",
        "ValidationName": "NAME_CONFLICT_VALIDATION",
        "ValidationStatus": "FAILED",
        "ValidationStatusReason": "Resource of type 'AWS::Logs::LogGroup' with identifier 'g' already exists.",
    }
    progress = {"EventType": "STACK_EVENT", "OperationStatus": "FAILED"}
    asked = {"ChangeSetName": CHANGE_SET, "Filters": {"FailedEvents": True}}
    stub.add_response("describe_events", {"OperationEvents": [progress, conflict, conflict]}, asked)
    stub.add_response("delete_change_set", {})
    stack_is(stub, "REVIEW_IN_PROGRESS")
    stub.add_response("delete_stack", {}, {"StackName": "arn:aws:s"})
    stack_is(stub, None)

    with pytest.raises(OperatorError) as error:
        stacks.deploy("s", {"Resources": {}}, {})
    assert str(error.value) == (
        "s is refused: WorkLogGroup (AWS::Logs::LogGroup):"
        " Resource of type 'AWS::Logs::LogGroup' with identifier 'g' already exists."
    )


def test_a_missing_permission_for_the_findings_is_reported(cloudformation: tuple[Stacks, Stubber]) -> None:
    stacks, stub = cloudformation
    refused(stub)
    stub.add_client_error("describe_events", "AccessDenied", "not authorized", 403)
    stub.add_response("delete_change_set", {})
    stack_is(stub, None)
    with pytest.raises(OperatorError, match=r"ResourceExistenceCheck.*need cloudformation:DescribeEvents"):
        stacks.deploy("s", {"Resources": {}}, {})


def imported(stub: Stubber) -> None:
    stub.add_client_error("describe_stack_events", "ValidationError", "Stack s does not exist", 400)
    asked = {**dict.fromkeys(ASKED, ANY), "ChangeSetType": "IMPORT", "ResourcesToImport": TO_IMPORT}
    stub.add_response("create_change_set", {"Id": CHANGE_SET}, asked)
    stub.add_response("describe_change_set", {"Status": "CREATE_COMPLETE"})
    stub.add_response("execute_change_set", {})


@pytest.mark.parametrize("status", ["IMPORT_ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_an_import_that_fails_leaves_no_stack_and_all_data(
    cloudformation: tuple[Stacks, Stubber], status: str
) -> None:
    stacks, stub = cloudformation
    template: Template = {"Resources": {"JobsTable": {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain"}}}
    imported(stub)
    failure = ("JobsTable", "IMPORT_FAILED", "the table is in another stack")
    stack_is(stub, "IMPORT_IN_PROGRESS")
    told(stub, failure)
    stack_is(stub, status)
    told(stub, failure)
    if status == "REVIEW_IN_PROGRESS":
        told(stub, failure)
    stack_is(stub, status)
    told(stub, failure)
    stack_is(stub, status)
    if status != "REVIEW_IN_PROGRESS":
        stack_is(stub, status)
        stub.add_response("get_template", {"TemplateBody": json.dumps(template)})
    stub.add_response("delete_stack", {}, {"StackName": "arn:aws:s"})
    stack_is(stub, None)

    with pytest.raises(OperatorError, match="the table is in another stack"):
        stacks.adopt("s", template, {"Stage": PROD}, TO_IMPORT)


def test_a_stack_whose_deletion_deletes_resources_is_not_a_failed_adoption(
    cloudformation: tuple[Stacks, Stubber],
) -> None:
    stacks, stub = cloudformation
    template = {"Resources": {"JobsTable": {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Delete"}}}
    stack_is(stub, "IMPORT_ROLLBACK_COMPLETE")
    stack_is(stub, "IMPORT_ROLLBACK_COMPLETE")
    stub.add_response("get_template", {"TemplateBody": json.dumps(template)})
    assert stacks.make_way("s") is True


def test_a_stack_that_holds_nothing_yet_has_no_template(cloudformation: tuple[Stacks, Stubber]) -> None:
    stacks, stub = cloudformation
    stack_is(stub, "REVIEW_IN_PROGRESS")
    stub.add_response("get_template", {})
    assert stacks.template("s") is None


def test_the_page_has_the_recipe() -> None:
    page = " ".join((ROOT / "docs" / "operations.md").read_text().split())
    section = page.partition("### A foundation stack that was deleted")[2]
    for words in ("`make diff STAGE=", "`make deploy STAGE=", "no new key", "`ResourcesToImport`"):
        assert words in section
