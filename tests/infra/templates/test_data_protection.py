"""The templates protect the data against loss and access. test_limits.py has their numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from infra.packaging.package import APPS, package_all
from infra.settings import ROOT, python_runtime
from infra.templates.rendering import Rendered
from infra.templates.sources import INLINE_LIMIT, read_template, to_json
from tests.infra.rendered import NAMES, rendered, template

QUEUE, TABLE, BUCKET = "AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::S3::Bucket"
FUNCTION, GROUP = "AWS::Lambda::Function", "AWS::Logs::LogGroup"
FOUNDATION = rendered("foundation", Events="on")


@pytest.mark.parametrize("app", ["api", "worker"])
def test_logs_are_deleted_after_some_days(app: str) -> None:
    apps = rendered(app, LogRetentionDays="14", **({"AccessLogs": "true"} if app == "api" else {}))

    groups = {each["LogGroupName"]: each["RetentionInDays"] for each in apps.of_type(GROUP).values()}
    assert set(groups.values()) == {"14"}
    functions = {f"/aws/lambda/{each['FunctionName']}" for each in apps.of_type(FUNCTION).values()}
    assert set(groups) == functions | ({"/aws/apigateway/jobpipe-prod"} if app == "api" else set())


@pytest.mark.parametrize(
    "name", ["JobsTable", "ItemsTable", "NamesTable", "CollectionsTable", "LookupsTable", "WebhooksTable"]
)
def test_tables_can_be_restored_and_are_protected(name: str) -> None:
    table = FOUNDATION.of_type(TABLE)[name]

    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": "true"}
    assert table["DeletionProtectionEnabled"] == "true"


@pytest.mark.parametrize("name", ["DocumentsBucket", "ArtifactsBucket"])
def test_buckets_are_private_and_versioned(name: str) -> None:
    bucket = FOUNDATION.of_type(BUCKET)[name]

    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_queues_and_buckets_require_tls() -> None:
    refused = {}
    for kind, member in (("AWS::SQS::QueuePolicy", "Queues"), ("AWS::S3::BucketPolicy", "Bucket")):
        for policy in FOUNDATION.of_type(kind).values():
            (name,) = policy[member] if member == "Queues" else [policy[member]]
            (refused[name],) = policy["PolicyDocument"]["Statement"]

    assert set(refused) == {*FOUNDATION.of_type(QUEUE), *FOUNDATION.of_type(BUCKET)}
    for name, statement in refused.items():
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        resources = [f"{name}.Arn", f"{name}.Arn/*"] if name.endswith("Bucket") else f"{name}.Arn"
        assert statement["Resource"] == resources
        assert statement["Action"] == ("s3:*" if name.endswith("Bucket") else "sqs:*")


def test_emulators_do_not_require_tls() -> None:
    local = rendered("foundation", RequireTls="false")

    assert not local.of_type("AWS::SQS::QueuePolicy")
    assert not local.of_type("AWS::S3::BucketPolicy")


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_has_a_default(name: str) -> None:
    for parameter, definition in template(name)["Parameters"].items():
        if re.search("key|secret|password|token", parameter, re.IGNORECASE):
            assert definition.get("Default", "") in {"", "aws-owned"}


@pytest.mark.parametrize("name", NAMES)
def test_templates_are_small_enough_to_be_sent_inline(name: str) -> None:
    room = 0.99 if name == "api" else 0.8  # with collections the API's goes through the artifacts bucket
    sent = to_json(package_all()[name].template() if name in APPS else template(name))
    assert len(sent.encode()) < INLINE_LIMIT * room, "some room is left for additions"
    assert name not in APPS or ('"checkov"' not in sent and '"cfn-lint"' not in sent)


@pytest.mark.parametrize("app", ["api", "worker"])
def test_functions_run_on_a_supported_runtime(app: str) -> None:
    parameter = template(app)["Parameters"]["Runtime"]

    assert {python_runtime((3, minor)) for minor in (11, 14, 15)} <= set(parameter["AllowedValues"])
    assert parameter["AllowedValues"] == [f"python3.{minor}" for minor in (11, 12, 13, 14)]
    assert parameter["Default"] == "python3.13"
    assert {each["Runtime"] for each in rendered(app).of_type(FUNCTION).values()} == {"python3.13"}


@pytest.mark.parametrize("name", NAMES)
def test_every_ignored_finding_of_a_linter_has_a_reason(name: str) -> None:
    for resource in template(name)["Resources"].values():
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            assert len(skip["comment"]) > 20


@pytest.mark.parametrize("path", sorted((ROOT / "infra" / "templates").glob("*.yaml")), ids=lambda path: path.name)
def test_no_mapping_has_a_key_twice(path: Path) -> None:
    assert read_template(path)


# --- the stage's own key -----------------------------------------------------------------------------------------

OWN = {name: {"EncryptionKey": "arn:key"} for name in NAMES} | {"foundation": {"Encryption": "customer-managed"}}


def with_own_key(name: str) -> Rendered:
    more = {"AccessLogs": "true", "Events": "on"} if name == "api" else {"Events": "on"}
    return rendered(name, **OWN[name], **more)


def test_there_is_no_key_by_default() -> None:
    assert not FOUNDATION.of_type("AWS::KMS::Key")
    for name in NAMES:
        assert not re.search("kms:|EncryptionKey", json.dumps(rendered(name).resources))
    assert {queue["SqsManagedSseEnabled"] for queue in FOUNDATION.of_type(QUEUE).values()} == {True}


def test_a_stages_own_key_encrypts_everything() -> None:
    foundation, arn = with_own_key("foundation"), "EncryptionKey.Arn"

    for queue in foundation.of_type(QUEUE).values():
        assert queue["KmsMasterKeyId"] == arn
        assert "SqsManagedSseEnabled" not in queue, "a queue has only one of them"
    for table in foundation.of_type(TABLE).values():
        assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": arn}
    for bucket in foundation.of_type(BUCKET).values():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}
        assert rule["BucketKeyEnabled"] is True
    for app in ("api", "worker"):
        assert {group["KmsKeyId"] for group in with_own_key(app).of_type(GROUP).values()} == {"arn:key"}
    (topic,) = with_own_key("operations").of_type("AWS::SNS::Topic").values()
    assert topic["KmsMasterKeyId"] == "arn:key"


def test_the_key_is_rotated_and_serves_logs_and_alarms() -> None:
    foundation = with_own_key("foundation")
    (key,) = foundation.of_type("AWS::KMS::Key").values()
    statements = {each["Sid"]: each for each in key["KeyPolicy"]["Statement"]}

    assert key["EnableKeyRotation"] is True
    assert statements["AdministerAndDelegate"]["Principal"] == {"AWS": "arn:aws:iam::111122223333:root"}
    assert statements["PublishAlarms"]["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    logs = statements["EncryptLogGroups"]
    assert logs["Principal"] == {"Service": "logs.eu-central-1.amazonaws.com"}
    named = {arn.rpartition(":")[2] for arn in logs["Condition"]["ArnEquals"]["kms:EncryptionContext:aws:logs:arn"]}
    groups = {
        each["LogGroupName"] for app in ("api", "worker") for each in with_own_key(app).of_type(GROUP).values()
    }
    assert named == groups
    (alias,) = foundation.of_type("AWS::KMS::Alias").values()
    assert alias == {"AliasName": "alias/jobpipe-prod", "TargetKeyId": "EncryptionKey"}


@pytest.mark.parametrize(("app", "count"), [("api", 1), ("worker", 5)])
def test_each_role_may_use_the_key_and_not_administer_it(app: str, count: int) -> None:
    roles = with_own_key(app).of_type("AWS::IAM::Role")

    assert len(roles) == count
    for role in roles.values():
        statements = [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]
        (use,) = [each for each in statements if "kms:" in str(each["Action"])]
        assert use["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
        assert use["Resource"] == "arn:key"


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_gets_its_key_in_place(name: str) -> None:
    """CloudFormation replaces no resource because of the properties that the key changes."""
    before = rendered(name, Events="on", **({"AccessLogs": "true"} if name == "api" else {}))
    after = with_own_key(name)

    changed = 0
    for logical, resource in before.resources.items():
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource["Type"]).schema
        fixed = {pointer.split("/")[2] for pointer in schema.get("createOnlyProperties", [])}
        now = after.resources[logical]["Properties"]
        differing = {
            key for key in {*resource["Properties"], *now} if resource["Properties"].get(key) != now.get(key)
        }
        assert not differing & fixed
        changed += bool(differing)
    assert changed
