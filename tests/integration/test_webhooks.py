"""The webhooks of a deployed stage, as far as they need no receiver: tests/events has those that do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from infra.deployment.readiness import wait_for_key
from infra.keys.api_keys import new_api_key
from jobpipe.domain.events.webhook import MAX_WEBHOOKS
from jobpipe_client import Client, NotFound, TooManyWebhooks, Webhook
from tests.helpers.deployed import Stage, problem, unique


@contextmanager
def a_webhook(client: Client, url: str, *events: str) -> Iterator[Webhook]:
    """Let the stage have a webhook during the block."""
    made = client.webhooks.create(url, events=events or ("job.ended",))
    try:
        yield made
    finally:
        client.webhooks.delete(made.id)


def test_the_same_key_gets_the_same_secret(stage: Stage) -> None:
    webhooks, key = stage.client.webhooks, unique("key").replace(" ", "-")
    first, second = (
        webhooks.create("https://receiver.example/", events=["job.ended"], idempotency_key=key) for _ in "12"
    )
    try:
        assert (first.id, first.secret) == (second.id, second.secret)
        rotated = [webhooks.rotate(first.id, idempotency_key=key + "r").secret for _ in range(2)]
        assert rotated[0] == rotated[1] != first.secret
        answer = stage.request(
            "POST",
            "/webhooks",
            {"url": "https://receiver.example/", "events": ["job.ended"]},
            headers={"Idempotency-Key": key},
        )
        assert (answer.status_code, problem(answer)) == (422, "idempotency-key-reused")
    finally:
        webhooks.delete(first.id)


def test_an_owner_has_ten_webhooks_which_no_other_owner_sees(stage: Stage) -> None:
    key = new_api_key("tenhooks")
    gateway = stage.aws("apigateway")
    made_key = gateway.create_api_key(name=unique("tenhooks"), enabled=True, value=key)["id"]
    try:
        gateway.create_usage_plan_key(usagePlanId=stage.resources["usage_plan"], keyId=made_key, keyType="API_KEY")
        assert wait_for_key(stage.deployment.base_url, key, accepted=True)
        other = Client(stage.deployment.base_url, key, request_timeout=30)
        for left in other.webhooks.list():  # of an earlier run on this stage
            other.webhooks.delete(left.id)
        made = [
            other.webhooks.create("https://receiver.example/", events=["job.ended"]) for _ in range(MAX_WEBHOOKS)
        ]
        with pytest.raises(TooManyWebhooks):
            other.webhooks.create("https://receiver.example/", events=["job.ended"])
        assert [each.id for each in other.webhooks.list()] == [each.id for each in made]
        assert not {each.id for each in made} & {each.id for each in stage.client.webhooks.list()}
        for call in (stage.client.webhooks.get, stage.client.webhooks.delete, stage.client.webhooks.test):
            with pytest.raises(NotFound):
                call(made[0].id)
        for each in made:
            other.webhooks.delete(each.id)
        assert other.webhooks.list() == []
        with a_webhook(other, "https://receiver.example/"):
            assert len(other.webhooks.list()) == 1
    finally:
        gateway.delete_api_key(apiKey=made_key)


def test_a_bad_webhook_is_refused_and_not_stored(stage: Stage) -> None:
    before = stage.client.webhooks.list()
    for body, pointer in (
        ({"url": "https://10.0.0.1/", "events": ["job.ended"]}, "#/url"),
        ({"url": "http://receiver.example/", "events": ["job.ended"]}, "#/url"),
        ({"url": "https://169.254.169.254/latest/meta-data", "events": ["job.ended"]}, "#/url"),
        ({"url": "https://receiver.example/", "events": ["job.begun"]}, "#/events/0"),
        ({"url": "https://receiver.example/", "events": ["job.ended"], "collections": ["none"]}, "#/collections/0"),
    ):
        answer = stage.request("POST", "/webhooks", body)
        assert answer.status_code == 400
        assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert stage.client.webhooks.list() == before
