"""Finds what remains of a foundation whose stack was deleted: tables, buckets, queues, and their KMS key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.aws_errors import is_denied, suppress_gone
from infra.deployment.stateful import Bucket, KeyAlias, Queue, Stateful, Table, stateful_resources
from infra.errors import OperatorError
from infra.stacks.change_set_requests import ToImport
from infra.targets.target import Target
from infra.templates.sources import Template

_READABLE = {"ACTIVE", "CREATING", "UPDATING"}
_KEY = "AWS::KMS::Key"
_REMEDIES = {
    "Disabled": "aws kms enable-key --key-id {0}",
    "PendingDeletion": "aws kms cancel-key-deletion --key-id {0} && aws kms enable-key --key-id {0}",
}


@dataclass(frozen=True)
class RemainingResource:
    """An existing table, bucket or queue of the stage."""

    logical_id: str
    kind: str
    name: str
    identifier: dict[str, str]  # the primary identifier of its type's schema
    attributes: dict[str, Any]
    key: str | None  # the KMS key in its service's notation

    @property
    def to_import(self) -> ToImport:
        return _to_import(self.kind, self.logical_id, self.identifier)


def find_remaining(target: Target, stage: str, template: Template) -> list[RemainingResource]:
    """Return the existing resources in template order; raise OperatorError if a table cannot be read."""
    found = []
    for logical_id, resource in stateful_resources(target, stage, template).items():
        read = _READERS.get(type(resource))
        if read:
            with suppress_gone():
                identifier, attributes, key = read(resource)
                found.append(
                    RemainingResource(logical_id, resource.kind, resource.name, identifier, attributes, key)
                )
    return found


_Properties = tuple[dict[str, str], dict[str, Any], str | None]


def _read_table(table: Stateful) -> _Properties:
    dynamodb, name = table.client, table.name
    described = dynamodb.describe_table(TableName=name)["Table"]
    if described["TableStatus"] not in _READABLE:
        raise OperatorError(
            f"the table {name} is {described['TableStatus']}: see docs/operations.md#a-table-that-was-archived"
        )
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED"
    attributes = {
        # an emulator returns the text from the template
        "DeletionProtectionEnabled": str(described.get("DeletionProtectionEnabled", False)).lower() == "true",
        "PointInTimeRecovery": recovery,
        "Indexes": [index["IndexName"] for index in described.get("GlobalSecondaryIndexes", [])],
    }
    return {"TableName": name}, attributes, described.get("SSEDescription", {}).get("KMSMasterKeyArn")


def _read_bucket(bucket: Stateful) -> _Properties:
    s3, name, key = bucket.client, bucket.name, None
    s3.head_bucket(Bucket=name)
    try:
        rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        key = next(
            (each.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID") for each in rules), None
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ServerSideEncryptionConfigurationNotFoundError":
            raise
    return {"BucketName": name}, {}, key


def _read_queue(queue: Stateful) -> _Properties:
    sqs = queue.client
    url = sqs.get_queue_url(QueueName=queue.name)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {"QueueUrl": url}, attributes, attributes.get("KmsMasterKeyId")


_READERS: dict[type[Stateful], Callable[[Stateful], _Properties]] = {
    Table: _read_table,
    Bucket: _read_bucket,
    Queue: _read_queue,
}


@dataclass(frozen=True)
class DataKey:
    """The stage's own key, which encrypts all of its data."""

    arn: str
    alias: str | None  # None if the alias was deleted

    def to_import(self, template: Template) -> list[ToImport]:
        """Return the key, which is identified by its id, and its alias as resources to import."""
        logical_ids = {each["Type"]: logical_id for logical_id, each in template["Resources"].items()}
        identifiers = {_KEY: {"KeyId": self.arn.rpartition("/")[2]}}
        if self.alias:
            identifiers[KeyAlias.kind] = {"AliasName": self.alias}
        return [_to_import(kind, logical_ids[kind], identifier) for kind, identifier in identifiers.items()]


def find_data_key(target: Target, stage: str, template: Template, found: list[RemainingResource]) -> DataKey | None:
    """Return the key that encrypts these resources, or None if AWS's own keys encrypt them.

    Raise OperatorError if the key cannot be used, if there are several keys, or if the alias names another key.
    """
    kms = target.client("kms")
    resources = stateful_resources(target, stage, template).values()
    (alias,) = (each.name for each in resources if isinstance(each, KeyAlias))
    key_of_alias = _describe(kms, alias)
    names_by_key: dict[str, list[str]] = {}
    for each in found:
        names_by_key.setdefault(_key_arn(kms, each), []).append(each.name)
    if set(names_by_key) <= {""}:
        if key_of_alias:
            raise OperatorError(
                f"{alias} names the key {key_of_alias['Arn']}, but that key encrypts no remaining resource of"
                f" {stage}: `aws kms delete-alias --alias-name {alias}` makes room for another"
            )
        return None
    if len(names_by_key) > 1:
        parts = (f"{', '.join(names)} with {arn or 'a key of AWS'}" for arn, names in sorted(names_by_key.items()))
        raise OperatorError(
            f"the data of {stage} is encrypted with several keys, so no stack can import it: {'; '.join(parts)}"
        )
    (arn,) = names_by_key
    if key_of_alias and key_of_alias["Arn"] != arn:
        raise OperatorError(
            f"the data of {stage} is encrypted with {arn}, but {alias} names another key, {key_of_alias['Arn']}:"
            f" `aws kms update-alias --alias-name {alias} --target-key-id {arn}`"
        )
    return DataKey(arn, alias if key_of_alias else None)


def _key_arn(kms: Any, each: RemainingResource) -> str:
    """Return the ARN of the resource's key, or an empty string if the key is AWS's own."""
    if each.key is None:
        return ""
    key = _describe(kms, each.key)
    if key is None:
        raise OperatorError(
            f"{each.name} is encrypted with {each.key}, which no longer exists, so its data cannot be read"
        )
    if key.get("KeyManager") == "AWS":
        return ""
    arn, state = str(key["Arn"]), key["KeyState"]
    if state != "Enabled":
        remedy = _REMEDIES.get(state, "see the key in the console of KMS").format(arn)
        raise OperatorError(f"{each.name} is encrypted with {arn}, which is {state}: `{remedy}`")
    return arn


def _describe(kms: Any, key: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = kms.describe_key(KeyId=key)["KeyMetadata"]
    except ClientError as error:
        # KMS permissions are needed only if the stage has its own key, so a denial means that it has none
        if error.response["Error"]["Code"] == "NotFoundException" or (
            key.startswith("alias/") and is_denied(error)
        ):
            return None
        raise
    return found


def _to_import(kind: str, logical_id: str, identifier: dict[str, str]) -> ToImport:
    return {"ResourceType": kind, "LogicalResourceId": logical_id, "ResourceIdentifier": identifier}
