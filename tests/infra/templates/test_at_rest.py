"""Stored data is encrypted, and buckets are neither public nor readable over plain HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.templates.sources import foundation_template
from tests.infra.rendered import rendered

PUBLIC = {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
RESOURCES: dict[str, Any] = foundation_template("prod")["Resources"]


def of_kind(kind: str) -> list[str]:
    return [name for name, resource in RESOURCES.items() if resource["Type"] == kind]


@pytest.mark.parametrize("queue", of_kind("AWS::SQS::Queue"))
def test_every_queue_is_encrypted(queue: str) -> None:
    properties = RESOURCES[queue]["Properties"]

    assert properties.get("SqsManagedSseEnabled") or properties.get("KmsMasterKeyId")


def test_services_use_the_key_for_this_account_only() -> None:
    (key,) = rendered("foundation", Encryption="customer-managed").of_type("AWS::KMS::Key").values()

    by_service = [each for each in key["KeyPolicy"]["Statement"] if "Service" in each["Principal"]]
    assert {each["Sid"] for each in by_service} == {"EncryptLogGroups", "PublishAlarms"}
    for statement in by_service:
        assert ":111122223333:" in json.dumps(statement["Condition"]) or statement["Condition"] == {
            "StringEquals": {"aws:SourceAccount": "111122223333"}
        }


@pytest.mark.parametrize("bucket", of_kind("AWS::S3::Bucket"))
def test_every_bucket_is_encrypted_private_and_versioned(bucket: str) -> None:
    properties = RESOURCES[bucket]["Properties"]

    assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert {name for name, on in properties["PublicAccessBlockConfiguration"].items() if on is True} == PUBLIC
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}


def test_every_bucket_refuses_plain_http_except_on_emulators() -> None:
    template = foundation_template("prod")
    policies = {
        RESOURCES[name]["Properties"]["Bucket"]["Ref"]: RESOURCES[name] for name in of_kind("AWS::S3::BucketPolicy")
    }

    assert set(policies) == set(of_kind("AWS::S3::Bucket"))
    assert template["Parameters"]["RequireTls"]["Default"] == "true"
    for bucket, policy in policies.items():
        denials = [each for each in policy["Properties"]["PolicyDocument"]["Statement"] if each["Effect"] == "Deny"]
        (denial,) = [each for each in denials if each["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}]
        assert (denial["Principal"], denial["Action"]) == ("*", "s3:*")
        assert denial["Resource"] == [{"Fn::GetAtt": [bucket, "Arn"]}, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}]


@pytest.mark.parametrize("table", of_kind("AWS::DynamoDB::Table"))
def test_every_table_can_be_restored_and_is_protected_against_deletion(table: str) -> None:
    properties = RESOURCES[table]["Properties"]

    assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] == {
        "Ref": "PointInTimeRecovery"
    }
    assert properties["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}
    parameters = foundation_template("prod")["Parameters"]
    assert parameters["PointInTimeRecovery"]["Default"] == parameters["DeletionProtection"]["Default"] == "true"
