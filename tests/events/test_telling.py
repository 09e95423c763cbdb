"""P10 on a stage with a real receiver: what is told, in which order, and again after a failure."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import tenacity
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook as Verifier

from infra.keys.api_keys import FIRST_OWNER
from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.events.delivery import Delivery, DeliveryState
from jobpipe.domain.events.delivery_messages import SendAgain, Sweep
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.events.schedule import PAUSES
from jobpipe.domain.events.webhook import EVENT_TYPES, ITEM_CHANGED, JOB_ENDED, Webhook
from jobpipe.domain.events.webhook_form import new_webhook
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.events.dynamodb_deliveries import DynamoDbDeliveries
from jobpipe.stores.events.dynamodb_webhooks import DynamoDbWebhooks
from jobpipe.stores.queues.sqs_deliveries import SqsDeliveries
from tests.helpers.deployed import Stage, unique
from tests.helpers.receiver import Received, Receiver, receiver
from tests.helpers.shop import order

EVER = "0001-01-01T00:00:00.000Z"


T = TypeVar("T")


def eventually(find: Callable[[], T]) -> T:
    """Return what the function returns when it does not fail any more."""
    wait, stop = tenacity.wait_fixed(0.1), tenacity.stop_after_delay(60)
    return tenacity.Retrying(wait=wait, stop=stop, reraise=True)(find)


class Telling:
    """The webhooks of a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        clients = AwsClients(make=lambda service, **_: stage.aws(service))
        table = stage.resources["webhooks_table"]
        self.webhooks = DynamoDbWebhooks(clients, table)
        self.deliveries = DynamoDbDeliveries(clients, table)
        self.queue = SqsDeliveries(
            clients, stage.resources["deliveries_queue_url"], stage.resources["deliveries_later_queue_url"]
        )

    @contextmanager
    def webhook(self, url: str, *, owner: str = FIRST_OWNER, **members: Any) -> Iterator[Webhook]:
        """Let the owner have a webhook during the block."""
        body = {"url": url, "events": [*EVENT_TYPES], **members}
        webhook = new_webhook(body, owner, {"items", "orders"}, UrlRules(allow_loopback=True), now())
        assert self.webhooks.put_new(webhook, 10)
        try:
            yield webhook
        finally:
            self.webhooks.delete(owner, webhook.webhook_id)

    def delivery(self, webhook: Webhook, event_id: str, state: DeliveryState, attempts: int) -> Delivery:
        """Return the delivery once it has this state and so many attempts."""

        def find() -> Delivery:
            found = self.deliveries.get(webhook.owner, webhook.webhook_id, event_id)
            assert found is not None
            assert (found.state, len(found.attempts)) == (state, attempts)
            return found

        return eventually(find)

    def paused(self, webhook: Webhook) -> Webhook:
        """Return the webhook once it is paused."""

        def find() -> Webhook:
            found = self.webhooks.get(webhook.owner, webhook.webhook_id)
            assert found is not None
            assert found.paused
            return found

        return eventually(find)

    def stored(self, webhook: Webhook, count: int) -> None:
        """Return once the webhook has so many deliveries."""

        def check() -> None:
            found = self.deliveries.page(webhook.owner, webhook.webhook_id, 10, None).deliveries
            assert len(found) == count

        eventually(check)


@pytest.fixture(scope="module")
def telling(stage: Stage) -> Telling:
    return Telling(stage)


def create(stage: Stage, **more: Any) -> Any:
    return stage.client.wait(stage.client.create({"name": unique("told"), "description": "d", **more}))


def events_of(hook: Receiver, item_id: str, count: int) -> list[Any]:
    """Return the changes of the item that were told, once there are so many."""
    return [each.event for each in hook.wait_for(count, of=item_id)]


