"""The first events of the Lambdas whose cold starts are measured, and the same AWS calls for boto3 alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import CreateItem
from jobpipe.domain.jobs.job import Job, new_job
from jobpipe.domain.jobs.queue_message import QueueMessage, seal
from jobpipe.stores.dynamodb_rows import Row, job_to_row
from tests.bench.laboratory.lambda_process import Foundation
from tests.faults.stage.events import http_event, sqs_record

_DOCUMENT = {"name": "Trail tent", "description": "For two", "price": 12.95}
Call = tuple[str, str, dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A Lambda and its first event, and the calls of the boto3 Lambda that it is compared with."""

    app: str
    handler: str
    services: str
    event: Callable[[Foundation], object]
    calls: Callable[[Foundation], list[Call]]


def accept_event(_: Foundation) -> object:
    body = _DOCUMENT | {"name": uuid4().hex}
    return http_event("POST", "/items", body, {"content-type": "application/json"})


def accept_calls(foundation: Foundation) -> list[Call]:
    job = queued_job()
    row = {"TableName": foundation.outputs["JobsTable"], "Item": job_to_row(job)}
    message = {
        "QueueUrl": foundation.outputs["CommandsQueueUrl"],
        "MessageBody": body_of(job),
        "MessageGroupId": job.item_id,
        "MessageDeduplicationId": job.job_id,
    }
    condition = {"ConditionExpression": "attribute_not_exists(job_id)"}
    return [("dynamodb", "put_item", row | condition), ("sqs", "send_message", message)]


def batch_event(foundation: Foundation) -> object:
    job = queued_job()
    put(job, foundation)
    attributes = {
        "MessageGroupId": job.item_id,
        "ApproximateReceiveCount": "1",
        "SentTimestamp": str(int(now().timestamp() * 1000)),
    }
    message = {
        "MessageId": "m",
        "ReceiptHandle": "r",
        "Body": body_of(job),
        "Attributes": attributes,
        "MD5OfBody": "",
    }
    return {"Records": [sqs_record(message)]}


def create_calls(foundation: Foundation) -> list[Call]:
    job = queued_job()
    put(job, foundation)
    document = {"Bucket": foundation.outputs["DocumentsBucket"], "Key": f"items/{job.item_id}", "Body": "{}"}
    item: Row = {
        "item_id": {"S": job.item_id},
        "name": {"S": job.item_id},
        "document": {"S": json.dumps(_DOCUMENT)},
    }
    name: Row = {"name": {"S": job.item_id}, "item_id": {"S": job.item_id}}
    writes = [
        {"Update": end_update(job, foundation)},
        {"Put": {"TableName": foundation.outputs["ItemsTable"], "Item": item}},
        {"Put": {"TableName": foundation.outputs["NamesTable"], "Item": name}},
    ]
    return [("s3", "put_object", document), ("dynamodb", "transact_write_items", {"TransactItems": writes})]


def dead_letter_calls(foundation: Foundation) -> list[Call]:
    job = queued_job()
    put(job, foundation)
    listing = {"Bucket": foundation.outputs["DocumentsBucket"], "Prefix": f"items/{job.item_id}/"}
    return [("dynamodb", "update_item", end_update(job, foundation)), ("s3", "list_objects_v2", listing)]


def end_update(job: Job, foundation: Foundation) -> dict[str, Any]:
    return {
        "TableName": foundation.outputs["JobsTable"],
        "Key": {"job_id": {"S": job.job_id}},
        "UpdateExpression": "SET #status = :ended",
        "ConditionExpression": "#status = :queued AND generation = :generation",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {
            ":ended": {"S": "ended"},
            ":queued": {"S": job.status.value},
            ":generation": {"S": job.generation},
        },
    }


def put(job: Job, foundation: Foundation) -> None:
    dynamodb = foundation.target.client("dynamodb")
    dynamodb.put_item(TableName=foundation.outputs["JobsTable"], Item=job_to_row(job))


def queued_job() -> Job:
    item_id = uuid4().hex
    command = CreateItem(item_id, _DOCUMENT | {"name": item_id})
    return new_job(command, "owner", None, now(), timedelta(days=1))


def body_of(job: Job) -> str:
    command = CreateItem(job.item_id, _DOCUMENT | {"name": job.item_id})
    return seal(QueueMessage.of(job, command, "r")).body


CASES = {
    "api": Case("api", "app.app", "dynamodb sqs", accept_event, accept_calls),
    "worker": Case("worker", "app.work", "dynamodb s3", batch_event, create_calls),
    "dead-letters": Case("worker", "app.dead_letters", "dynamodb s3", batch_event, dead_letter_calls),
}
