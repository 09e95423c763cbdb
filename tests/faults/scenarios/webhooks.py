"""Requests about webhooks, which their caller repeats until they are answered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from jobpipe.domain.events.schedule import PAUSES
from jobpipe.domain.events.webhook import Webhook
from jobpipe.stores.events.dynamodb_webhooks import DynamoDbWebhooks
from tests.faults.scenarios.events import answer, with_webhook
from tests.faults.scenarios.parts import Action, ask, create, scenario
from tests.faults.stage.world import World
from tests.helpers.pipeline import Answer

_BODY = {"url": "http://127.0.0.1/hook", "events": ["job.ended"]}


@scenario
def create_a_webhook(world: World) -> Action:
    """However often it is repeated, the owner has one webhook, and the answer has its secret."""
    world.with_receivers()

    def action() -> None:
        made = ok(world.insist("POST", "/webhooks", _BODY, {"idempotency-key": "webhook-1"}), 201)
        (stored,) = _webhooks(world).of_owner("alice")
        assert (stored.webhook_id, stored.secret) == (made["id"], made["secret"])
        create(world, "tent")

    return action


@scenario
def list_and_get_webhooks(world: World) -> Action:
    webhook = with_webhook(world)

    def action() -> None:
        (listed,) = ok(world.insist("GET", "/webhooks"))
        assert listed == ok(world.insist("GET", f"/webhooks/{webhook.webhook_id}"))
        assert listed["id"] == webhook.webhook_id

    return action


@scenario
def rotate_a_secret(world: World) -> Action:
    """However often it is repeated, the secret that receivers use signs beside the new one."""
    webhook = with_webhook(world)

    def action() -> None:
        rotate = f"/webhooks/{webhook.webhook_id}/rotate"
        rotated = ok(world.insist("POST", rotate, None, {"idempotency-key": "rotation-1"}))
        (stored,) = _webhooks(world).of_owner("alice")
        assert (stored.secret, stored.old_secret) == (rotated["secret"], webhook.secret)
        create(world, "tent")

    return action


@scenario
def pause_and_resume_a_webhook(world: World) -> Action:
    """Once the webhook is resumed, its receiver is notified of what ended during the pause."""
    webhook = with_webhook(world)

    def action() -> None:
        target = f"/webhooks/{webhook.webhook_id}"
        assert ok(world.insist("PATCH", target, {"paused": True}))["paused"] is True
        create(world, "tent")
        create(world, "yurt")
        world.settle()
        assert world.receivers is not None
        assert not world.receivers.received
        assert ok(world.insist("PATCH", target, {"paused": False}))["paused"] is False

    return action


@scenario
def resume_a_webhook_once(world: World) -> Action:
    """The caller does not repeat the request. If it has taken effect, what has waited is sent."""
    webhook = with_webhook(world)
    target = f"/webhooks/{webhook.webhook_id}"
    ok(world.insist("PATCH", target, {"paused": True}))
    create(world, "tent")
    world.settle()

    def action() -> None:
        world.request("PATCH", target, {"paused": False})
        if ok(world.insist("GET", target))["paused"]:
            ok(world.insist("PATCH", target, {"paused": False}))

    return action


@scenario
def test_a_webhook(world: World) -> Action:
    """The event that the answer names is delivered; a test that is repeated after an outage is another event."""
    webhook = with_webhook(world)

    def action() -> None:
        event = ok(world.insist("POST", f"/webhooks/{webhook.webhook_id}/test"), 202)["event"]
        world.settle()
        assert event in received(world)
        assert states(world, webhook)[event] == "delivered"

    return action


@scenario
def replay_an_event(world: World) -> Action:
    webhook = with_webhook(world, events=["job.ended"])
    create(world, "tent")
    world.settle()

    def action() -> None:
        (event,) = states(world, webhook)
        target = f"/webhooks/{webhook.webhook_id}/deliveries/{event}/replay"
        ok(world.insist("POST", target), 202)
        world.settle()
        assert received(world).count(event) >= 2

    return action


@scenario
def replay_the_head_of_a_line(world: World) -> Action:
    """The head waits two hours for its next attempt. Its replay delivers it, and the next one follows at once."""
    webhook = with_webhook(world, events=["job.ended"])
    answer(world, *[500] * 5)
    tent = create(world, "tent")
    last = world.emulator.clock.elapsed + sum(PAUSES[:4], timedelta()).total_seconds() + 60
    world.settle(until=lambda: world.emulator.clock.elapsed > last)
    (event,) = states(world, webhook)
    began = world.emulator.clock.elapsed

    def action() -> None:
        ask(world, "merge", tent, colour="red")
        ok(world.insist("POST", f"/webhooks/{webhook.webhook_id}/deliveries/{event}/replay"), 202)
        world.settle(until=lambda: len({*received(world)}) == 2)
        assert world.emulator.clock.elapsed - began < timedelta(hours=1).total_seconds()

    return action


@scenario
def replay_all_events_since_a_time(world: World) -> Action:
    webhook = with_webhook(world, events=["job.ended"])
    create(world, "tent")
    world.settle()

    def action() -> None:
        (event,) = states(world, webhook)
        target = f"/webhooks/{webhook.webhook_id}/replay"
        ok(world.insist("POST", target, {"since": "2000-01-01T00:00:00Z"}), 202)
        world.settle()
        assert received(world).count(event) >= 2

    return action


@scenario
def delete_a_webhook(world: World) -> Action:
    """A repeated deletion may find that the first one took effect; it deletes no other webhook."""
    webhook = with_webhook(world)

    def action() -> None:
        kept = ok(world.insist("POST", "/webhooks", _BODY, {"idempotency-key": "webhook-2"}), 201)
        answer = world.insist("DELETE", f"/webhooks/{webhook.webhook_id}")
        assert answer.status in {200, 404}, answer.text
        assert [each.webhook_id for each in _webhooks(world).of_owner("alice")] == [kept["id"]]
        create(world, "tent")

    return action


@scenario
def delete_a_webhook_and_create_it_again(world: World) -> Action:
    """The same key creates another webhook, to which nothing is sent that waited for the first."""
    key = {"idempotency-key": "webhook-1"}
    world.with_receivers()
    first = ok(world.insist("POST", "/webhooks", _BODY, key), 201)["id"]
    ok(world.insist("PATCH", f"/webhooks/{first}", {"paused": True}))
    create(world, "tent")
    world.settle()
    (waiting,) = _events(world, first)
    world.emulator.clock.sleep(1)

    def action() -> None:
        answer = world.insist("DELETE", f"/webhooks/{first}")
        assert answer.status in {200, 404}, answer.text
        made = ok(world.insist("POST", "/webhooks", _BODY, key), 201)
        (stored,) = _webhooks(world).of_owner("alice")
        assert (stored.webhook_id, stored.secret) == (made["id"], made["secret"])
        assert made["id"] != first
        create(world, "yurt")
        world.settle()
        assert waiting not in {*received(world), *_events(world, made["id"])}

    return action


def states(world: World, webhook: Webhook) -> dict[str, str]:
    """Return the states of the webhook's deliveries, by their events."""
    return _events(world, webhook.webhook_id)


def _events(world: World, webhook_id: str) -> dict[str, str]:
    listed = ok(world.insist("GET", f"/webhooks/{webhook_id}/deliveries?limit=100"))
    return {each["event"]: each["state"] for each in listed}


def received(world: World) -> list[str]:
    """Return the ids of the events that receivers have accepted, in order."""
    assert world.receivers is not None
    return [each.event["id"] for each in world.receivers.received]


def ok(answer: Answer, status: int = 200) -> Any:
    """Return the JSON of an answer that must have this status."""
    assert answer.status == status, answer.text
    return answer.json


def _webhooks(world: World) -> DynamoDbWebhooks:
    return DynamoDbWebhooks(world.audit_clients, world.outputs["WebhooksTable"])
