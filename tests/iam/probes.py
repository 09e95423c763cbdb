"""Calls under a role that show, without an effect, whether the emulator allows an action on a resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tests.iam.lab import BUS, Lab, Role

_DENIED = {"AccessDenied", "AccessDeniedException"}
_NO_KEY = {"none": {"S": "none"}}
_NEVER = {"ConditionExpression": "attribute_exists(none)"}


@dataclass(frozen=True)
class Probe:
    """A call that has no effect: it is denied, fails, or finds nothing."""

    action: str
    resource: str  # as a template writes it
    call: Callable[[Any], Any]  # takes a client of the action's service

    @property
    def service(self) -> str:
        return self.action.partition(":")[0]


PROBED = {"dynamodb", "events", "s3", "sqs"}
"""The services that are probed. For logs, the emulator compares an ARN without the stream, unlike AWS."""


def client_of(lab: Lab, role: Role, service: str) -> Any:
    """Return a client under the role. The emulator's root user may assume it; on AWS only Lambda may."""
    session = lab.stage.aws("sts").assume_role(RoleArn=role.arn, RoleSessionName="probe")["Credentials"]
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=lab.stage.deployment.endpoint_url,
        region_name=lab.stage.deployment.region,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )


def is_denied(probe: Probe, clients: Mapping[str, Any]) -> bool:
    """Return whether the role is denied the call."""
    try:
        probe.call(clients[probe.service])
    except ClientError as error:
        return error.response["Error"]["Code"] in _DENIED
    return False


def probes(lab: Lab) -> Iterator[Probe]:
    """Yield a probe of each action on each resource of this stage, and on some of another stage."""
    resources = lab.resources
    for resource, table in {
        "table/${JobsTable}": resources["jobs_table"],
        "table/${ItemsTable}": resources["items_table"],
        "table/${NamesTable}": resources["names_table"],
        "table/${CollectionsTable}": resources["collections_table"],
        "table/${LookupsTable}": resources["lookups_table"],
        "table/${WebhooksTable}": resources["webhooks_table"],
        "another stage's table": "jobpipe-another-jobs",
    }.items():
        yield from _table_probes(resource, table)
    for index in ("lists", "due", "recent", "trouble"):
        yield from _read_probes(
            f"table/${{JobsTable}}/index/{index}", {"TableName": resources["jobs_table"], "IndexName": index}
        )
    for resource, url in {
        "${CommandsQueueArn}": resources["commands_queue_url"],
        "${DeadLettersQueueArn}": resources["dead_letters_queue_url"],
        "${ParkedQueueArn}": resources["parked_queue_url"],
        "${EventsQueueArn}": resources["events_queue_url"],
        "${DeliveriesQueueArn}": resources["deliveries_queue_url"],
        "${DeliveriesLaterQueueArn}": resources["deliveries_later_queue_url"],
        "another stage's queue": resources["parked_queue_url"].replace("-local-", "-another-"),
    }.items():
        yield from _queue_probes(resource, url)
    for resource, bus in {"${EventBus}": BUS, "another bus": f"{BUS}-2"}.items():
        yield _bus_probe(resource, bus)
    bucket = resources["documents_bucket"]
    for resource, location in {
        "${DocumentsBucket}/items/*": {"Bucket": bucket, "Key": "items/none"},
        "${DocumentsBucket}/collections/*": {"Bucket": bucket, "Key": "collections/none"},
        "${DocumentsBucket}/claims/*": {"Bucket": bucket, "Key": "claims/none"},
        "${DocumentsBucket}/scheduled/*": {"Bucket": bucket, "Key": "scheduled/none"},
        "${DocumentsBucket}/*": {"Bucket": bucket, "Key": "none"},
        "${ArtifactsBucket}/*": {"Bucket": bucket.replace("-documents-", "-artifacts-"), "Key": "none"},
        "another stage's documents": {"Bucket": lab.other_bucket, "Key": "items/none"},
    }.items():
        yield from _object_probes(resource, location)
    yield from _bucket_probes("${DocumentsBucket}", bucket)
    yield from _bucket_probes("${ArtifactsBucket}", bucket.replace("-documents-", "-artifacts-"))


def _table_probes(resource: str, table: str) -> Iterator[Probe]:
    def probe(action: str, call: Callable[[Any], Any]) -> Probe:
        return Probe(f"dynamodb:{action}", resource, call)

    yield probe("GetItem", lambda client: client.get_item(TableName=table, Key=_NO_KEY))
    yield probe("PutItem", lambda client: client.put_item(TableName=table, Item=_NO_KEY, **_NEVER))
    yield probe("UpdateItem", lambda client: client.update_item(TableName=table, Key=_NO_KEY, **_NEVER))
    yield probe("DeleteItem", lambda client: client.delete_item(TableName=table, Key=_NO_KEY, **_NEVER))
    check: Any = {"ConditionCheck": {"TableName": table, "Key": _NO_KEY, **_NEVER}}
    yield probe("ConditionCheckItem", lambda client: client.transact_write_items(TransactItems=[check]))
    keys = {table: {"Keys": [_NO_KEY]}}
    yield probe("BatchGetItem", lambda client: client.batch_get_item(RequestItems=keys))
    yield probe("DescribeTable", lambda client: client.describe_table(TableName=table))
    yield from _read_probes(resource, {"TableName": table})


def _read_probes(resource: str, location: dict[str, str]) -> Iterator[Probe]:
    values = {":none": {"S": "none"}}
    yield Probe(
        "dynamodb:Query",
        resource,
        lambda client: client.query(
            **location, KeyConditionExpression="none = :none", ExpressionAttributeValues=values
        ),
    )
    yield Probe("dynamodb:Scan", resource, lambda client: client.scan(**location, Limit=1))


def _queue_probes(resource: str, url: str) -> Iterator[Probe]:
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


def _bus_probe(resource: str, bus: str) -> Probe:
    entry = {"EventBusName": bus, "Source": "probe", "DetailType": "probe", "Detail": "{}"}  # no rule is for it
    return Probe("events:PutEvents", resource, lambda client: client.put_events(Entries=[entry]))


def _object_probes(resource: str, location: dict[str, str]) -> Iterator[Probe]:
    version = {**location, "VersionId": "00000000-0000-0000-0000-000000000000"}
    yield Probe("s3:GetObject", resource, lambda client: client.get_object(**location))
    yield Probe("s3:GetObjectVersion", resource, lambda client: client.get_object(**version))
    yield Probe("s3:PutObject", resource, lambda client: client.put_object(**location, IfMatch='"none"'))
    yield Probe("s3:DeleteObject", resource, lambda client: client.delete_object(**location))
    yield Probe("s3:DeleteObjectVersion", resource, lambda client: client.delete_object(**version))


def _bucket_probes(resource: str, bucket: str) -> Iterator[Probe]:
    yield Probe("s3:ListBucket", resource, lambda client: client.list_objects_v2(Bucket=bucket, MaxKeys=1))
    yield Probe(
        "s3:ListBucketVersions", resource, lambda client: client.list_object_versions(Bucket=bucket, MaxKeys=1)
    )
