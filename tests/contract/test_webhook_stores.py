"""The stores of webhooks and deliveries, in memory and on AWS's API."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.errors import TooManyWebhooks
from jobpipe.domain.events.delivery import MOST_ATTEMPTS, Delivery, DeliveryAttempt, DeliveryState, Line
from jobpipe.domain.events.ports import DeliveryStore, WebhookStore
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.events.schedule import CIRCUIT_OPENS_AFTER, CIRCUIT_PAUSES, PAUSED_AFTER
from jobpipe.domain.events.webhook import JOB_ENDED, Webhook
from jobpipe.domain.events.webhook_form import new_webhook
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.dynamodb_deliveries import DynamoDbDeliveries
from jobpipe.stores.dynamodb_webhooks import DynamoDbWebhooks
from tests.faults.emulator import open_emulator
from tests.faults.lambdas import open_client
from tests.helpers.memory.webhooks import MemoryDeliveries, MemoryWebhooks

AT = now()
DELIVERED, PENDING, GIVEN_UP = DeliveryState.DELIVERED, DeliveryState.PENDING, DeliveryState.GIVEN_UP


@dataclass
class EventStores:
    webhooks: WebhookStore
    deliveries: DeliveryStore
    again: Callable[[], WebhookStore]  # opens the webhooks as another process does


@pytest.fixture(params=["memory", "aws"])
def stores(request: pytest.FixtureRequest) -> EventStores:
    if request.param == "memory":
        webhooks = MemoryWebhooks()
        return EventStores(webhooks, MemoryDeliveries(), lambda: webhooks)
    emulator = open_emulator()
    emulator.reset()
    clients = AwsClients(make=lambda service, **_: open_client(service, emulator))
    table = emulator.outputs["WebhooksTable"]
    return EventStores(
        DynamoDbWebhooks(clients, table),
        DynamoDbDeliveries(clients, table),
        lambda: DynamoDbWebhooks(clients, table),
    )


def a_webhook(owner: str = "alice") -> Webhook:
    body = {"url": "https://example.com/hook", "events": [JOB_ENDED]}
    return new_webhook(body, owner, {"items"}, UrlRules(), AT)


def a_delivery(line: Line, number: int, *, at: int = 0) -> Delivery:
    texts = {"event_type": JOB_ENDED, "subject": "jobs/1", "body": '{"a":1}'}
    return Delivery(
        line=line,
        event_id=f"{20261122205744000 + at:017}-{uuid.uuid4().hex}-ended",
        sequence=f"{number:039}-00b",
        state=PENDING,
        attempts=(),
        created_at=rfc3339(AT),
        **texts,
    )


def stored(delivery: Delivery) -> Delivery:
    """Return the delivery as it is found: its body is apart."""
    return replace(delivery, body="")


def a_line(webhook_id: str = "w", item_id: str = "i") -> Line:
    return Line.of("alice", webhook_id, ItemRef("items", "", item_id))


# --- webhooks -------------------------------------------------------------------------------------------------


def test_a_webhook_is_stored_and_belongs_to_its_owner(stores: EventStores) -> None:
    mine, other = a_webhook(), a_webhook("bob")
    assert stores.webhooks.put_new(mine, 10)
    assert stores.webhooks.put_new(other, 10)
    assert stores.webhooks.get("alice", mine.webhook_id) == mine
    assert stores.webhooks.get("bob", mine.webhook_id) is None
    assert stores.webhooks.of_owner("alice") == [mine]
    assert {each.webhook_id for each in stores.webhooks.all()} == {mine.webhook_id, other.webhook_id}


def test_an_owner_whose_name_begins_like_anothers_has_its_own(stores: EventStores) -> None:
    mine = a_webhook("alice2")
    assert stores.webhooks.put_new(mine, 10)
    assert stores.webhooks.of_owner("alice") == []


def test_the_oldest_webhook_is_the_first(stores: EventStores) -> None:
    webhooks = [replace(a_webhook(), created_at=rfc3339(AT + timedelta(seconds=n))) for n in (3, 1, 2)]
    for each in webhooks:
        assert stores.webhooks.put_new(each, 10)
    times = [each.created_at for each in stores.webhooks.of_owner("alice")]
    assert times == sorted(times)


def test_an_owner_has_a_limited_number_of_webhooks(stores: EventStores) -> None:
    first, second = a_webhook(), a_webhook()
    assert stores.webhooks.put_new(first, 2)
    assert stores.webhooks.put_new(second, 2)
    assert not stores.webhooks.put_new(a_webhook(), 2)
    assert stores.webhooks.put_new(a_webhook("bob"), 2)
    assert stores.webhooks.delete("alice", first.webhook_id)
    assert not stores.webhooks.delete("alice", first.webhook_id)
    assert stores.webhooks.put_new(a_webhook(), 2)
    assert not stores.webhooks.put_new(a_webhook(), 2), "a second deletion has not counted"


def test_a_stage_has_a_limited_number_of_webhooks(stores: EventStores) -> None:
    first, second = a_webhook(), a_webhook("bob")
    assert stores.webhooks.put_new(first, 10, 2)
    assert stores.webhooks.replace(first, replace(first, url="https://example.com/other"))
    assert stores.webhooks.put_new(second, 10, 2)
    for owner in ("alice", "carol"):
        with pytest.raises(TooManyWebhooks):
            stores.webhooks.put_new(a_webhook(owner), 10, 2)
    assert not stores.webhooks.put_new(second, 10, 2), "it is stored already"
    assert not stores.webhooks.put_new(a_webhook(), 1, 2), "the owner has as many as it may have"
    assert stores.webhooks.delete("bob", second.webhook_id)
    assert not stores.webhooks.delete("bob", second.webhook_id)
    assert stores.webhooks.put_new(a_webhook("carol"), 10, 2), "the refused ones have not counted"
    with pytest.raises(TooManyWebhooks):
        stores.webhooks.put_new(a_webhook("carol"), 10, 2)


def test_a_request_creates_one_webhook_until_that_is_deleted(stores: EventStores) -> None:
    first, second = (replace(a_webhook(), creation="c") for _ in range(2))
    assert stores.webhooks.created_by("alice", "c") is None
    assert stores.webhooks.put_new(first, 10)
    assert not stores.webhooks.put_new(second, 10)
    assert stores.webhooks.created_by("alice", "c") == first
    assert stores.webhooks.created_by("alice", "d") is None
    bobs = replace(a_webhook("bob"), creation="c")
    assert stores.webhooks.put_new(bobs, 10)
    assert stores.webhooks.created_by("bob", "c") == bobs
    changed = replace(first, paused=True)
    assert stores.webhooks.replace(first, changed)
    assert stores.webhooks.created_by("alice", "c") == changed

    assert stores.webhooks.delete("alice", first.webhook_id)
    assert stores.webhooks.created_by("alice", "c") is None
    assert stores.webhooks.put_new(second, 10)
    assert not stores.webhooks.delete("alice", first.webhook_id)
    assert stores.webhooks.created_by("alice", "c") == second
    assert stores.webhooks.of_owner("alice") == [second]


def test_a_refused_creation_leaves_its_key_free(stores: EventStores) -> None:
    full, late = a_webhook(), replace(a_webhook(), creation="c")
    assert stores.webhooks.put_new(full, 1)
    assert not stores.webhooks.put_new(late, 1)
    assert stores.webhooks.created_by("alice", "c") is None
    assert stores.webhooks.delete("alice", full.webhook_id)
    assert stores.webhooks.put_new(late, 1)


def test_a_change_is_made_once_only(stores: EventStores) -> None:
    old = a_webhook()
    assert stores.webhooks.put_new(old, 10)
    new = replace(old, url="https://example.com/other", paused=True)
    assert stores.webhooks.replace(old, new)
    assert not stores.webhooks.replace(old, replace(old, url="https://example.com/third"))
    assert stores.webhooks.get("alice", old.webhook_id) == new
    assert not stores.webhooks.replace(a_webhook(), new)


def test_every_change_is_seen_by_those_who_know_all_webhooks(stores: EventStores) -> None:
    """What another process changes counts at once: an end after the 201 must be told."""
    known, changing = stores.webhooks, stores.again()
    assert known.all() == []
    webhook = a_webhook()
    assert changing.put_new(webhook, 10)
    assert known.all() == [webhook]
    new = replace(webhook, events=("item.changed",))
    assert changing.replace(webhook, new)
    assert known.all() == [new]
    assert changing.delete("alice", webhook.webhook_id)
    assert known.all() == []


def test_a_webhook_whose_deliveries_fail_for_days_is_paused(stores: EventStores) -> None:
    webhook = a_webhook()
    assert stores.webhooks.put_new(webhook, 10)
    failing = stores.webhooks.record_outcome(webhook, AT, delivered=False)
    assert failing is not None
    assert (failing.failing_since, failing.paused) == (rfc3339(AT), False)
    soon = AT + PAUSED_AFTER - timedelta(seconds=1)
    still = stores.webhooks.record_outcome(failing, soon, delivered=False)
    assert still == replace(failing, failures=2)
    failing = still
    paused = stores.webhooks.record_outcome(failing, AT + PAUSED_AFTER + timedelta(seconds=1), delivered=False)
    assert paused is not None
    assert (paused.paused, paused.paused_by_failures) == (True, True)
    assert stores.webhooks.get("alice", webhook.webhook_id) == paused


def test_a_success_ends_the_failures(stores: EventStores) -> None:
    webhook = a_webhook()
    assert stores.webhooks.put_new(webhook, 10)
    failing = stores.webhooks.record_outcome(webhook, AT, delivered=False)
    assert failing is not None
    after = stores.webhooks.record_outcome(failing, AT, delivered=True)
    assert after is not None
    assert after.failing_since is None
    later = stores.webhooks.record_outcome(after, AT + 2 * PAUSED_AFTER, delivered=False)
    assert later is not None
    assert not later.paused


def test_an_outcome_keeps_what_was_changed_meanwhile(stores: EventStores) -> None:
    old = a_webhook()
    assert stores.webhooks.put_new(old, 10)
    new = replace(old, url="https://example.com/other")
    assert stores.webhooks.replace(old, new)
    after = stores.webhooks.record_outcome(old, AT, delivered=False)
    assert after == replace(new, failing_since=rfc3339(AT), failures=1)


def test_so_many_failures_open_the_circuit_and_a_success_closes_it(stores: EventStores) -> None:
    webhook = a_webhook()
    assert stores.webhooks.put_new(webhook, 10)
    for _ in range(CIRCUIT_OPENS_AFTER):
        stores.webhooks.record_outcome(webhook, AT, delivered=False)
    stored = stores.webhooks.get("alice", webhook.webhook_id)
    assert stored is not None
    assert (stored.failures, stored.next_try) == (CIRCUIT_OPENS_AFTER, rfc3339(AT + CIRCUIT_PAUSES[0]))
    assert stores.webhooks.record_outcome(stored, AT, delivered=True) == webhook
    assert stores.webhooks.get("alice", webhook.webhook_id) == webhook


def test_no_outcome_brings_a_deleted_webhook_back(stores: EventStores) -> None:
    webhook = a_webhook()
    assert stores.webhooks.record_outcome(webhook, AT, delivered=False) is None
    stores.webhooks.pause(webhook)
    assert stores.webhooks.get("alice", webhook.webhook_id) is None


def test_a_receiver_that_is_gone_pauses_its_webhook(stores: EventStores) -> None:
    old = a_webhook()
    assert stores.webhooks.put_new(old, 10)
    assert stores.webhooks.replace(old, replace(old, url="https://example.com/other"))
    stores.webhooks.pause(old)
    paused = stores.webhooks.get("alice", old.webhook_id)
    assert paused == replace(old, url="https://example.com/other", paused=True, paused_by_failures=True)


# --- deliveries -----------------------------------------------------------------------------------------------


def test_a_line_has_its_deliveries_in_the_order_of_their_events(stores: EventStores) -> None:
    line = a_line()
    second, first = a_delivery(line, 2), a_delivery(line, 1)
    for each in (second, first, a_delivery(a_line(item_id="other"), 0)):
        assert stores.deliveries.add(each)
    assert stores.deliveries.head(line) == stored(first)
    assert stores.deliveries.first(line) == first.event_id
    stores.deliveries.record(first, DeliveryAttempt(rfc3339(AT), 12, 204), DELIVERED, "")
    assert stores.deliveries.head(line) == stored(second)
    stores.deliveries.record(second, DeliveryAttempt(rfc3339(AT), 12, 410), GIVEN_UP, "")
    assert stores.deliveries.head(line) is None
    assert stores.deliveries.first(line) is None


def test_an_event_is_stored_once(stores: EventStores) -> None:
    """A second telling of the same end has another sequence, and the same id."""
    delivery = a_delivery(a_line(), 1)
    assert stores.deliveries.add(delivery)
    assert not stores.deliveries.add(replace(delivery, sequence="9"))
    stores.deliveries.record(delivery, DeliveryAttempt(rfc3339(AT), 12, 204), DELIVERED, "")
    assert not stores.deliveries.add(replace(delivery, sequence="9"))
    assert stores.deliveries.head(a_line()) is None


def test_the_deliveries_of_one_end_of_a_job_are_found(stores: EventStores) -> None:
    stem, line = "20261122205744123-5b8c-9f", a_line()
    kinds = ("ended", "emitted-0", "changed")
    wanted = [replace(a_delivery(line, n), event_id=f"{stem}-{kind}") for n, kind in enumerate(kinds)]
    others = [
        replace(a_delivery(line, n), event_id=event_id)
        for n, event_id in enumerate((f"{stem}a-ended", "20261122205744122-5b8c-9f-ended", f"{stem[:-1]}-ended"), 3)
    ]
    elsewhere = replace(wanted[0], line=a_line(webhook_id="elsewhere"))
    for each in (*wanted, *others, elsewhere):
        assert stores.deliveries.add(each)
    found: list[Delivery] = []
    after: str | None = None
    for _ in range(2):
        page = stores.deliveries.page("alice", "w", 2, after, stem=stem)
        found += page.deliveries
        after = page.next_after
    assert found == [stored(each) for each in wanted]
    assert after is None
    assert stores.deliveries.page("alice", "w", 50, None, stem="20261122205744123-5b8c-0").deliveries == []


def test_the_deliveries_that_are_not_stored_are_found_together(stores: EventStores) -> None:
    deliveries = [a_delivery(a_line(webhook_id=f"w{n % 7}"), n) for n in range(100)]
    assert stores.deliveries.missing(deliveries) == deliveries
    for each in deliveries[::3]:
        assert stores.deliveries.add(each)
    delivered = deliveries[0]
    stores.deliveries.record(delivered, DeliveryAttempt(rfc3339(AT), 12, 204), DELIVERED, "")
    assert stores.deliveries.missing(deliveries) == [each for n, each in enumerate(deliveries) if n % 3]
    again = [replace(each, sequence="9") for each in deliveries[:3]]
    assert stores.deliveries.missing(again) == again[1:], "the same events, told by another message"
    elsewhere = replace(delivered, line=a_line(webhook_id="other"))
    assert stores.deliveries.missing([elsewhere]) == [elsewhere]


def test_a_failed_attempt_leaves_the_delivery_at_the_head(stores: EventStores) -> None:
    line = a_line()
    delivery = a_delivery(line, 1)
    assert stores.deliveries.add(delivery)
    attempt = DeliveryAttempt(rfc3339(AT), 10_000, None, "no answer in time")
    stores.deliveries.record(delivery, attempt, PENDING, "2026-11-22T20:57:49.123Z")
    due = "2026-11-22T20:57:49.123Z"
    assert stores.deliveries.head(line) == replace(stored(delivery), attempts=(attempt,), due=due)


def test_a_replay_that_fails_hides_no_success(stores: EventStores) -> None:
    line = a_line()
    delivery = a_delivery(line, 1)
    assert stores.deliveries.add(delivery)
    success = DeliveryAttempt(rfc3339(AT), 12, 204)
    stores.deliveries.record(delivery, success, DELIVERED, "")
    failure = DeliveryAttempt(rfc3339(AT), 12, 500, replay=True)
    stores.deliveries.record(delivery, failure, PENDING, "")  # it was pending when the replay began
    found = stores.deliveries.get("alice", "w", delivery.event_id)
    assert found is not None
    assert found.state is DELIVERED
    assert stores.deliveries.head(line) is None


def test_an_attempt_and_a_replay_that_end_together_are_both_recorded(stores: EventStores) -> None:
    """Neither undoes what the other has reached, in either order."""
    due = rfc3339(AT + timedelta(seconds=5))
    for number, (in_line, replayed) in enumerate(((PENDING, DELIVERED), (GIVEN_UP, PENDING), (DELIVERED, PENDING))):
        for first in ("line", "replay"):
            line = a_line(item_id=f"{number}{first}")
            delivery = a_delivery(line, 1)
            assert stores.deliveries.add(delivery)
            attempt = DeliveryAttempt(rfc3339(AT), 12, 500)
            replay = replace(attempt, milliseconds=13, replay=True)
            records = [(attempt, in_line, due if in_line is PENDING else ""), (replay, replayed, "")]
            for each in records if first == "line" else records[::-1]:
                stores.deliveries.record(delivery, *each)
            found = stores.deliveries.get("alice", "w", delivery.event_id)
            assert found is not None
            assert {*found.attempts} == {attempt, replay}
            assert found.state is ({in_line, replayed} - {PENDING}).pop()
            assert found.due == ""
            assert stores.deliveries.head(line) is None


def test_a_failed_replay_does_not_change_when_the_head_is_due(stores: EventStores) -> None:
    line, due = a_line(), rfc3339(AT + timedelta(hours=6))
    delivery = a_delivery(line, 1)
    assert stores.deliveries.add(delivery)
    attempt = DeliveryAttempt(rfc3339(AT), 12, 500)
    stores.deliveries.record(delivery, attempt, PENDING, due)
    stores.deliveries.record(delivery, replace(attempt, replay=True), PENDING, "")  # it began before
    found = stores.deliveries.head(line)
    assert found is not None
    assert (found.due, len(found.attempts)) == (due, 2)


def test_many_replays_are_forgotten_and_no_attempt_that_the_schedule_counts(stores: EventStores) -> None:
    delivery = a_delivery(a_line(), 1)
    assert stores.deliveries.add(delivery)
    attempt = DeliveryAttempt(rfc3339(AT), 0, 500)
    current: Delivery | None = stores.deliveries.record(delivery, attempt, PENDING, "")
    for n in range(MOST_ATTEMPTS + 10):
        assert current is not None
        replay = replace(attempt, milliseconds=n, replay=True)
        current = stores.deliveries.record(current, replay, PENDING, "")
    found = stores.deliveries.get("alice", "w", delivery.event_id)
    assert found is not None
    assert found == replace(current, body="") if current else False
    assert (len(found.attempts), found.attempts_in_line) == (MOST_ATTEMPTS, 1)
    assert found.attempts[-1].milliseconds == MOST_ATTEMPTS + 9, "the oldest are forgotten"


def test_the_lines_that_wait_are_found_page_by_page(stores: EventStores) -> None:
    lines = [a_line(item_id=str(n)) for n in range(5)]
    deliveries = [a_delivery(line, n) for line in lines for n in range(3)]
    for each in (*deliveries, a_delivery(a_line("other"), 0)):
        assert stores.deliveries.add(each)
    for each in deliveries[:3]:
        stores.deliveries.record(each, DeliveryAttempt(rfc3339(AT), 12, 204), DELIVERED, "")
    found, after = [], None
    while True:
        page = stores.deliveries.lines("alice", "w", 2, after)
        found += page.lines
        after = page.next_after
        if after is None:
            break
    assert sorted(found, key=lambda line: line.document) == sorted(lines[1:], key=lambda line: line.document)


def test_an_attempt_of_an_expired_delivery_is_not_recorded(stores: EventStores) -> None:
    delivery = a_delivery(a_line(), 1)
    stores.deliveries.record(delivery, DeliveryAttempt(rfc3339(AT), 12, 204), DELIVERED, "")
    assert stores.deliveries.get("alice", "w", delivery.event_id) is None


def test_an_event_of_no_document_is_in_no_line(stores: EventStores) -> None:
    line = Line.of_no_document("alice", "w")
    delivery = a_delivery(line, 0)
    assert stores.deliveries.add(delivery)
    assert stores.deliveries.get("alice", "w", delivery.event_id) == stored(delivery)
    assert stores.deliveries.with_body(stored(delivery)) == delivery
    assert stores.deliveries.lines("alice", "w", 10, None).lines == []
    stores.deliveries.record(delivery, DeliveryAttempt(rfc3339(AT), 12, 204), DELIVERED, "")
    found = stores.deliveries.get("alice", "w", delivery.event_id)
    assert found is not None
    assert found.state is DELIVERED


def test_deliveries_are_listed_newest_first_and_read_oldest_first(stores: EventStores) -> None:
    deliveries = [a_delivery(a_line(item_id=f"i{n}"), n, at=n) for n in range(5)]
    for each in (*deliveries, a_delivery(a_line("other"), 0)):
        assert stores.deliveries.add(each)
    ids = [each.event_id for each in deliveries]
    found, after = [], None
    while True:
        page = stores.deliveries.page("alice", "w", 2, after)
        found += page.deliveries
        after = page.next_after
        if after is None:
            break
    assert [each.event_id for each in found] == ids[::-1]
    assert {each.body for each in found} == {""}
    found, after = [], None
    while True:
        page = stores.deliveries.since("alice", "w", "2026-11-22T20:57:44.002Z", 2, after)
        found += page.deliveries
        after = page.next_after
        if after is None:
            break
    assert [each.event_id for each in found] == ids[2:]