def test_a_job_and_a_change_are_told_as_cloud_events(stage: Stage, telling: Telling) -> None:
    with receiver() as hook, telling.webhook(hook.url) as webhook:
        job = create(stage)
        changed, *_ = hook.wait_for(1, of=job.item_id)
        ended, *_ = hook.wait_for(1, of=job.id)
    for request in (changed, ended):
        Verifier(webhook.secret).verify(request.body, request.headers)
        event = from_http_event(HTTPMessage(request.headers, request.body))
        assert event.get_id() == request.headers["webhook-id"]
        assert event.get_source() == "urn:jobpipe:local"
        assert event.get_time() == job.updated_at
    assert changed.event["type"] == "item.changed"
    assert changed.event["data"] == {
        "collection": "items",
        "item_id": job.item_id,
        "operation": "create",
        "job_id": job.id,
        "etag": f'"{stage.request("GET", f"/items/{job.item_id}").headers["etag"].strip(chr(34))}"',
    }
    assert ended.event["type"] == "job.ended"
    assert ended.event["data"] == stage.request("GET", f"/jobs/{job.id}").json()
    assert changed.event["sequence"] < ended.event["sequence"]


def test_changes_of_one_item_are_told_in_their_order(stage: Stage, telling: Telling) -> None:
    with receiver() as hook, telling.webhook(hook.url, events=[ITEM_CHANGED]):
        item_id = create(stage).item_id
        jobs = [stage.client.merge(item_id, {"n": n}) for n in range(12)]
        last = stage.client.wait(stage.client.delete(item_id))
        events = events_of(hook, item_id, 14)
    assert [event["data"]["job_id"] for event in events][1:] == [*(job.id for job in jobs), last.id]
    sequences = [event["sequence"] for event in events]
    assert sequences == sorted(sequences)


def test_only_the_events_and_collections_that_a_webhook_names_are_told(stage: Stage, telling: Telling) -> None:
    with (
        receiver() as all_hook,
        receiver() as orders_hook,
        telling.webhook(all_hook.url, events=[JOB_ENDED]),
        telling.webhook(orders_hook.url, events=[ITEM_CHANGED], collections=["orders"]),
    ):
        item = create(stage)
        ordered = stage.client.collection("orders").create(order(f"A-{secrets.randbelow(10**8)}"))
        ordered = stage.client.wait(ordered)
        all_hook.wait_for(1, of=item.id)
        all_hook.wait_for(1, of=ordered.id)
        orders_hook.wait_for(1, of=ordered.item_id)
        assert {each.event["type"] for each in all_hook.received} == {"job.ended"}
        assert [each.event["subject"] for each in orders_hook.received] == [f"orders/{ordered.item_id}"]


def test_the_event_of_an_operation_is_told(stage: Stage, telling: Telling) -> None:
    number = secrets.randbelow(10**8)
    orders = stage.client.collection("orders")
    with receiver() as hook, telling.webhook(hook.url, events=["orders.shipped"]) as webhook:
        order_id = stage.client.wait(orders.create(order(f"A-{number}"))).item_id
        orders.run("pay", order_id, invoice=number)
        orders.run("ship", order_id, carrier="dhl")
        (request,) = hook.wait_for(1, of=order_id)
        Verifier(webhook.secret).verify(request.body, request.headers)
    assert (request.event["type"], request.event["subject"]) == ("orders.shipped", f"orders/{order_id}")
    assert request.event["data"] == {"number": f"A-{number}", "carrier": "dhl"}


def test_other_owners_are_told_of_shared_documents_and_of_no_jobs(stage: Stage, telling: Telling) -> None:
    with receiver() as hook, telling.webhook(hook.url, owner="othercaller"):
        first = create(stage)
        second = create(stage)
        hook.wait_for(1, of=first.item_id)
        hook.wait_for(1, of=second.item_id)
        assert {each.event["type"] for each in hook.received} == {"item.changed"}


