"""The stores of webhooks, in memory and on AWS's API."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.errors import TooManyWebhooks
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.events.schedule import CIRCUIT_OPENS_AFTER, CIRCUIT_PAUSES, PAUSED_AFTER
from jobpipe.domain.events.webhook import JOB_ENDED, Webhook
from jobpipe.domain.events.webhook_form import new_webhook
from tests.contract.event_stores import AT, KINDS, EventStores, opened


@pytest.fixture(params=KINDS)
def stores(request: pytest.FixtureRequest) -> EventStores:
    return opened(request.param)


def a_webhook(owner: str = "alice") -> Webhook:
    body = {"url": "https://example.com/hook", "events": [JOB_ENDED]}
    return new_webhook(body, owner, {"items"}, UrlRules(), AT)


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
