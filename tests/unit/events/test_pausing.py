"""Webhooks that an operator pauses and resumes, beside the same by their owner."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.delivery_messages import Sweep
from jobpipe.domain.events.pausing import pause, resume
from jobpipe.domain.events.webhook import Webhook
from tests.helpers.memory.webhooks import MemoryDeliveryQueue, MemoryWebhooks
from tests.helpers.pipeline import Pipeline

FAILING = {"failing_since": "2026-11-22T20:57:44.123Z", "failures": 7, "next_try": "2026-11-22T21:57:44.123Z"}


@pytest.fixture
def stored(pipeline: Pipeline) -> Webhook:
    """Return a webhook whose receiver fails."""
    body = {"url": "https://receiver.example/in", "events": ["job.ended"]}
    made = pipeline.request("POST", "/webhooks", body).json["id"]
    return with_members(pipeline.webhooks, made, FAILING)


def with_members(webhooks: MemoryWebhooks, webhook_id: str, members: dict[str, object]) -> Webhook:
    changed = replace(webhooks.rows["alice", webhook_id], **members)  # type: ignore[arg-type]
    webhooks.rows["alice", webhook_id] = changed
    return changed


def test_a_paused_webhook_is_as_its_owner_would_have_paused_it(pipeline: Pipeline, stored: Webhook) -> None:
    assert pause(stored, pipeline.webhooks)
    paused = pipeline.webhooks.rows["alice", stored.webhook_id]
    pipeline.webhooks.rows["alice", stored.webhook_id] = stored
    pipeline.request("PATCH", f"/webhooks/{stored.webhook_id}", {"paused": True})
    by_owner = pipeline.webhooks.rows["alice", stored.webhook_id]
    assert replace(paused, updated_at="") == replace(by_owner, updated_at="")
    assert paused.updated_at >= stored.updated_at


def test_a_resumed_webhook_is_as_its_owner_would_have_resumed_it(pipeline: Pipeline, stored: Webhook) -> None:
    queue = MemoryDeliveryQueue()
    paused = with_members(pipeline.webhooks, stored.webhook_id, {"paused": True, "paused_by_failures": True})
    assert resume(paused, pipeline.webhooks, queue)
    resumed = pipeline.webhooks.rows["alice", stored.webhook_id]
    pipeline.webhooks.rows["alice", stored.webhook_id] = paused
    pipeline.request("PATCH", f"/webhooks/{stored.webhook_id}", {"paused": False})
    by_owner = pipeline.webhooks.rows["alice", stored.webhook_id]
    assert replace(resumed, updated_at="") == replace(by_owner, updated_at="")
    assert not resumed.paused
    assert queue.pauses == pipeline.delivery_queue.pauses
    assert [replace(each, at="") for each in queue.sweeps] == [Sweep("alice", stored.webhook_id)] * 2
    assert all(each.at for each in queue.sweeps), "it was paused, so its heads are attempted at once"


def test_what_is_as_wanted_stays_as_it_is(pipeline: Pipeline, stored: Webhook) -> None:
    queue = MemoryDeliveryQueue()
    assert not resume(stored, pipeline.webhooks, queue)
    paused = with_members(pipeline.webhooks, stored.webhook_id, {"paused": True})
    assert not pause(paused, pipeline.webhooks)
    assert pipeline.webhooks.rows["alice", stored.webhook_id] == paused
    assert not queue.sweeps


def test_a_change_by_the_owner_meanwhile_is_kept(pipeline: Pipeline, stored: Webhook) -> None:
    with_members(pipeline.webhooks, stored.webhook_id, {"url": "https://other.example/"})
    assert pause(stored, pipeline.webhooks)
    found = pipeline.webhooks.rows["alice", stored.webhook_id]
    assert (found.url, found.paused) == ("https://other.example/", True)
    with_members(pipeline.webhooks, stored.webhook_id, {"url": "https://third.example/"})
    assert resume(found, pipeline.webhooks, MemoryDeliveryQueue())
    found = pipeline.webhooks.rows["alice", stored.webhook_id]
    assert (found.url, found.paused) == ("https://third.example/", False)


def test_a_deleted_webhook_does_not_come_back(pipeline: Pipeline, stored: Webhook) -> None:
    del pipeline.webhooks.rows["alice", stored.webhook_id]
    assert not pause(stored, pipeline.webhooks)
    assert not resume(replace(stored, paused=True), pipeline.webhooks, MemoryDeliveryQueue())
    assert not pipeline.webhooks.rows


def test_without_the_queue_nothing_is_resumed(pipeline: Pipeline, stored: Webhook) -> None:
    """Else its lines would sleep, and the command could not be repeated."""

    class NoQueue(MemoryDeliveryQueue):
        def sweep(self, *_: object) -> None:
            raise Unavailable("It does not answer.")

    paused = with_members(pipeline.webhooks, stored.webhook_id, {"paused": True})
    with pytest.raises(Unavailable):
        resume(paused, pipeline.webhooks, NoQueue())
    assert pipeline.webhooks.rows["alice", stored.webhook_id].paused
