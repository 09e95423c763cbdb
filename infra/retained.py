"""What outlives the foundation's stack by its deletion policy, known by name even when the stack is gone."""

import re
from dataclasses import dataclass

from infra.targets import Target
from infra.templates import foundation_for

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
    values = {"Stage": stage, "AWS::AccountId": target.account(), "AWS::Region": target.region}
    held = []
    for resource in foundation_for(stage)["Resources"].values():
        kind = resource["Type"]
        if kind in _NAMES:
            pattern = resource["Properties"][_NAMES[kind]]["Fn::Sub"]
            held.append(Held(kind, _PLACEHOLDER.sub(lambda match: values[match.group(1)], pattern)))
    return held
