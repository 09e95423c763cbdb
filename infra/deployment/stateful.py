"""The resources that hold the data of a stage: tables, buckets, queues and the stage's own key.

They outlive the foundation's stack by their deletion policy, and are found by their names.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from infra.cli.aws_errors import suppress_gone
from infra.cli.progress import Progress
from infra.errors import OperatorError
from infra.targets.target import Target
from infra.templates.sources import Template, foundation_template

_DELETE_AT_ONCE = 1000  # objects per DeleteObjects
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z:]+)\}")


@dataclass(frozen=True)
class Stateful(ABC):
    """A resource that may exist; if it does not, the methods raise ClientError."""

    kind: ClassVar[str]  # its type in CloudFormation
    name_property: ClassVar[str]
    service: ClassVar[str]

    target: Target
    name: str

    @property
    def client(self) -> Any:
        return self.target.client(self.service)

    @abstractmethod
    def summary(self) -> str:
        """Return AWS's estimate of how much the resource contains: an exact count would read all of it."""

    @abstractmethod
    def holds_data(self) -> bool: ...

    @abstractmethod
    def delete(self) -> None:
        """Delete the resource; a bucket must be empty, and a table unprotected."""

    def report_deletion(self, progress: Progress) -> None:
        progress.event(self.service, "DELETED", self.name)


class Table(Stateful):
    kind, name_property, service = "AWS::DynamoDB::Table", "TableName", "dynamodb"

    def summary(self) -> str:
        table = self.client.describe_table(TableName=self.name)["Table"]
        return f"about {table.get('ItemCount', 0)} rows (counted by AWS within the last hours)"

    def holds_data(self) -> bool:
        return bool(self.client.scan(TableName=self.name, Limit=1, ConsistentRead=True)["Count"])

    def unprotect(self) -> None:
        """End the deletion protection, if there is one."""
        dynamodb = self.client
        if dynamodb.describe_table(TableName=self.name)["Table"].get("DeletionProtectionEnabled"):
            dynamodb.update_table(TableName=self.name, DeletionProtectionEnabled=False)
            dynamodb.get_waiter("table_exists").wait(TableName=self.name)

    def delete(self) -> None:
        self.client.delete_table(TableName=self.name)

    def wait_until_deleted(self) -> None:
        """Wait until the name is free; raise WaiterError after 300 polls, which are ten minutes on AWS."""
        patience = {"Delay": self.target.poll_seconds, "MaxAttempts": 300}
        self.client.get_waiter("table_not_exists").wait(TableName=self.name, WaiterConfig=patience)


class Bucket(Stateful):
    kind, name_property, service = "AWS::S3::Bucket", "BucketName", "s3"

    def summary(self) -> str:
        page = self.client.list_object_versions(Bucket=self.name, MaxKeys=1000)
        count = len(page.get("Versions", []))
        return f"{'more than ' if page.get('IsTruncated') else ''}{count} versions of objects"

    def holds_data(self) -> bool:
        return "Versions" in self.client.list_object_versions(Bucket=self.name, MaxKeys=1)

    def empty(self, progress: Progress) -> None:
        """Delete all versions of all objects; raise OperatorError if one cannot be deleted."""
        s3, count = self.client, 0
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=self.name, MaxKeys=_DELETE_AT_ONCE):
            found = page.get("Versions", []) + page.get("DeleteMarkers", [])
            versions = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
            for start in range(0, len(versions), _DELETE_AT_ONCE):
                some = versions[start : start + _DELETE_AT_ONCE]
                response = s3.delete_objects(Bucket=self.name, Delete={"Objects": some, "Quiet": True})
                for error in response.get("Errors", []):  # the call itself succeeds
                    raise OperatorError(f"{self.name}/{error['Key']} cannot be deleted: {error.get('Message')}")
                count += len(some)
        if count:
            progress.event("s3", "EMPTIED", f"{self.name} ({count} versions)")

    def delete(self) -> None:
        self.client.delete_bucket(Bucket=self.name)


