"""Which IAM actions a call of AWS needs, and on what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Permission = tuple[str, str]  # action, resource as templates say it
_WRITES = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
_PREFIXES = ("items/", "claims/")


def operations(action: str) -> set[str]:
    """The calls that need this action."""
    name = action.partition(":")[2]
    named = {"ListBucket": "ListObjectsV2", "GetObjectVersion": "GetObject"}.get(name, name)
    return {named, "TransactWriteItems"} if name in _WRITES.values() else {named}


def permissions(
    service: str, operation: str, given: Mapping[str, Any], stage: Mapping[str, str]
) -> Iterator[Permission]:
    """Those of one call; `stage` has the foundation's outputs, KeyError for what is none of them."""
    names = {value: name for name, value in stage.items()}
    if service == "sqs":
        yield f"sqs:{operation}", f"${{{names[given['QueueUrl']].removesuffix('Url')}Arn}}"
    elif service == "cloudwatch":
        yield f"cloudwatch:{operation}", "*"
    elif service == "s3":
        yield _of_s3(operation, given, names)
    elif operation == "BatchGetItem":
        for table in given["RequestItems"]:
            yield f"dynamodb:{operation}", f"table/${{{names[table]}}}"
    elif operation == "TransactWriteItems":
        for write in given["TransactItems"]:
            ((kind, parameters),) = write.items()
            yield f"dynamodb:{_WRITES[kind]}", f"table/${{{names[parameters['TableName']]}}}"
    else:
        index = f"/index/{given['IndexName']}" if "IndexName" in given else ""
        yield f"dynamodb:{operation}", f"table/${{{names[given['TableName']]}}}{index}"


def _of_s3(operation: str, given: Mapping[str, Any], names: Mapping[str, str]) -> Permission:
    bucket = f"${{{names[given['Bucket']]}}}"
    if operation == "ListObjectsV2":
        return "s3:ListBucket", bucket
    prefix = next((prefix for prefix in _PREFIXES if given["Key"].startswith(prefix)), "")
    version = "Version" if "VersionId" in given else ""
    return f"s3:{operation}{version}", f"{bucket}/{prefix}*"
