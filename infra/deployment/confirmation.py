"""Asks before a stage with data is destroyed."""

import sys
from typing import Any

from infra.cli.aws_errors import suppress_gone
from infra.cli.progress import Progress
from infra.deployment.retained import Held
from infra.errors import OperatorError
from infra.targets.target import Target


def confirm_destruction(
    target: Target, stage: str, held: list[Held], given: str | None, progress: Progress
) -> None:
    """Returns if the stage's name was given, or is typed on a terminal that has seen what would be lost."""
    check_confirmation(stage, given)
    progress.say(f"this deletes the stage {stage} in {target.place}, for good:")
    for line in what_is_there(target, held):
        progress.say(f"  {line}")
    if given is None and _typed(f"type {stage} to go on: ") != stage:
        raise OperatorError("nothing was deleted")


def _typed(prompt: str) -> str:
    try:
        return input(prompt).strip()
    except EOFError:  # Ctrl-D
        print(file=sys.stderr)
        return ""


def check_confirmation(stage: str, given: str | None) -> None:
    """Refuses another stage's name, and none where nobody can be asked."""
    if given is not None and given != stage:
        raise OperatorError(f"CONFIRM={given} is not the name of the stage, {stage}; nothing was deleted")
    if given is None and not sys.stdin.isatty():
        raise OperatorError(
            f"this would delete every job, item and document of {stage!r}: give --confirm {stage}"
            f" (make: CONFIRM={stage})"
        )


def what_is_there(target: Target, held: list[Held]) -> list[str]:
    """A line for each resource that is there, with AWS's own estimates: nothing is read through to be counted."""
    lines: list[str] = []
    clients: dict[str, Any] = {service: target.client(service) for service in ("dynamodb", "kms", "s3", "sqs")}
    for each in held:
        with suppress_gone():
            lines.append(f"{each.name}: {_COUNTS[each.kind](clients, each.name)}")
    return lines or ["nothing that holds data is there any more"]


def _rows(clients: dict[str, Any], name: str) -> str:
    table = clients["dynamodb"].describe_table(TableName=name)["Table"]
    return f"about {table.get('ItemCount', 0)} rows (counted by AWS within the last hours)"


def _objects(clients: dict[str, Any], name: str) -> str:
    page = clients["s3"].list_object_versions(Bucket=name, MaxKeys=1000)
    count = len(page.get("Versions", []))
    return f"{'more than ' if page.get('IsTruncated') else ''}{count} versions of objects"


def _messages(clients: dict[str, Any], name: str) -> str:
    url = clients["sqs"].get_queue_url(QueueName=name)["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = clients["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return f"about {sum(int(attributes[name]) for name in names)} messages"


def _key(clients: dict[str, Any], name: str) -> str:
    state = clients["kms"].describe_key(KeyId=name)["KeyMetadata"]["KeyState"]
    return f"the key that encrypts all of it ({state}); AWS keeps it for 30 days more"


_COUNTS = {
    "AWS::DynamoDB::Table": _rows,
    "AWS::S3::Bucket": _objects,
    "AWS::SQS::Queue": _messages,
    "AWS::KMS::Alias": _key,
}
