"""A foundation whose stack was deleted by hand is imported unchanged. The emulator imports as AWS does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.stub import Stubber
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment import adoption
from infra.deployment.adoption import import_template, plan_adoption
from infra.deployment.comparison import print_diff
from infra.deployment.plan import Deployer
from infra.deployment.remaining import DataKey, find_remaining
from infra.deployment.teardown import Teardown
from infra.errors import OperatorError
from infra.settings import ROOT
from infra.stacks.stage_stacks import PlannedStack
from infra.targets.target import Target
from tests.helpers.deployed import WAIT, Stage, unique
from tests.helpers.embedded import embedded
from tests.helpers.stubbed import a_client
from tests.infra.foundations import ALIAS, KEY, PROD, STACK, TEMPLATE, remaining_resource, stack_resources

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def deployer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    with embedded(tmp_path_factory.mktemp("adoption")) as (target, settings):
        yield Deployer(target, PROD, settings, Progress(Console(quiet=True)), {}, allow_data_loss=False)


@pytest.fixture
def console() -> Console:
    return Console(record=True, width=400, file=Path("/dev/null").open("w"))


@pytest.fixture
def stage(deployer: Deployer) -> Iterator[Stage]:
    """A stage with other parameters than the defaults, and without its foundation's stack."""
    overrides = {"WorkerTimeout": "20", "MaxReceiveCount": "500", "DeletionProtection": "true"}
    deployed = Stage(replace(deployer, overrides=overrides).deploy())
    yield deployed
    Teardown(deployer.target, PROD, deployer.settings, Progress(Console(quiet=True))).destroy()


def stack_parameters(deployer: Deployer) -> dict[str, str]:
    (stack,) = deployer.target.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}


def test_a_stack_that_was_deleted_by_hand_is_imported_from_its_resources(
    stage: Stage, deployer: Deployer, console: Console
) -> None:
    item = stage.request("POST", "/items", {"name": unique("Kept"), "description": "d"}, headers=WAIT).json()
    stacks = deployer.stacks()
    before = stack_parameters(deployer)
    assert stacks.delete(STACK)
    printing = replace(deployer, progress=Progress(console))

    foundation = printing.diff()[0]
    assert {change.action for change in foundation.changes} == {"import"}
    assert len(foundation.changes) == 14
    print_diff([foundation], printing.progress)
    assert "WorkerTimeout=20" in console.export_text(clear=False)
    assert stacks.template(STACK) is None, "a diff does nothing"

    printing.deploy()

    assert stacks.template(STACK) == TEMPLATE
    assert stack_parameters(deployer) == before
    assert stage.request("GET", f"/items/{item['id']}").json() == item
    later = stage.request("POST", "/items", {"name": unique("Later"), "description": "d"}, headers=WAIT)
    assert later.status_code == 201
    text = console.export_text()
    assert "some of its resources remain: CommandsQueue, DeadLettersQueue" in text
    assert "jobpipe-prod-worker          UNCHANGED" in text
    assert "jobpipe-prod-api             UNCHANGED" in text
    assert deployer.diff()[0].differs is False


def test_new_parameters_apply_afterwards_and_missing_resources_are_created(
    stage: Stage, deployer: Deployer, console: Console
) -> None:
    stacks, target = deployer.stacks(), deployer.target
    stacks.delete(STACK)
    sqs = target.client("sqs")
    sqs.delete_queue(QueueUrl=stage.resources["dead_letters_queue_url"])
    # As if an earlier release had deployed the foundation: it had no collections.
    dynamodb = target.client("dynamodb")
    tables = [stage.resources["collections_table"], stage.resources["lookups_table"]]
    for name in tables:
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
        dynamodb.delete_table(TableName=name)
    deployment = Deployer(target, PROD, deployer.settings, Progress(console), {"WorkerTimeout": "60"})

    deployment.deploy()

    created = "CollectionsTable, DeadLettersQueue, LookupsTable"
    assert f"not found, so they are created empty: {created}" in console.export_text()
    assert set(tables) <= set(dynamodb.list_tables()["TableNames"])
    assert stack_parameters(deployer)["WorkerTimeout"] == "60"
    url = sqs.get_queue_url(QueueName="jobpipe-prod-commands.fifo")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "360", "the import changes nothing, but the deployment after it does"
    assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"].endswith("dead-letters.fifo")
    assert stacks.template(STACK) == TEMPLATE


@pytest.mark.parametrize(
    ("was", "will_be", "imported"),
    [
        ("off", "on", {"WebhooksTable", "EventsQueue", "DeliveriesQueue", "DeliveriesLaterQueue"}),
        ("off", "off", set()),
        ("on", "on", set()),
        ("on", "off", set()),
    ],
)
def test_events_that_are_turned_off_and_on_again_keep_their_webhooks(
    monkeypatch: pytest.MonkeyPatch, deployer: Deployer, was: str, will_be: str, imported: set[str]
) -> None:
    """Not on the emulator, which keeps in the stack what a condition removes, unlike CloudFormation."""
    monkeypatch.setattr(
        adoption,
        "find_remaining",
        lambda _, __, template: [remaining_resource(each) for each in template["Resources"]],
    )
    before = adoption.DeployedStack(TEMPLATE, {"Stage": PROD, "Events": was}, {})
    plan = adoption.plan_reimport(deployer.target, PROD, TEMPLATE, before, {"Stage": PROD, "Events": will_be})
    assert set(plan.names if plan else ()) == imported
    if plan is not None:
        for name in imported:
            assert "Condition" not in plan.template["Resources"][name]
            assert plan.template["Resources"][name]["DeletionPolicy"] == "Retain"