class Queue(Stateful):
    kind, name_property, service = "AWS::SQS::Queue", "QueueName", "sqs"

    def summary(self) -> str:
        return f"about {sum(self._counts('', 'NotVisible'))} messages"

    def holds_data(self) -> bool:
        return any(self._counts("", "NotVisible", "Delayed"))

    def delete(self) -> None:
        self.client.delete_queue(QueueUrl=self._url())

    def _url(self) -> str:
        return str(self.client.get_queue_url(QueueName=self.name)["QueueUrl"])

    def _counts(self, *suffixes: str) -> list[int]:
        names = [f"ApproximateNumberOfMessages{suffix}" for suffix in suffixes]
        attributes = self.client.get_queue_attributes(QueueUrl=self._url(), AttributeNames=names)["Attributes"]
        return [int(attributes[name]) for name in names]


class KeyAlias(Stateful):
    """The stage's own KMS key, which is found by its alias, since a key has no name."""

    kind, name_property, service = "AWS::KMS::Alias", "AliasName", "kms"

    def summary(self) -> str:
        state = self.client.describe_key(KeyId=self.name)["KeyMetadata"]["KeyState"]
        return f"the key that encrypts all data ({state}); AWS deletes it after 30 days"

    def holds_data(self) -> bool:
        return False

    def delete(self) -> None:
        kms = self.client
        key = kms.describe_key(KeyId=self.name)["KeyMetadata"]
        # The alias is deleted last, so that the next run of an interrupted destruction still finds the key.
        if key["KeyState"] != "PendingDeletion":
            kms.schedule_key_deletion(KeyId=key["KeyId"])
        kms.delete_alias(AliasName=self.name)

    def report_deletion(self, progress: Progress) -> None:
        progress.event("kms", "SCHEDULED", f"AWS deletes {self.name} after 30 days, not sooner")


_KINDS: dict[str, type[Stateful]] = {each.kind: each for each in (Table, Bucket, Queue, KeyAlias)}


def stateful_resources(target: Target, stage: str, template: Template | None = None) -> dict[str, Stateful]:
    """Return the stage's resources by logical id in the foundation's template."""
    values = {"Stage": stage, "AWS::AccountId": target.account(), "AWS::Region": target.region}
    found: dict[str, Stateful] = {}
    for logical_id, resource in (template or foundation_template(stage))["Resources"].items():
        kind = _KINDS.get(resource["Type"])
        if kind:
            pattern = resource["Properties"][kind.name_property]["Fn::Sub"]
            found[logical_id] = kind(target, _PLACEHOLDER.sub(lambda match: values[match.group(1)], pattern))
    return found


def unprotect_tables(resources: Iterable[Stateful]) -> None:
    """End the deletion protection of the tables among the resources."""
    for table in resources:
        if isinstance(table, Table):
            with suppress_gone():
                table.unprotect()


def delete_resources(resources: Iterable[Stateful], progress: Progress) -> None:
    """Delete the resources, tables first, and wait until their names are free."""
    in_order = sorted(resources, key=lambda each: list(_KINDS).index(each.kind))
    for each in in_order:
        with suppress_gone():
            each.delete()
            each.report_deletion(progress)
    for each in in_order:
        if isinstance(each, Table):
            each.wait_until_deleted()


def delete_leftovers(target: Target, progress: Progress, leftovers: list[tuple[str, str]]) -> None:
    """Delete the resources that a failed creation of a stack has left, given by type and physical id.

    Raise OperatorError, and delete nothing, if any of them holds data.
    """
    resources = [
        _KINDS[kind](target, physical_id.rpartition("/")[2] if kind == Queue.kind else physical_id)
        for kind, physical_id in leftovers
        if kind in _KINDS
    ]
    for each in resources:
        with suppress_gone():
            if each.holds_data():
                raise OperatorError(
                    f"{each.name} is not empty, although its stack was not created: nothing was deleted"
                )
    unprotect_tables(resources)
    delete_resources(resources, progress)
