"""Requests and deliveries as events of API Gateway and SQS."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jobpipe.domain import json_text
from jobpipe.domain.documents.item_ref import ITEMS
from tests.faults.histories.history import SentCommand


def as_request(command: SentCommand) -> tuple[str, str, Any, dict[str, str]]:  # noqa: PLR0911
    headers = {} if command.if_match is None else {"if-match": command.if_match}
    item = f"/{command.collection}/{command.item_id}"
    if command.not_before is not None or command.not_after is not None or command.tokens:
        return "POST", "/jobs", raw_command(command), {}
    match command.operation:
        case "create":
            return "POST", f"/{command.collection}", command.body, headers
        case "set":
            return "PUT", item, command.body, headers
        case "merge":
            return "PATCH", item, command.body, headers
        case "delete":
            return "DELETE", item, None, headers
        case "read" | "upsert":
            return "POST", "/jobs", raw_command(command), headers
        case operation:
            return "POST", f"{item}/{operation}", command.body, headers


def raw_command(command: SentCommand) -> dict[str, Any]:
    """Return the raw command, as a batch contains it."""
    token = command.tokens[-1] if command.tokens else None
    given = {"not_before": command.not_before, "not_after": command.not_after, "task_token": token}
    return _of_one_kind(command) | {member: value for member, value in given.items() if value is not None}


def _of_one_kind(command: SentCommand) -> dict[str, Any]:
    place = {} if command.collection == ITEMS else {"collection": command.collection}
    if command.operation in {"create", "upsert"}:
        return {"operation": command.operation, **place, "item": command.body}
    target = {**place, "item_id": command.item_id}
    precondition = {} if command.if_match is None else {"if_match": command.if_match}
    if command.operation in {"set", "merge"}:
        return {"operation": "update", **target, command.operation: command.body, **precondition}
    members = {} if command.operation in {"read", "delete"} else command.body
    return {"operation": command.operation, **target, **members, **precondition}


def http_event(method: str, target: str, body: Any, headers: dict[str, str]) -> dict[str, Any]:
    """Return the event that API Gateway would make."""
    parts = urlsplit(target)
    resource, parameters = _placed(parts.path)
    headers = {"x-api-key": f"aliceO{'0' * 32}", **headers}
    return {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "multiValueQueryStringParameters": parse_qs(parts.query, keep_blank_values=True) or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "body": None if body is None else json_text.encode(body),
        "isBase64Encoded": False,
        "requestContext": {
            "httpMethod": method,
            "resourcePath": resource,
            "requestId": str(uuid.uuid4()),
            "identity": {},
        },
    }


_IN_PATHS = {  # the names of the parameters of a path, by their places
    "jobs": {1: "job_id"},
    "batches": {1: "batch_id"},
    "webhooks": {1: "webhook_id", 3: "event_id"},
}


def _placed(path: str) -> tuple[str, dict[str, str]]:
    """Return the route of a path, and its parameters."""
    steps = path.strip("/").split("/")
    names = _IN_PATHS.get(steps[0], {1: "item_id", 2: "operation"})
    parameters = {name: steps[place] for place, name in names.items() if place < len(steps)}
    route = (f"{{{names[place]}}}" if place in names else step for place, step in enumerate(steps))
    return f"/{'/'.join(route)}", parameters


def sqs_record(message: dict[str, Any]) -> dict[str, Any]:
    """Return the record that Lambda would make of a message."""
    given = message.get("MessageAttributes", {})
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {"stringValue": value.get("StringValue"), "dataType": value["DataType"]}
            for name, value in given.items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:queue",
        "awsRegion": "us-east-1",
    }
