"""Webhooks are notified of the ends of jobs, in a stage with Events=on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.events.delivery_messages import Sweep
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.events.schedule import CIRCUIT_OPENS_AFTER, PAUSES
from jobpipe.domain.events.webhook import EVENT_TYPES, Webhook
from jobpipe.domain.events.webhook_form import new_webhook
from jobpipe.stores.events.dynamodb_webhooks import DynamoDbWebhooks
from tests.faults.histories.history import SentCommand
from tests.faults.scenarios.parts import (
    HUGE,
    LARGE,
    Action,
    ask,
    create,
    die_once_at,
    existing,
    existing_in,
    put_in,
    scenario,
)
from tests.faults.scenarios.waiting import SOON, ask_to_wait
from tests.faults.stage.world import World
from tests.helpers.shop import order

_SLOW = 6.0  # seconds that a call takes; an invocation has 29
BUS = "arn:aws:events:us-east-1:000000000000:event-bus/default"
_EVER = "0001-01-01T00:00:00.000Z"


@scenario
def tell_of_a_created_item(world: World) -> Action:
    with_webhook(world)

    def action() -> None:
        create(world, "tent")

    return action


@scenario
def tell_of_a_large_order(world: World) -> Action:
    """The result of its job is in the bucket."""
    with_webhook(world)

    def action() -> None:
        put_in(world, "orders", order("A-1", lines=[{"sku": "x" * 40, "quantity": 1, "price": 1}] * 50))

    return action


@scenario
def tell_of_a_large_item(world: World) -> Action:
    with_webhook(world)

    def action() -> None:
        create(world, "tent", text=LARGE)

    return action


@scenario
def tell_of_an_operation(world: World) -> Action:
    """Its event is committed with the document, however often it is attempted."""
    with_webhook(world, events=[*EVENT_TYPES, "orders.shipped"])
    stored = paid(world, "A-1")

    def action() -> None:
        ask(world, "ship", stored, carrier="dhl")

    return action


@scenario
def tell_of_operations_among_other_commands(world: World) -> Action:
    """The commands around them are folded, and another order is shipped in the same batch."""
    with_webhook(world, events=["orders.shipped"])
    one, other = paid(world, "A-1"), paid(world, "A-2")

    def action() -> None:
        ask(world, "merge", one, note="1")
        ask(world, "merge", one, note="2")
        ask(world, "ship", one, carrier="dhl")
        ask(world, "ship", one, carrier="ups")  # refused, since it is shipped
        ask(world, "merge", one, note="3")
        ask(world, "ship", other, carrier="ups")

    return action


@scenario
def tell_of_an_operation_that_is_retried(world: World) -> Action:
    """The events are those of the generation that succeeds."""
    with_webhook(world, events=[*EVENT_TYPES, "orders.shipped"])
    stored = existing_in(world, "orders", order("A-1"))
    failed = ask(world, "ship", stored, carrier="dhl")
    world.settle()
    ask(world, "pay", stored, invoice=1)
    world.settle()

    def action() -> None:
        world.retry(failed)

    return action


@scenario
def put_on_the_bus(world: World) -> Action:
    """Every event, though there is no webhook."""
    world.with_receivers(BUS)
    stored = paid(world, "A-1")

    def action() -> None:
        ask(world, "ship", stored, carrier="dhl")
        ask(world, "merge", stored, note="1")

    return action


@scenario
def put_on_the_bus_and_tell_a_webhook(world: World) -> Action:
    """Two documents, one of which ends twice in one message."""
    with_webhook(world, bus=BUS, events=["job.ended"])

    def action() -> None:
        tent = create(world, "tent")
        ask(world, "read", tent)
        create(world, "tent")

    return action


@scenario
def tell_of_commands_of_two_items_together(world: World) -> Action:
    """Several commands of one item end together, and those of another in the same batch."""
    with_webhook(world)
    tent = existing(world, "tent")

    def action() -> None:
        ask(world, "merge", tent, colour="red")
        create(world, "yurt")
        ask(world, "merge", tent, colour="blue")
        ask(world, "delete", tent)

    return action


@scenario
def tell_of_a_redelivered_command(world: World) -> Action:
    """A worker died at the first delivery: the second runs alone, beside a new one."""
    with_webhook(world)
    tent = existing(world, "tent")

    def action() -> None:
        ask(world, "merge", tent, colour="red")
        die_once_at(world, "put_object")
        ask(world, "merge", tent, colour="blue")

    return action


@scenario
def tell_of_failed_and_cancelled_commands(world: World) -> Action:
    with_webhook(world)
    tent = existing(world, "tent")

    def action() -> None:
        red = ask(world, "merge", tent, colour="red")
        create(world, "tent")
        ask(world, "read", tent)
        world.cancel(red)

    return action


@scenario
def tell_of_a_dead_letter(world: World) -> Action:
    with_webhook(world)
    lost = create(world, "tent")
    lost.must_fail = True
    world.give_up_messages()
    return lambda: None


@scenario
def notify_of_more_than_an_invocation_can_store(world: World) -> Action:
    """Each call takes so long that the message is received four times until its five deliveries are stored."""
    for owner in ("alice", "alice", "bob"):
        with_webhook(world, owner)
    tent = existing(world, "tent")

    def action() -> None:
        ask(world, "merge", tent, colour="red")
        world.injector.seconds_of_calls["tell"] = _SLOW

    return action


@scenario
def deliver_after_a_failure(world: World) -> Action:
    """The second event of the line waits for the first; that of another item does not."""
    with_webhook(world)

    def action() -> None:
        answer(world, 500)
        create(world, "tent")
        create(world, "yurt")

    return action


@scenario
def give_up_and_go_on(world: World) -> Action:
    """A receiver fails at the last attempt for its first event, too, and then answers again."""
    with_webhook(world, events=["job.ended"])
    answer(world, *[500] * (len(PAUSES) + 1))
    tent = create(world, "tent")
    last = world.emulator.clock.elapsed + sum(PAUSES, timedelta()).total_seconds() - 60
    world.settle(until=lambda: world.emulator.clock.elapsed > last)

    def action() -> None:
        ask(world, "merge", tent, colour="red")

    return action


@scenario
def resume_after_the_receiver_was_gone(world: World) -> Action:
    """The first answer is 410, which pauses the webhook. Resuming it wakes the lines that have waited."""
    webhook = with_webhook(world, events=["job.ended"])

    def action() -> None:
        answer(world, 410)
        tent = create(world, "tent")
        world.settle()
        for name in ("yurt", "hut"):
            create(world, name)
            world.settle()
            world.emulator.clock.sleep(1)  # the sweep has the order of the times
        ask(world, "merge", tent, colour="red")
        world.settle()
        resume(world, webhook)

    return action


@scenario
def retry_an_end_before_its_event_is_received_again(world: World) -> Action:
    """If the function that notifies dies after its store, the job is another generation at the second receipt."""
    with_webhook(world, events=["job.ended"])
    existing(world, "tent")

    def action() -> None:
        failed = create(world, "tent")
        world.poll("work", "CommandsQueueUrl")
        world.poll("tell", "EventsQueueUrl")
        world.retry(failed)

    return action


@scenario
def wait_for_a_dead_receiver(world: World) -> Action:
    """So many attempts have failed that the webhook's circuit is open, and the next one fails, too."""
    with_webhook(world, events=["job.ended"])
    answer(world, *[503] * (CIRCUIT_OPENS_AFTER + 1))
    receivers = world.receivers
    assert receivers is not None
    for n in range(CIRCUIT_OPENS_AFTER):
        create(world, f"tent {n}")
    world.settle(until=lambda: len(receivers.answers) == 1)

    def action() -> None:
        create(world, "yurt")

    return action


