"""A deployed stage: its HTTP API, and the AWS services behind it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache, cached_property
from typing import Any

import boto3
import requests
from botocore.exceptions import ClientError

from infra.keys.api_keys import FIRST_OWNER, ApiKeys
from infra.stage.stage_file import Deployment
from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import CreateItem
from jobpipe.domain.jobs.batch import MAX_COMMANDS
from jobpipe.domain.jobs.job import new_job
from jobpipe.stores.dynamodb_rows import job_to_row
from jobpipe_client import Client
from tests.helpers.documented import Documented

WAIT = {"Prefer": "wait=20"}


@cache
def _client(service: str, region: str, endpoint_url: str | None) -> Any:
    """Return the client of the service at the endpoint, which a process makes once: it takes 50 ms and more."""
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=region)
    return session.client(service, endpoint_url=endpoint_url)  # type: ignore[call-overload]


@dataclass
class Stage:
    """A deployed stage."""

    deployment: Deployment

    @cached_property
    def client(self) -> Client:
        return Client(self.deployment.base_url, self.deployment.api_key, request_timeout=30)

    def aws(self, service: str) -> Any:
        """Return a client with the root credentials of an emulator."""
        return _client(service, self.deployment.region, self.deployment.endpoint_url)

    @property
    def api_keys(self) -> ApiKeys:
        return ApiKeys(self.aws("apigateway"), self.deployment.stage, self.resources["usage_plan"])

    @property
    def passes_messages_unchanged(self) -> bool:
        """LocalStack 4.14 parses and rewrites a message's JSON, so fractions are rounded to floats."""
        return self.deployment.target != "localstack"

    @property
    def passes_bodies_unchanged(self) -> bool:
        """LocalStack 4.14 reads forms, unpacks gzip and parses the Content-Type, and may fail at that."""
        return self.deployment.target != "localstack"

    @property
    def renders_gateway_responses(self) -> bool:
        """LocalStack 4.14 applies the status of a GatewayResponse, but not its template and headers."""
        return self.deployment.target != "localstack"

    @property
    def keeps_dashboards(self) -> bool:
        """LocalStack 4.14 accepts dashboards and a stage's limits in templates, but ignores them."""
        return self.deployment.target != "localstack"

    @property
    def resources(self) -> dict[str, str]:
        return self.deployment.resources

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        key: str | None = "",
        raw: bytes | None = None,
    ) -> requests.Response:
        """Send a request; `key` None sends no key, and `raw` is sent unchanged."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if key is not None:
            sent["x-api-key"] = key or self.deployment.api_key
        payload: dict[str, Any] = {} if body is None else {"json": body}
        if raw is not None:
            payload = {"data": raw}
        # requests would normalise the path, which must be sent unchanged.
        request = requests.Request(method, self.deployment.base_url, headers=sent, **payload).prepare()
        request.url = self.deployment.base_url + path
        with requests.Session() as session:
            answer = session.send(request, timeout=40)
        if self.renders_gateway_responses or not _of_a_bare_gateway(answer):
            self.documented.check(method, path, answer.status_code, answer.headers, answer.text)
        return answer

    @cached_property
    def documented(self) -> Documented:
        """The OpenAPI document that the stage serves."""
        return Documented(requests.get(f"{self.deployment.base_url}/openapi.json", timeout=40).json())

    @staticmethod
    def encoded(value: Any) -> bytes:
        """Return JSON without spaces."""
        return json.dumps(value, separators=(",", ":")).encode()

    def keys(self, prefix: str) -> list[str]:
        """Return the keys in the documents bucket."""
        pages = self.aws("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.resources["documents_bucket"], Prefix=prefix)
        return [entry["Key"] for page in found for entry in page.get("Contents", [])]

    def put_job(self, job_id: str, generation: str, item_id: str, owner: str = FIRST_OWNER) -> None:
        """Store a queued job to create an item, without a message."""
        accepted = new_job(CreateItem(item_id, {}), owner, None, now(), timedelta(days=1))
        row = job_to_row(replace(accepted, job_id=job_id, generation=generation))
        self.aws("dynamodb").put_item(TableName=self.resources["jobs_table"], Item=row)

    def counts(self) -> tuple[int, int, int]:
        """Return the numbers of stored jobs, stored items and queued messages."""
        dynamodb, sqs = self.aws("dynamodb"), self.aws("sqs")
        jobs, items = (
            sum(
                page["Count"]
                for page in dynamodb.get_paginator("scan").paginate(
                    TableName=self.resources[table], Select="COUNT", ConsistentRead=True
                )
            )
            for table in ("jobs_table", "items_table")
        )
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        queue = sqs.get_queue_attributes(QueueUrl=self.resources["commands_queue_url"], AttributeNames=names)
        return jobs, items, sum(int(queue["Attributes"][name]) for name in names)


def _of_a_bare_gateway(answer: requests.Response) -> bool:
    return answer.status_code >= 400 and "problem+json" not in answer.headers.get("content-type", "")


def unique(name: str) -> str:
    """Return a name that no other test or run uses."""
    return f"{name} {uuid.uuid4().hex[:12]}"


def problem(response: requests.Response) -> str:
    """Check that the response is a complete problem document, and return its slug."""
    assert response.headers["content-type"].split(";")[0] == "application/problem+json", response.text
    document = response.json()
    assert document["status"] == response.status_code
    assert document["title"]
    assert document["detail"]
    prefix, _, slug = document["type"].rpartition(":")
    assert prefix == "urn:jobpipe:problem"
    return str(slug)


def most_commands(stage: Stage) -> int:
    """Return how many commands a batch may have: old DynamoDB Locals take fewer writes in a transaction."""
    check = {"TableName": stage.resources["jobs_table"], "ConditionExpression": "attribute_not_exists(job_id)"}
    checks: Any = [{"ConditionCheck": {**check, "Key": {"job_id": {"S": f"none-{n}"}}}} for n in range(100)]
    for most in (100, 25, 10):
        try:
            stage.aws("dynamodb").transact_write_items(TransactItems=checks[:most])
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException" or stage.deployment.target == "embedded":
                raise
        else:
            return MAX_COMMANDS if most == MAX_COMMANDS else most - 1
    raise AssertionError("no transaction of DynamoDB takes fewer than ten writes")


@contextmanager
def lost(stage: Stage, item_id: str) -> Iterator[None]:
    """Remove all versions of the item's document during the block."""
    s3, bucket = stage.aws("s3"), stage.resources["documents_bucket"]
    [key] = stage.keys(f"items/{item_id}/")
    text = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    versions = s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    for version in versions:
        s3.delete_object(Bucket=bucket, Key=key, VersionId=version["VersionId"])
    try:
        yield
    finally:
        s3.put_object(Bucket=bucket, Key=key, Body=text)
