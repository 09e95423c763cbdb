"""Direct calls under a role, with no effect: whether the emulator lets each action through, on each resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tests.iam.lab import Lab, Role

_DENIED = {"AccessDenied", "AccessDeniedException"}
_NO_KEY = {"none": {"S": "none"}}
_NEVER = {"ConditionExpression": "attribute_exists(none)"}


@dataclass(frozen=True)
class Probe:
    """A call that is denied, or fails or finds nothing."""

    action: str
    resource: str  # as templates say it
    call: Callable[[Any], Any]  # with a client of the action's service

    @property
    def service(self) -> str:
        return self.action.partition(":")[0]


PROBED = {"dynamodb", "s3", "sqs"}
"""Services; not logs, since the emulator compares the group's ARN without the stream that AWS puts at its end."""


def client_of(lab: Lab, role: Role, service: str) -> Any:
    """A client under the role; the emulator's root may assume it, which on AWS only Lambda may."""
    session = lab.stage.aws("sts").assume_role(RoleArn=role.arn, RoleSessionName="probe")["Credentials"]
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=lab.stage.deployment.endpoint_url,
        region_name=lab.stage.deployment.region,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )


def denied(probe: Probe, clients: Mapping[str, Any]) -> bool:
    """Whether the role may not do it."""
    try:
        probe.call(clients[probe.service])
    except ClientError as error:
        return error.response["Error"]["Code"] in _DENIED
    return False


def probes(lab: Lab) -> Iterator[Probe]:
    """Each action of the services that the product uses, on everything of this stage and some of another."""
    named = lab.resources
    for resource, table in {
        "table/${JobsTable}": named["jobs_table"],
        "table/${ItemsTable}": named["items_table"],
        "table/${NamesTable}": named["names_table"],
        "another stage's table": "jobpipe-another-jobs",
    }.items():
        yield from _of_a_table(resource, table)
    for index in ("lists", "trouble"):
        yield from _reads(
            f"table/${{JobsTable}}/index/{index}", {"TableName": named["jobs_table"], "IndexName": index}
        )
    for resource, url in {
        "${CommandsQueueArn}": named["commands_queue_url"],
        "${DeadLettersQueueArn}": named["dead_letters_queue_url"],
        "${ParkedQueueArn}": named["parked_queue_url"],
        "another stage's queue": named["parked_queue_url"].replace("-local-", "-another-"),
    }.items():
        yield from _of_a_queue(resource, url)
    bucket = named["documents_bucket"]
    for resource, place in {
        "${DocumentsBucket}/items/*": {"Bucket": bucket, "Key": "items/none"},
        "${DocumentsBucket}/claims/*": {"Bucket": bucket, "Key": "claims/none"},
        "${DocumentsBucket}/*": {"Bucket": bucket, "Key": "none"},
        "${ArtifactsBucket}/*": {"Bucket": bucket.replace("-documents-", "-artifacts-"), "Key": "none"},
        "another stage's documents": {"Bucket": lab.another_bucket, "Key": "items/none"},
    }.items():
        yield from _of_an_object(resource, place)
    yield from _of_a_bucket("${DocumentsBucket}", bucket)
    yield from _of_a_bucket("${ArtifactsBucket}", bucket.replace("-documents-", "-artifacts-"))


def _of_a_table(resource: str, table: str) -> Iterator[Probe]:
    def probe(action: str, call: Callable[[Any], Any]) -> Probe:
        return Probe(f"dynamodb:{action}", resource, call)

    yield probe("GetItem", lambda client: client.get_item(TableName=table, Key=_NO_KEY))
    yield probe("PutItem", lambda client: client.put_item(TableName=table, Item=_NO_KEY, **_NEVER))
    yield probe("UpdateItem", lambda client: client.update_item(TableName=table, Key=_NO_KEY, **_NEVER))
    yield probe("DeleteItem", lambda client: client.delete_item(TableName=table, Key=_NO_KEY, **_NEVER))
    wanted = {table: {"Keys": [_NO_KEY]}}
    yield probe("BatchGetItem", lambda client: client.batch_get_item(RequestItems=wanted))
    yield probe("DescribeTable", lambda client: client.describe_table(TableName=table))
    yield from _reads(resource, {"TableName": table})


def _reads(resource: str, place: dict[str, str]) -> Iterator[Probe]:
    values = {":none": {"S": "none"}}
    yield Probe(
        "dynamodb:Query",
        resource,
        lambda client: client.query(
            **place, KeyConditionExpression="none = :none", ExpressionAttributeValues=values
        ),
    )
    yield Probe("dynamodb:Scan", resource, lambda client: client.scan(**place, Limit=1))


def _of_a_queue(resource: str, url: str) -> Iterator[Probe]:
    def probe(action: str, call: Callable[[Any], Any]) -> Probe:
        return Probe(f"sqs:{action}", resource, call)

    def call(operation: str, **parameters: Any) -> Callable[[Any], Any]:
        return lambda client: getattr(client, operation)(QueueUrl=url, **parameters)

    yield probe("SendMessage", call("send_message", MessageBody=""))
    entries = [{"Id": "none", "MessageBody": ""}]
    yield probe("SendMessageBatch", call("send_message_batch", Entries=entries))
    yield probe("ReceiveMessage", call("receive_message", VisibilityTimeout=0))
    yield probe("DeleteMessage", call("delete_message", ReceiptHandle="none"))
    yield probe(
        "ChangeMessageVisibility", call("change_message_visibility", ReceiptHandle="none", VisibilityTimeout=0)
    )
    yield probe("GetQueueAttributes", call("get_queue_attributes", AttributeNames=["QueueArn"]))


def _of_an_object(resource: str, place: dict[str, str]) -> Iterator[Probe]:
    version = {**place, "VersionId": "00000000-0000-0000-0000-000000000000"}
    yield Probe("s3:GetObject", resource, lambda client: client.get_object(**place))
    yield Probe("s3:GetObjectVersion", resource, lambda client: client.get_object(**version))
    yield Probe("s3:PutObject", resource, lambda client: client.put_object(**place, IfMatch='"none"'))
    yield Probe("s3:DeleteObject", resource, lambda client: client.delete_object(**place))
    yield Probe("s3:DeleteObjectVersion", resource, lambda client: client.delete_object(**version))


def _of_a_bucket(resource: str, bucket: str) -> Iterator[Probe]:
    yield Probe("s3:ListBucket", resource, lambda client: client.list_objects_v2(Bucket=bucket, MaxKeys=1))
    yield Probe(
        "s3:ListBucketVersions", resource, lambda client: client.list_object_versions(Bucket=bucket, MaxKeys=1)
    )
