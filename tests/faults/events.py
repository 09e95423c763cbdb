"""Requests and deliveries as events of API Gateway and SQS."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.faults.history import SentCommand


def as_request(command: SentCommand) -> tuple[str, str, Any, dict[str, str]]:
    headers = {} if command.if_match is None else {"if-match": command.if_match}
    item = f"/items/{command.item_id}"
    match command.operation:
        case "create":
            return "POST", "/items", command.body, headers
        case "set":
            return "PUT", item, command.body, headers
        case "merge":
            return "PATCH", item, command.body, headers
        case "delete":
            return "DELETE", item, None, headers
        case _:
            return "POST", "/jobs", {"operation": "read", "item_id": command.item_id}, headers


def raw_command(command: SentCommand) -> dict[str, Any]:
    """Return the raw command, as a batch contains it."""
    if command.operation == "create":
        return {"operation": "create", "item": command.body}
    precondition = {} if command.if_match is None else {"if_match": command.if_match}
    if command.operation in {"set", "merge"}:
        return {"operation": "update", "item_id": command.item_id, command.operation: command.body, **precondition}
    return {"operation": command.operation, "item_id": command.item_id, **precondition}


def http_event(method: str, target: str, body: Any, headers: dict[str, str]) -> dict[str, Any]:
    """Return the event that API Gateway would make."""
    parts = urlsplit(target)
    first, *more = parts.path.strip("/").split("/")
    name = {"items": "item_id", "jobs": "job_id", "batches": "batch_id", "stats": ""}[first]
    resource = "/".join([f"/{first}", *([f"{{{name}}}", *more[1:]] if more else [])])
    headers = {"x-api-key": f"aliceO{'0' * 32}", **headers}
    return {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "multiValueQueryStringParameters": parse_qs(parts.query, keep_blank_values=True) or None,
        "pathParameters": {name: more[0]} if more else None,
        "stageVariables": None,
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
        "requestContext": {
            "httpMethod": method,
            "resourcePath": resource,
            "requestId": str(uuid.uuid4()),
            "identity": {},
        },
    }


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