def test_the_stages_own_key_is_imported_with_its_alias(deployer: Deployer) -> None:
    target, stacks = deployer.target, deployer.stacks()
    given = {"Stage": PROD, "Encryption": "customer-managed", "RequireTls": "false"}  # the emulator has no TLS
    key = stacks.deploy(STACK, TEMPLATE, given).outputs["EncryptionKey"]
    dynamodb, s3 = target.client("dynamodb"), target.client("s3")
    for each in find_remaining(target, PROD, TEMPLATE):  # the emulator's CloudFormation does not set these
        if each.kind == "AWS::DynamoDB::Table":
            encrypted = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
            dynamodb.update_table(TableName=each.name, SSESpecification=encrypted)
        elif each.kind == "AWS::S3::Bucket":
            rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
            s3.put_bucket_encryption(Bucket=each.name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    stacks.delete(STACK)
    with pytest.raises(OperatorError, match="must stay encrypted"):
        replace(deployer, overrides={"Encryption": "aws-owned"}).create_executor().import_orphaned_resources(
            PlannedStack(STACK, TEMPLATE), {"Stage": PROD}
        )
    assert stacks.template(STACK) is None

    deployer.create_executor().import_orphaned_resources(PlannedStack(STACK, TEMPLATE), {"Stage": PROD})

    assert stack_parameters(deployer)["Encryption"] == "customer-managed"
    # The emulator reports that a bucket may be replaced when the key of its encryption changes.
    replacing = replace(deployer, allow_data_loss=True).stacks()
    assert replacing.deploy(STACK, TEMPLATE, {}).outputs["EncryptionKey"] == key
    assert {("AWS::KMS::Key", key.rpartition("/")[2]), ("AWS::KMS::Alias", ALIAS)} <= set(
        stack_resources(target, STACK)
    )
    assert len(target.client("kms").list_keys()["Keys"]) == 1, "no new key"
    Teardown(target, PROD, deployer.settings, Progress(Console(quiet=True))).destroy()


def test_nothing_is_imported_if_nothing_remains(deployer: Deployer) -> None:
    assert plan_adoption(deployer.target, PROD, TEMPLATE, {}) is None
    assert plan_adoption(deployer.target, PROD, TEMPLATE, {"Encryption": "customer-managed"}) is None


def test_a_table_that_cannot_be_read_is_not_imported(deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    client = a_client("dynamodb")
    monkeypatch.setattr(Target, "client", lambda _, service: client if service == "dynamodb" else a_client(service))
    monkeypatch.setattr(Target, "account", lambda _: "0")
    tables = {"Resources": {"JobsTable": TEMPLATE["Resources"]["JobsTable"]}}
    with Stubber(client) as stub:
        stub.add_response(
            "describe_table", {"Table": {"TableStatus": "ARCHIVED"}}, {"TableName": "jobpipe-prod-jobs"}
        )
        with pytest.raises(OperatorError, match=r"jobpipe-prod-jobs is ARCHIVED: see docs/operations\.md#a-table"):
            find_remaining(deployer.target, PROD, tables)


DATA_RESOURCES = [
    each
    for each, resource in TEMPLATE["Resources"].items()
    if resource["Type"] in {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue"}
]


@pytest.mark.parametrize(
    "present",
    [["trouble"], ["lists", "trouble"], ["lists", "due", "trouble"], ["lists", "due", "recent", "trouble"]],
)
def test_an_import_has_the_indexes_that_the_jobs_table_has(
    monkeypatch: pytest.MonkeyPatch, deployer: Deployer, present: list[str]
) -> None:
    """The deployment that follows adds the others: to CloudFormation, what an import names is there."""
    attributes = {"PointInTimeRecovery": True, "DeletionProtectionEnabled": True, "Indexes": present}
    found = [replace(remaining_resource("JobsTable"), attributes=attributes)]
    monkeypatch.setattr(adoption, "find_remaining", lambda *_: found)
    monkeypatch.setattr(adoption, "find_data_key", lambda *_: None)
    plan = plan_adoption(deployer.target, PROD, TEMPLATE, {})
    assert plan is not None
    properties = plan.template["Resources"]["JobsTable"]["Properties"]
    assert [each["IndexName"] for each in properties["GlobalSecondaryIndexes"]] == present
    used = {key["AttributeName"] for each in properties["GlobalSecondaryIndexes"] for key in each["KeySchema"]}
    assert {each["AttributeName"] for each in properties["AttributeDefinitions"]} == used | {"job_id"}
    assert plan.parameters["JobLists"] == ("on" if "recent" in present else "off")


def test_each_resource_is_identified_by_the_primary_identifier_of_its_type() -> None:
    """ImportExistingResources would not work: no template can have the identifiers of queues and keys."""
    sent = [remaining_resource(each).to_import for each in DATA_RESOURCES] + DataKey(KEY, ALIAS).to_import(TEMPLATE)

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
    taken = set(DATA_RESOURCES) - absent
    if encryption == "customer-managed":
        taken |= {"EncryptionKey", "EncryptionKeyAlias"}
    sent = import_template(TEMPLATE, taken, {"Stage": PROD, "Encryption": encryption, "Events": "on"})

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


def test_the_page_has_the_recipe() -> None:
    page = " ".join((ROOT / "docs" / "operations.md").read_text().split())
    section = page.partition("### A foundation stack that was deleted")[2]
    for words in ("`make diff STAGE=", "`make deploy STAGE=", "no new key", "`ResourcesToImport`"):
        assert words in section
