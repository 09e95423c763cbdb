"""Finds the tables, buckets and queues of a stage by their names, with their configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.aws_errors import suppress_gone
from infra.deployment.retained import names
from infra.errors import OperatorError
from infra.stacks.change_set_requests import ToImport
from infra.targets.target import Target
from infra.templates.sources import Template

_READABLE = {"ACTIVE", "CREATING", "UPDATING"}


@dataclass(frozen=True)
class Remaining:
    """An existing table, bucket or queue of the stage."""

    logical_id: str
    kind: str
    name: str
    identifier: dict[str, str]  # the primary identifier of its type's schema
    attributes: dict[str, Any]
    key: str | None  # the KMS key in its service's notation

    @property
    def to_import(self) -> ToImport:
        return {
            "ResourceType": self.kind,
            "LogicalResourceId": self.logical_id,
            "ResourceIdentifier": self.identifier,
        }


def remaining(target: Target, stage: str, template: Template) -> list[Remaining]:
    """The existing resources in the order of the template; OperatorError if a table cannot be read."""
    found = []
    for logical_id, name in names(target, stage, template).items():
        kind = template["Resources"][logical_id]["Type"]
        if kind in _READERS:
            with suppress_gone():
                identifier, attributes, key = _READERS[kind](target, name)
                found.append(Remaining(logical_id, kind, name, identifier, attributes, key))
    return found


_Read = tuple[dict[str, str], dict[str, Any], str | None]


def _table(target: Target, name: str) -> _Read:
    dynamodb = target.client("dynamodb")
    table = dynamodb.describe_table(TableName=name)["Table"]
    if table["TableStatus"] not in _READABLE:
        raise OperatorError(
            f"the table {name} is {table['TableStatus']}: see docs/operations.md#a-table-that-was-archived"
        )
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED"
    attributes = {
        # an emulator returns the text from the template
        "DeletionProtectionEnabled": str(table.get("DeletionProtectionEnabled", False)).lower() == "true",
        "PointInTimeRecovery": recovery,
    }
    return {"TableName": name}, attributes, table.get("SSEDescription", {}).get("KMSMasterKeyArn")


def _bucket(target: Target, name: str) -> _Read:
    s3 = target.client("s3")
    s3.head_bucket(Bucket=name)
    key = None
    try:
        rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        key = next(
            (each.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID") for each in rules), None
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ServerSideEncryptionConfigurationNotFoundError":
            raise
    return {"BucketName": name}, {}, key


def _queue(target: Target, name: str) -> _Read:
    sqs = target.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {"QueueUrl": url}, attributes, attributes.get("KmsMasterKeyId")


_READERS: dict[str, Callable[[Target, str], _Read]] = {
    "AWS::DynamoDB::Table": _table,
    "AWS::S3::Bucket": _bucket,
    "AWS::SQS::Queue": _queue,
}