@scenario
def replay_what_was_sent(world: World) -> Action:
    webhook = with_webhook(world, events=["job.ended"])
    for name in ("tent", "yurt", "hut"):
        existing(world, name)

    def action() -> None:
        sweep = Sweep(webhook.owner, webhook.webhook_id, _EVER, replay=True, at=rfc3339(now()))
        world.send("DeliveriesLaterQueueUrl", sweep.encode())

    return action


@scenario
def cancelled_while_it_waits(world: World) -> Action:
    """No message of it is on the queue of commands, so the release sends one."""
    with_webhook(world, events=["job.ended"])
    tent = existing(world, "tent")
    small, huge = ask_to_wait(world, tent, SOON, n=1), ask_to_wait(world, tent, SOON, n=2, text=HUGE)

    def action() -> None:
        world.cancel(small)
        world.emulator.clock.sleep(1)
        world.cancel(huge)

    return action


def with_webhook(world: World, owner: str = "alice", bus: str = "", **members: object) -> Webhook:
    """Give the stage events, and perhaps a bus, and the caller a webhook, or another owner."""
    if world.receivers is None:
        world.with_receivers(bus)
    body = {"url": "http://127.0.0.1/hook", "events": [*EVENT_TYPES], **members}
    webhook = new_webhook(body, owner, {"items", "orders"}, UrlRules(allow_loopback=True), now())
    assert _webhooks(world).put_new(webhook, 10)
    return webhook


def paid(world: World, number: str) -> SentCommand:
    """Return an order that can be shipped."""
    stored = existing_in(world, "orders", order(number))
    ask(world, "pay", stored, invoice=int(number.partition("-")[2]))
    world.settle()
    return stored


def answer(world: World, *statuses: int) -> None:
    """Let the receivers answer the next requests so; then they accept all."""
    assert world.receivers is not None
    world.receivers.answers += statuses


def resume(world: World, webhook: Webhook) -> None:
    """Resume the webhook if it is paused, as the API does."""
    stored = _webhooks(world).get(webhook.owner, webhook.webhook_id)
    assert stored is not None
    assert _webhooks(world).replace(stored, replace(stored, paused=False, paused_by_failures=False))
    sweep = Sweep(webhook.owner, webhook.webhook_id, at=rfc3339(now()))
    world.send("DeliveriesLaterQueueUrl", sweep.encode())


def _webhooks(world: World) -> DynamoDbWebhooks:
    return DynamoDbWebhooks(world.audit_clients, world.outputs["WebhooksTable"])
