"""Webhooks of a stage with a receiver on this machine, which only the Lambdas of the embedded emulator reach."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import tenacity

from infra.stage.log_events import LogEvents
from jobpipe_client import Client, NotFound, Webhook, WebhookDelivery
from tests.helpers.deployed import Stage, unique
from tests.helpers.receiver import Received, receiver
from tests.integration.operators import Operator


@contextmanager
def a_webhook(client: Client, url: str, *events: str) -> Iterator[Webhook]:
    """Let the stage have a webhook during the block."""
    made = client.webhooks.create(url, events=events or ("job.ended",))
    try:
        yield made
    finally:
        client.webhooks.delete(made.id)


def verified(request: Received, *secrets: str | None) -> Any:
    """Return the event of a request that each of these secrets verifies."""
    for secret in secrets:
        assert secret is not None
        event = standardwebhooks.Webhook(secret).verify(request.body, request.headers)
    return event


def is_verified(request: Received, secret: str | None) -> bool:
    try:
        verified(request, secret)
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


def until() -> tenacity.Retrying:
    """Return attempts at an assertion that is going to hold."""
    return tenacity.Retrying(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.1), reraise=True)


def delivery_of(client: Client, webhook: Webhook, event: str, attempts: int = 1) -> WebhookDelivery:
    """Return the delivery of an event once so many attempts are recorded."""
    for attempt in until():
        with attempt:
            found = {each.event: each for each in client.webhooks.deliveries(webhook.id)}[event]
            assert len(found.attempts) >= attempts, found
    return found


def test_a_test_event_reaches_the_receiver_signed(stage: Stage) -> None:
    with receiver() as hook, a_webhook(stage.client, hook.url) as webhook:
        event = stage.client.webhooks.test(webhook.id)
        request, *_ = hook.wait_for(1, of=webhook.id)
        assert verified(request, webhook.secret)["id"] == event == request.headers["webhook-id"]
        delivery = delivery_of(stage.client, webhook, event)
    assert (delivery.type, delivery.state, delivery.subject) == (
        "webhook.test",
        "delivered",
        f"webhooks/{webhook.id}",
    )
    assert [each.status for each in delivery.attempts] == [204]


def test_the_data_of_an_ended_job_is_the_job_as_get_shows_it(stage: Stage) -> None:
    with receiver() as hook, a_webhook(stage.client, hook.url) as webhook:
        job = stage.client.wait(stage.client.create({"name": unique("Told"), "description": "d", "price": 12.95}))
        request, *_ = hook.wait_for(1, of=job.id)
        event = verified(request, webhook.secret)
        assert event["data"] == stage.request("GET", f"/jobs/{job.id}").json()
        assert (event["type"], event["specversion"]) == ("job.ended", "1.0")
        failed = stage.client.wait(stage.client.read("no-such-item"))
        request, *_ = hook.wait_for(1, of=failed.id)
        assert verified(request, webhook.secret)["data"]["error"]["status"] == 404


def test_only_what_a_webhook_asks_for_is_told(stage: Stage) -> None:
    with receiver() as hook, a_webhook(stage.client, hook.url, "item.changed") as webhook:
        job = stage.client.wait(stage.client.create({"name": unique("Changed"), "description": "d"}))
        stage.client.wait(stage.client.read(job.item_id))
        deleted = stage.client.wait(stage.client.delete(job.item_id))
        requests = hook.wait_for(2, of=job.item_id)
        told = [verified(each, webhook.secret)["data"] for each in requests]
        assert [each["operation"] for each in told] == ["create", "delete"], "a read changes nothing"
        assert [each["job_id"] for each in told] == [job.id, deleted.id]
        assert told[0]["etag"] == job.etag
        assert not hook.of(f"jobs/{job.id}")


def test_after_a_rotation_both_secrets_sign(stage: Stage) -> None:
    with receiver() as hook, a_webhook(stage.client, hook.url) as webhook:
        rotated = stage.client.webhooks.rotate(webhook.id)
        assert rotated.secret != webhook.secret
        stage.client.webhooks.test(webhook.id)
        request, *_ = hook.wait_for(1, of=webhook.id)
        assert verified(request, webhook.secret, rotated.secret)
        assert not is_verified(request, stage.client.webhooks.rotate(webhook.id).secret), (
            "a later secret did not sign"
        )


def test_what_waits_for_a_paused_webhook_is_delivered_when_it_is_resumed(stage: Stage) -> None:
    with receiver() as hook, a_webhook(stage.client, hook.url) as webhook:
        stage.client.webhooks.change(webhook.id, paused=True)
        jobs = [stage.client.create({"name": unique("Waits"), "description": "d"}) for _ in range(3)]
        for job in jobs:
            stage.client.wait(job)
        test = stage.client.webhooks.test(webhook.id)
        hook.wait_for(1, of=webhook.id)
        for attempt in until():
            with attempt:
                waiting = [each for each in stage.client.webhooks.deliveries(webhook.id) if each.state == "pending"]
                assert {each.subject for each in waiting} >= {f"jobs/{job.id}" for job in jobs}
        assert [each.event["id"] for each in hook.of(webhook.id)] == [test]
        assert not [each for job in jobs for each in hook.of(job.id)], "what ended meanwhile waits"
        assert stage.client.webhooks.change(webhook.id, paused=False).paused is False
        for job in jobs:
            hook.wait_for(1, of=job.id)


def test_what_waits_while_an_operator_has_paused_a_webhook_is_delivered_when_he_resumes_it(
    stage: Stage, tmp_path: Path
) -> None:
    operator = Operator(stage, tmp_path)
    with receiver() as hook, a_webhook(stage.client, hook.url) as webhook:
        operator.output_of("webhooks", "--pause", webhook.id)
        job = stage.client.create({"name": unique("Waits"), "description": "d"})
        stage.client.wait(job)
        for attempt in until():
            with attempt:
                waiting = [each for each in stage.client.webhooks.deliveries(webhook.id) if each.state == "pending"]
                assert f"jobs/{job.id}" in {each.subject for each in waiting}
        test = stage.client.webhooks.test(webhook.id)
        hook.wait_for(1, of=webhook.id)
        assert [each.event["id"] for each in hook.of(webhook.id)] == [test]
        assert not hook.of(job.id)
        operator.output_of("webhooks", "--resume", webhook.id)
        hook.wait_for(1, of=job.id)


def test_events_are_replayed_with_the_same_id_and_a_new_signature(stage: Stage) -> None:
    with receiver() as hook, a_webhook(stage.client, hook.url) as webhook:
        before = stage.client.stats().at
        event = stage.client.webhooks.test(webhook.id)
        hook.wait_for(1, of=webhook.id)
        delivery_of(stage.client, webhook, event)
        stage.client.webhooks.replay(webhook.id, event)
        first, second, *_ = hook.wait_for(2, of=webhook.id)
        assert verified(first, webhook.secret) == verified(second, webhook.secret)
        delivery_of(stage.client, webhook, event, attempts=2)
        stage.client.webhooks.replay(webhook.id, since=before)
        hook.wait_for(3, of=webhook.id)
        delivery = delivery_of(stage.client, webhook, event, attempts=3)
        assert [each.status for each in delivery.attempts] == [204] * 3
        assert delivery.attempts[-1].replay
        with pytest.raises(NotFound):
            stage.client.webhooks.replay(webhook.id, "20261122205744123-no-such-event")


def test_a_failed_delivery_is_tried_again_and_listed(stage: Stage) -> None:
    with receiver(500) as hook, a_webhook(stage.client, hook.url) as webhook:
        stage.client.wait(stage.client.create({"name": unique("Again"), "description": "d"}))
        failed, *_ = hook.wait_for(1)
        event = failed.headers["webhook-id"]
        delivery = delivery_of(stage.client, webhook, event, attempts=2)
        first, second = [verified(each, webhook.secret) for each in hook.received if each.event["id"] == event]
        assert first == second
    assert (delivery.state, [each.status for each in delivery.attempts]) == ("delivered", [500, 204])


def test_the_deliveries_of_a_job_are_listed(stage: Stage) -> None:
    with receiver() as hook, a_webhook(stage.client, hook.url) as webhook:
        jobs = [
            stage.client.wait(stage.client.create({"name": unique("Told"), "description": "d"})) for _ in range(2)
        ]
        for job in jobs:
            hook.wait_for(1, of=job.id)
        for job in jobs:
            event = hook.of(job.id)[0].headers["webhook-id"]
            delivery_of(stage.client, webhook, event)
            found = [*stage.client.webhooks.deliveries(webhook.id, job=job.id)]
            assert [(each.event, each.state) for each in found if each.type == "job.ended"] == [
                (event, "delivered")
            ]
            assert {each.event.split("-")[1] for each in found} == {job.id}


def test_deliveries_are_listed_page_by_page(stage: Stage) -> None:
    with receiver() as hook, a_webhook(stage.client, hook.url) as webhook:
        events = [stage.client.webhooks.test(webhook.id) for _ in range(5)]
        hook.wait_for(5, of=webhook.id)
        pages = [*stage.client.webhooks.deliveries(webhook.id, page_size=2)]
        assert [each.event for each in pages if each.type == "webhook.test"] == sorted(events, reverse=True)


def test_no_log_line_has_a_url_a_secret_or_an_event(stage: Stage) -> None:
    since, secret_path = int(time.time() * 1000), unique("hidden").replace(" ", "-")
    with receiver() as hook, a_webhook(stage.client, f"{hook.url}?token={secret_path}") as webhook:
        name = unique("Not in a log")
        job = stage.client.wait(stage.client.create({"name": name, "description": "d"}))
        hook.wait_for(1, of=job.id)
        delivery_of(stage.client, webhook, hook.of(job.id)[0].headers["webhook-id"])
    assert webhook.secret is not None
    groups = [each["logGroupName"] for each in stage.aws("logs").describe_log_groups()["logGroups"]]
    for attempt in until():  # lines may be late
        with attempt:
            events = [each for group in groups for each in LogEvents(stage.aws("logs"), group, since)]
            lines = [each["message"] for each in events]
            assert any(f'"webhook_id":"{webhook.id}"' in line for line in lines)
    assert not [line for line in lines if secret_path in line or webhook.secret in line or name in line]
