"""What outlives the foundation's stack by its deletion policy, known by name even when the stack is gone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from infra.cli.aws_errors import suppress_gone
from infra.cli.progress import Progress
from infra.errors import OperatorError
from infra.targets.target import Target
from infra.templates.sources import Template, foundation_for

_NAMES = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::KMS::Alias": "AliasName",  # a key has no name of its own
}
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z:]+)\}")


@dataclass(frozen=True)
class Held:
    """A table, a bucket, a queue or the key of a stage."""

    kind: str
    name: str


def held_by(target: Target, stage: str) -> list[Held]:
    """Every resource of the stage that holds state, whether it is there or not."""
    template = foundation_for(stage)
    return [
        Held(template["Resources"][each]["Type"], name) for each, name in names(target, stage, template).items()
    ]


def names(target: Target, stage: str, template: Template) -> dict[str, str]:
    """By logical id, the names of this stage's resources with state; the key has no name."""
    values = {"Stage": stage, "AWS::AccountId": target.account(), "AWS::Region": target.region}
    found = {}
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] in _NAMES:
            pattern = resource["Properties"][_NAMES[resource["Type"]]]["Fn::Sub"]
            found[logical_id] = _PLACEHOLDER.sub(lambda match: values[match.group(1)], pattern)
    return found


def of_kind(held: list[Held], kind: str) -> Iterator[str]:
    """The names of those of one type."""
    return (each.name for each in held if each.kind == kind)


def unprotect(target: Target, held: list[Held]) -> None:
    """Lets the tables be deleted."""
    dynamodb = target.client("dynamodb")
    for table in of_kind(held, "AWS::DynamoDB::Table"):
        with suppress_gone():
            if dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
                dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
                dynamodb.get_waiter("table_exists").wait(TableName=table)


def delete_held(target: Target, held: list[Held], progress: Progress) -> None:
    """Deletes them, and returns when their names are free; buckets must be empty."""
    patience = {"Delay": target.poll_seconds, "MaxAttempts": 300}  # ten minutes on AWS
    dynamodb, kms, s3, sqs = (target.client(name) for name in ("dynamodb", "kms", "s3", "sqs"))
    for table in of_kind(held, "AWS::DynamoDB::Table"):
        with suppress_gone():
            dynamodb.delete_table(TableName=table)
            progress.event("dynamodb", "DELETED", table)
    for table in of_kind(held, "AWS::DynamoDB::Table"):
        dynamodb.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig=patience)
    for bucket in of_kind(held, "AWS::S3::Bucket"):
        with suppress_gone():
            s3.delete_bucket(Bucket=bucket)
            progress.event("s3", "DELETED", bucket)
    for queue in of_kind(held, "AWS::SQS::Queue"):
        with suppress_gone():
            sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"])
            progress.event("sqs", "DELETED", queue)
    for alias in of_kind(held, "AWS::KMS::Alias"):
        with suppress_gone():
            key = kms.describe_key(KeyId=alias)["KeyMetadata"]
            # the alias last, since an interrupted destruction finds the key by it
            if key["KeyState"] != "PendingDeletion":
                kms.schedule_key_deletion(KeyId=key["KeyId"])
            kms.delete_alias(AliasName=alias)
            progress.event("kms", "SCHEDULED", f"AWS deletes {alias} after 30 days, not sooner")


def delete_remains(target: Target, progress: Progress, resources: list[tuple[str, str]]) -> None:
    """What a stack that never came to be has made and left; refuses if somebody has put something in."""
    held = [
        Held(kind, physical.rpartition("/")[2] if kind == "AWS::SQS::Queue" else physical)
        for kind, physical in resources
        if kind in _NAMES
    ]
    for each in held:
        if _holds_something(target, each):
            raise OperatorError(f"{each.name} is not empty, though its stack never came to be: nothing was deleted")
    unprotect(target, held)
    delete_held(target, held, progress)


def _holds_something(target: Target, held: Held) -> bool:
    with suppress_gone():
        if held.kind == "AWS::DynamoDB::Table":
            return bool(target.client("dynamodb").scan(TableName=held.name, Limit=1, ConsistentRead=True)["Count"])
        if held.kind == "AWS::S3::Bucket":
            return "Versions" in target.client("s3").list_object_versions(Bucket=held.name, MaxKeys=1)
        if held.kind == "AWS::SQS::Queue":
            sqs, counts = (
                target.client("sqs"),
                [f"ApproximateNumberOfMessages{part}" for part in ("", "NotVisible", "Delayed")],
            )
            url = sqs.get_queue_url(QueueName=held.name)["QueueUrl"]
            told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]
            return any(told[name] != "0" for name in counts)
    return False
