"""Requests and deliveries in the form in which API Gateway and Lambda hand them over."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.faults.history import Asked


def as_request(asked: Asked) -> tuple[str, str, Any, dict[str, str]]:
    headers = {} if asked.if_match is None else {"if-match": asked.if_match}
    item = f"/items/{asked.item_id}"
    match asked.operation:
        case "create":
            return "POST", "/items", asked.body, headers
        case "set":
            return "PUT", item, asked.body, headers
        case "merge":
            return "PATCH", item, asked.body, headers
        case "delete":
            return "DELETE", item, None, headers
        case _:
            return "POST", "/jobs", {"operation": "read", "item_id": asked.item_id}, headers


def as_command(asked: Asked) -> dict[str, Any]:
    """The raw form, as batches take it."""
    if asked.operation == "create":
        return {"operation": "create", "item": asked.body}
    precondition = {} if asked.if_match is None else {"if_match": asked.if_match}
    if asked.operation in {"set", "merge"}:
        return {"operation": "update", "item_id": asked.item_id, asked.operation: asked.body, **precondition}
    return {"operation": asked.operation, "item_id": asked.item_id, **precondition}


def http_event(method: str, target: str, body: Any, headers: dict[str, str]) -> dict[str, Any]:
    """As API Gateway makes it."""
    parts = urlsplit(target)
    first, *more = parts.path.strip("/").split("/")
    name = {"items": "item_id", "jobs": "job_id", "batches": "batch_id", "stats": ""}[first]
    resource = "/".join([f"/{first}", *([f"{{{name}}}", *more[1:]] if more else [])])
    headers = {"x-api-key": f"alice{'0' * 32}", **headers}
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
    """As Lambda hands a message over."""
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
