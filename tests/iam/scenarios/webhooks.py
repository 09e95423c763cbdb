"""Requests to the API about webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infra.keys.api_keys import FIRST_OWNER
from jobpipe.domain.clock import now
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.events.webhook import JOB_ENDED, MAX_WEBHOOKS, Webhook
from jobpipe.domain.events.webhook_form import new_webhook
from tests.iam.lab import Lab

_BODY = {"url": "https://receiver.example/", "events": [JOB_ENDED]}


def create_a_webhook(lab: Lab) -> str:
    answer = lab.request("POST", "/webhooks", _BODY)
    stored = lab.webhooks.of_owner(FIRST_OWNER)
    for each in stored:
        lab.webhooks.delete(FIRST_OWNER, each.webhook_id)
    return f"{answer.status_code}, {len(stored)} stored"


def get_a_webhook(lab: Lab) -> str:
    with _webhook(lab) as webhook:
        return f"{lab.request('GET', f'/webhooks/{webhook.webhook_id}').status_code}"


def list_webhooks(lab: Lab) -> str:
    with _webhook(lab):
        return f"{lab.request('GET', '/webhooks').status_code}"


def delete_a_webhook(lab: Lab) -> str:
    with _webhook(lab) as webhook:
        answer = lab.request("DELETE", f"/webhooks/{webhook.webhook_id}")
        return f"{answer.status_code}, {len(lab.webhooks.of_owner(FIRST_OWNER))} stored"


def test_a_webhook(lab: Lab) -> str:
    with _webhook(lab) as webhook:
        answer = lab.request("POST", f"/webhooks/{webhook.webhook_id}/test")
        return f"{answer.status_code}, {lab.waiting('deliveries')} on the queue"


def resume_a_webhook(lab: Lab) -> str:
    with _webhook(lab) as webhook:
        answer = lab.request("PATCH", f"/webhooks/{webhook.webhook_id}", {"paused": False})
        return f"{answer.status_code}, {lab.waiting('deliveries_later')} on the queue"


@contextmanager
def _webhook(lab: Lab) -> Iterator[Webhook]:
    webhook = new_webhook(_BODY, FIRST_OWNER, {"items"}, UrlRules(), now())
    assert lab.webhooks.put_new(webhook, MAX_WEBHOOKS)
    try:
        yield webhook
    finally:
        lab.webhooks.delete(FIRST_OWNER, webhook.webhook_id)
