"""P9: all routes except the open ones refuse requests without a good key."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from api_lambda.chalicelib.endpoints.routes import ROUTES, Route
from api_lambda.chalicelib.http.callers import Role
from infra.deployment.readiness import wait_for_key
from infra.keys.api_keys import FIRST_OWNER, new_api_key
from infra.stage.names import key_name
from jobpipe_client import Batch, Client, Forbidden, Job, Webhook
from tests.helpers.deployed import Stage, problem, unique
from tests.integration.conftest import at_rest

KEYED = [route for route in ROUTES if not route.open]
OPEN = [route for route in ROUTES if route.open]
ITEM = {"name": "Access test", "description": "d"}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/items"): ITEM,
    ("PUT", "/items/{item_id}"): {"price": 1},
    ("PATCH", "/items/{item_id}"): {"price": 1},
    ("POST", "/jobs"): {"operation": "create", "item": ITEM},
    ("POST", "/batches"): {"commands": [{"operation": "create", "item": ITEM}]},
    ("POST", "/webhooks"): {"url": "https://receiver.example/", "events": ["job.ended"]},
    ("PATCH", "/webhooks/{webhook_id}"): {"paused": True},
    ("POST", "/webhooks/{webhook_id}/replay"): {"since": "2026-11-22T20:57:44Z"},
}
NO_EVENT = "20261122205744123-no-such-event"
QUERIES = {("GET", "/jobs"): "?status=failed"}

Attempt = tuple[dict[str, str], str]  # headers and query


@pytest.fixture(scope="module")
def keys(stage: Stage) -> Iterator[dict[str, str]]:
    """Return a key of each kind, by its kind."""
    gateway, api_keys = stage.aws("apigateway"), stage.api_keys
    with ExitStack() as deletions:
        kinds = ("good", "second", "revoked", "elsewhere", "in no plan")
        made = {kind: api_keys.add("owner", Role.OPERATOR) for kind in kinds}  # which may use every route
        name = key_name(stage.deployment.stage, "owner")
        # This key is created disabled, since MiniStack cannot disable a key.
        disabled = gateway.create_api_key(name=name, enabled=False, value=new_api_key("owner"))
        gateway.create_usage_plan_key(usagePlanId=api_keys.usage_plan, keyId=disabled["id"], keyType="API_KEY")
        made["disabled"] = next(key for key in api_keys.of("owner") if not key.is_usable)
        for key in made.values():
            deletions.callback(api_keys.revoke, key)
        other = gateway.create_usage_plan(name=unique("another stage"))["id"]
        deletions.callback(gateway.delete_usage_plan, usagePlanId=other)
        api_keys.revoke(made["revoked"])
        for kind in ("elsewhere", "in no plan"):
            gateway.delete_usage_plan_key(usagePlanId=api_keys.usage_plan, keyId=made[kind].key_id)
        gateway.create_usage_plan_key(usagePlanId=other, keyId=made["elsewhere"].key_id, keyType="API_KEY")
        for kind, key in made.items():
            assert wait_for_key(stage.deployment.base_url, key.value, accepted=kind in {"good", "second"}), kind
        yield {kind: key.value for kind, key in made.items()}


@pytest.fixture(scope="module")
def failed_job(stage: Stage) -> Job:
    """Return a job that can be retried."""
    job = stage.client.wait(stage.client.update(str(uuid.uuid4()), {"price": 1}))
    assert job.status == "failed"
    return job


@pytest.fixture(scope="module")
def webhook(stage: Stage) -> Iterator[Webhook]:
    """Return a webhook that its owner can change; it is paused, so that nothing is sent to it."""
    webhooks = stage.client.webhooks
    made = webhooks.create("https://receiver.example/", events=["job.ended"])
    yield webhooks.change(made.id, paused=True)
    webhooks.delete(made.id)


@pytest.fixture(scope="module")
def batch(stage: Stage) -> Batch:
    """Return a batch that its owner can read."""
    return stage.client.submit_batch([{"operation": "read", "item_id": str(uuid.uuid4())}])


def request_of(route: Route, **ids: str) -> tuple[str, str, dict[str, Any] | None]:
    """Return method, path and body of a request that has an effect if the job, batch and item exist."""
    of_route = (route.method, route.path)
    path = route.path.format(**ids)
    return route.method, path + QUERIES.get(of_route, ""), BODIES.get(of_route)


def with_header(key: str) -> Attempt:
    return {"x-api-key": key}, ""


# Requests without a good key, or with a good key in a wrong place.
ATTEMPTS: dict[str, Callable[[dict[str, str]], Attempt]] = {
    "no key": lambda _: ({}, ""),
    "an empty key": lambda _: with_header(""),
    "an invented key": lambda _: with_header("wrong-key-wrong-key-wrong-key"),
    "an invented key of an owner": lambda _: with_header(new_api_key(FIRST_OWNER)),
    "an owner's name": lambda _: with_header(FIRST_OWNER),
    "a revoked key": lambda keys: with_header(keys["revoked"]),
    "a disabled key": lambda keys: with_header(keys["disabled"]),
    "a key of another stage": lambda keys: with_header(keys["elsewhere"]),
    "a key in no plan": lambda keys: with_header(keys["in no plan"]),
    "two good keys in one header": lambda keys: with_header(f"{keys['good']}, {keys['second']}"),
    "a good and an invented key in one header": lambda keys: with_header(f"{keys['good']},{new_api_key('owner')}"),
    "a good key in upper case": lambda keys: with_header(keys["good"].upper()),
    "all but the end of a good key": lambda keys: with_header(keys["good"][:-1]),
    "a good key and more": lambda keys: with_header(f"{keys['good']}0"),
    "a good key as a bearer token": lambda keys: ({"Authorization": f"Bearer {keys['good']}"}, ""),
    "a good key in a cookie": lambda keys: ({"Cookie": f"x-api-key={keys['good']}"}, ""),
    "a good key in the query": lambda keys: (
        {},
        "&".join(f"{name}={keys['good']}" for name in ("x-api-key", "api_key")),
    ),
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=list(ATTEMPTS))
def test_a_request_without_a_good_key_is_refused(
    stage: Stage,
    keys: dict[str, str],
    failed_job: Job,
    batch: Batch,
    webhook: Webhook,
    attempt: Callable[[dict[str, str]], Attempt],
) -> None:
    headers, query = attempt(keys)
    item = stage.client.sync.create({"name": unique("Not to be touched"), "description": "d"})
    before = at_rest(stage)
    ids = {"job_id": failed_job.id, "batch_id": batch.id, "item_id": item.id, "webhook_id": webhook.id}
    for route in KEYED:
        method, path, body = request_of(route, **ids, event_id=NO_EVENT)
        path += f"{'&' if '?' in path else '?'}{query}" if query else ""
        answer = stage.request(method, path, body, headers=headers, key=None)
        assert answer.status_code == 403, (method, path, answer.text)
        if stage.renders_gateway_responses:
            assert problem(answer) == "forbidden"
    assert at_rest(stage) == before, "nothing was stored or queued"
    assert stage.client.get_item(item.id) == item
    assert stage.client.job(failed_job.id) == failed_job
    assert list(stage.client.webhooks.list()) == [webhook]


@pytest.mark.parametrize("route", KEYED, ids=lambda route: f"{route.method} {route.path}")
def test_with_a_good_key_the_same_requests_are_served(stage: Stage, keys: dict[str, str], route: Route) -> None:
    """Otherwise the refusals above would prove little."""
    unknown = {name: secrets.token_hex(16) for name in ("job_id", "batch_id", "webhook_id")}
    sent = request_of(route, **unknown, item_id=str(uuid.uuid4()), event_id=NO_EVENT)
    answer = stage.request(*sent, key=keys["good"])
    assert answer.status_code in {200, 201, 202, 404}, answer.text
    if answer.status_code == 404:
        assert "_id}" in route.path
    if answer.status_code == 201:  # a webhook, of which an owner may have ten
        assert stage.request("DELETE", f"/webhooks/{answer.json()['id']}", key=keys["good"]).status_code == 200


@pytest.mark.parametrize("key", [None, "wrong-key-wrong-key-wrong-key"], ids=["no key", "an invented key"])
@pytest.mark.parametrize("route", OPEN, ids=lambda route: route.path)
def test_open_routes_need_no_key(stage: Stage, route: Route, key: str | None) -> None:
    assert stage.request(route.method, route.path, key=key).status_code == 200


def test_a_revoked_key_is_one_clear_error_of_the_client(stage: Stage, keys: dict[str, str]) -> None:
    client = Client(stage.deployment.base_url, keys["revoked"])
    with pytest.raises(Forbidden) as raised:
        client.create(ITEM)
    assert raised.value.status == 403
    if stage.renders_gateway_responses:
        assert str(raised.value) == "403 forbidden: A valid API key is needed in the x-api-key header."
