"""The functions call only what their roles grant. The scenarios reach every call site.

tests/iam removes each grant and finds what fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.faults.scenarios import SCENARIOS
from tests.faults.schedules.schedule import Runner
from tests.iam.calls import Permission, permissions
from tests.iam.grants import template_grants
from tests.iam.untested import ON_EMULATORS, UNTESTED

pytestmark = pytest.mark.slow

ROLES = {
    "api": "APIRole",
    "worker": "WorkerRole",
    "dead_letters": "DeadLettersRole",
    "release": "ReleaseRole",
    "tell": "TellRole",
    "deliver": "DeliverRole",
}
AFTER_A_FAULT = {
    ("APIRole", "s3:DeleteObject", "${DocumentsBucket}/claims/*"),
    ("APIRole", "s3:GetObject", "${DocumentsBucket}/items/*"),
    ("APIRole", "s3:GetObject", "${DocumentsBucket}/collections/*"),
    ("WorkerRole", "s3:GetObject", "${DocumentsBucket}/items/*"),
    ("WorkerRole", "s3:GetObject", "${DocumentsBucket}/collections/*"),
    ("DeadLettersRole", "s3:DeleteObject", "${DocumentsBucket}/claims/*"),
    ("TellRole", "s3:GetObject", "${DocumentsBucket}/items/*"),
    ("TellRole", "s3:GetObject", "${DocumentsBucket}/collections/*"),
    ("DeliverRole", "sqs:ChangeMessageVisibility", "${DeliveriesQueueArn}"),
    ("DeliverRole", "sqs:ChangeMessageVisibility", "${DeliveriesLaterQueueArn}"),
}
"""The grants that a scenario needs only after a fault; tests/iam tests them."""


@contextmanager
def recorded(runner: Runner, called: set[tuple[str, str, str]]) -> Iterator[None]:
    """Record the permissions that the calls of each function need in the block."""
    world = runner._world

    def record(params: dict[str, Any], model: Any, **_: Any) -> None:
        role = ROLES[runner.injector._processes[-1].name]
        needed = permissions(model.service_model.service_name, model.name, params, world.outputs)
        called.update((role, *permission) for permission in needed)

    clients = world.lambdas._clients
    every = (
        *(clients.cloudwatch, clients.dynamodb, clients.eventbridge, clients.s3, clients.sqs),
        clients.stepfunctions,
    )
    events = [client.meta.events for client in every]
    for each in events:
        each.register("provide-client-params.*.*", record)
    yield
    for each in events:
        each.unregister("provide-client-params.*.*", record)


def test_the_roles_grant_exactly_what_the_functions_call(running: Runner) -> None:
    called: set[tuple[str, str, str]] = set()
    with recorded(running, called):
        for name in SCENARIOS:
            running.run(name)
    granted = {(grant.role, grant.action, grant.resource): grant for grant in template_grants()}
    assert not called - set(granted), "the functions call what they are not granted"
    by_others = {key for key, grant in granted.items() if (grant.sid, grant.action) in UNTESTED}
    by_others |= {key for key, grant in granted.items() if grant.sid in ON_EMULATORS}
    assert set(granted) - called - by_others == AFTER_A_FAULT, "they are granted what they do not call"


STAGE = {
    "JobsTable": "jobs",
    "NamesTable": "names",
    "DocumentsBucket": "bucket",
    "ParkedQueueUrl": "http://q/parked",
}


@pytest.mark.parametrize(
    ("service", "operation", "given", "needed"),
    [
        ("sqs", "SendMessage", {"QueueUrl": "http://q/parked"}, [("sqs:SendMessage", "${ParkedQueueArn}")]),
        (
            "s3",
            "GetObject",
            {"Bucket": "bucket", "Key": "items/1"},
            [("s3:GetObject", "${DocumentsBucket}/items/*")],
        ),
        (
            "s3",
            "GetObject",
            {"Bucket": "bucket", "Key": "items/1", "VersionId": "1"},
            [("s3:GetObjectVersion", "${DocumentsBucket}/items/*")],
        ),
        ("s3", "PutObject", {"Bucket": "bucket", "Key": "new/1"}, [("s3:PutObject", "${DocumentsBucket}/*")]),
        (
            "s3",
            "ListObjectsV2",
            {"Bucket": "bucket", "Prefix": "items/"},
            [("s3:ListBucket", "${DocumentsBucket}")],
        ),
        (
            "dynamodb",
            "Query",
            {"TableName": "jobs", "IndexName": "trouble"},
            [("dynamodb:Query", "table/${JobsTable}/index/trouble")],
        ),
        (
            "dynamodb",
            "Query",
            {"TableName": "jobs", "IndexName": "lists"},
            [("dynamodb:Query", "table/${JobsTable}/index/lists")],
        ),
        (
            "dynamodb",
            "TransactWriteItems",
            {"TransactItems": [{"Update": {"TableName": "jobs"}}, {"Delete": {"TableName": "names"}}]},
            [("dynamodb:UpdateItem", "table/${JobsTable}"), ("dynamodb:DeleteItem", "table/${NamesTable}")],
        ),
    ],
)
def test_the_permissions_of_a_call(
    service: str, operation: str, given: dict[str, Any], needed: list[Permission]
) -> None:
    assert list(permissions(service, operation, given, STAGE)) == needed
