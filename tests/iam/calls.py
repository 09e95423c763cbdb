"""The IAM permissions that an AWS call needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Permission = tuple[str, str]  # action, resource as a template writes it
_WRITES = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
_PREFIXES = ("items/", "collections/", "claims/", "scheduled/")


def operations(action: str) -> set[str]:
    """Return the calls that need the action."""
    name = action.partition(":")[2]
    operation = {"ListBucket": "ListObjectsV2", "GetObjectVersion": "GetObject"}.get(name, name)
    return {operation, "TransactWriteItems"} if name in _WRITES.values() else {operation}


def permissions(
    service: str, operation: str, parameters: Mapping[str, Any], stage: Mapping[str, str]
) -> Iterator[Permission]:
    """Yield the permissions that one call needs.

    `stage` has the outputs of the foundation stack. A resource that is not among them raises KeyError.
    """
    names = {value: name for name, value in stage.items()}
    if service == "sqs":
        yield f"sqs:{operation}", f"${{{names[parameters['QueueUrl']].removesuffix('Url')}Arn}}"
    elif service == "events":
        yield f"events:{operation}", "${EventBus}"
    elif service == "stepfunctions":
        yield f"states:{operation}", "${TaskTokens}"
    elif service == "cloudwatch":
        yield f"cloudwatch:{operation}", "*"
    elif service == "s3":
        yield _s3_permission(operation, parameters, names)
    elif operation == "BatchGetItem":
        for table in parameters["RequestItems"]:
            yield f"dynamodb:{operation}", f"table/${{{names[table]}}}"
    elif operation == "TransactWriteItems":
        for write in parameters["TransactItems"]:
            ((kind, write_parameters),) = write.items()
            yield f"dynamodb:{_WRITES[kind]}", f"table/${{{names[write_parameters['TableName']]}}}"
    else:
        index = f"/index/{parameters['IndexName']}" if "IndexName" in parameters else ""
        yield f"dynamodb:{operation}", f"table/${{{names[parameters['TableName']]}}}{index}"


def _s3_permission(operation: str, parameters: Mapping[str, Any], names: Mapping[str, str]) -> Permission:
    bucket = f"${{{names[parameters['Bucket']]}}}"
    if operation == "ListObjectsV2":
        return "s3:ListBucket", bucket
    prefix = next((prefix for prefix in _PREFIXES if parameters["Key"].startswith(prefix)), "")
    version = "Version" if "VersionId" in parameters else ""
    return f"s3:{operation}{version}", f"{bucket}/{prefix}*"