def test_what_failed_is_delivered_again_and_holds_up_its_own_line_only(stage: Stage, telling: Telling) -> None:
    with receiver() as hook, telling.webhook(hook.url, events=[ITEM_CHANGED]) as webhook:
        failing = create(stage).item_id
        hook.wait_for(1, of=failing)
        hook.answers = [500]
        first = stage.client.wait(stage.client.merge(failing, {"n": 1}))
        hook.wait_for(2, of=failing)
        second = stage.client.merge(failing, {"n": 2})
        other = create(stage).item_id
        (beside,) = hook.wait_for(1, of=other)
        requests = hook.wait_for(4, of=failing)
        told = [each.event["data"]["job_id"] for each in requests]
        assert told[1:] == [first.id, first.id, second.id], "in order, the first one again"
        assert beside.at < requests[2].at, "the other item does not wait"
        assert requests[2].at - requests[1].at > PAUSES[0].total_seconds() - 1
        delivery = telling.delivery(webhook, requests[1].event["id"], DeliveryState.DELIVERED, 2)
    assert [each.status for each in delivery.attempts] == [500, 204]
    assert requests[1].headers["webhook-id"] == requests[2].headers["webhook-id"], "a receiver can drop repeats"


def test_events_are_replayed(stage: Stage, telling: Telling) -> None:
    with receiver() as hook, telling.webhook(hook.url, events=[ITEM_CHANGED]) as webhook:
        item_id = create(stage).item_id
        (first,) = hook.wait_for(1, of=item_id)
        event_id = first.event["id"]
        telling.delivery(webhook, event_id, DeliveryState.DELIVERED, 1)
        telling.queue.deliver_again([SendAgain(webhook.owner, webhook.webhook_id, event_id)])
        telling.delivery(webhook, event_id, DeliveryState.DELIVERED, 2)
        telling.queue.sweep(Sweep(webhook.owner, webhook.webhook_id, EVER, replay=True, at=rfc3339(now())))
        delivery = telling.delivery(webhook, event_id, DeliveryState.DELIVERED, 3)
        requests = hook.wait_for(3, of=item_id)
    assert [each.replay for each in delivery.attempts] == [False, True, True]
    assert {each.body for each in requests} == {first.body}
    assert len({each.headers["webhook-id"] for each in requests}) == 1


def test_a_receiver_that_is_gone_is_paused_and_goes_on_when_it_is_resumed(stage: Stage, telling: Telling) -> None:
    with receiver(410) as hook, telling.webhook(hook.url, events=[ITEM_CHANGED]) as webhook:
        item_id = create(stage).item_id
        (gone,) = hook.wait_for(1, of=item_id)
        telling.delivery(webhook, gone.event["id"], DeliveryState.GIVEN_UP, 1)
        paused = telling.paused(webhook)
        job = stage.client.wait(stage.client.merge(item_id, {"n": 1}))
        telling.stored(webhook, 2)
        assert len(hook.received) == 1
        assert telling.webhooks.replace(paused, replace(paused, paused=False, paused_by_failures=False))
        telling.queue.sweep(Sweep(webhook.owner, webhook.webhook_id, at=rfc3339(now())))
        assert hook.wait_for(2, of=item_id)[1].event["data"]["job_id"] == job.id


def test_a_rotated_secret_signs_beside_the_new_one(stage: Stage, telling: Telling) -> None:
    with receiver() as hook, telling.webhook(hook.url, events=[ITEM_CHANGED]) as webhook:
        rotated = webhook.with_new_secret(now())
        assert telling.webhooks.replace(webhook, rotated)
        (request,) = hook.wait_for(1, of=create(stage).item_id)
    for secret in (webhook.secret, rotated.secret):
        Verifier(secret).verify(request.body, request.headers)


def test_two_receivers_are_asked_at_the_same_time(stage: Stage, telling: Telling) -> None:
    """Each answers only when the other one has been asked, too: a slow receiver holds up no other owner's."""
    with (
        receiver() as one,
        receiver() as other,
        telling.webhook(one.url, events=[ITEM_CHANGED]),
        telling.webhook(other.url, owner="othercaller", events=[ITEM_CHANGED]),
    ):
        for _ in range(5):  # the emulator may pass the two messages to the function in two batches
            both = threading.Barrier(2, timeout=5)
            met: list[int] = []

            def meet(_: Received, both: threading.Barrier = both, met: list[int] = met) -> None:
                with suppress(threading.BrokenBarrierError):
                    met.append(both.wait())

            one.before = other.before = meet
            item_id = create(stage).item_id
            one.wait_for(1, of=item_id)
            other.wait_for(1, of=item_id)
            if len(met) == 2:
                break
        assert len(met) == 2
