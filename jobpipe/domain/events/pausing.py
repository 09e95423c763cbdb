"""Pause or resume a webhook for an operator; its owner does so with PATCH /webhooks/{id}."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.events.delivery_messages import Sweep
from jobpipe.domain.events.ports import DeliveryQueue, WebhookStore
from jobpipe.domain.events.webhook import Webhook

_LONGEST_CHANGE = timedelta(seconds=30)


def pause(webhook: Webhook, webhooks: WebhookStore) -> bool:
    """Pause the webhook; return False if it is paused already, or deleted. A request that has begun continues."""
    return _apply(webhook, webhooks, lambda old: replace(old, paused=True, updated_at=rfc3339(now())), to=True)


def resume(webhook: Webhook, webhooks: WebhookStore, queue: DeliveryQueue) -> bool:
    """Resume the webhook and its waiting deliveries; return False if it is not paused, or deleted."""
    if not webhook.paused:
        return False
    sweep = Sweep(webhook.owner, webhook.webhook_id, at=rfc3339(now()))
    # This message arrives after the change is stored, even if this process ends before it can send the other one.
    queue.sweep(sweep, _LONGEST_CHANGE)
    if not _apply(webhook, webhooks, _clear_pause, to=False):
        return False
    queue.sweep(sweep)
    return True


def _clear_pause(old: Webhook) -> Webhook:
    return replace(
        old,
        paused=False,
        paused_by_failures=False,
        failing_since=None,
        failures=0,
        next_try=None,  # this closes the circuit: the receiver may work again
        updated_at=rfc3339(now()),
    )


def _apply(webhook: Webhook, webhooks: WebhookStore, change: Callable[[Webhook], Webhook], *, to: bool) -> bool:
    """Apply the change and return True, or return False if the webhook is already paused (or resumed) or deleted.

    If somebody else changes the webhook at the same time, apply the change to what they stored.
    """
    current: Webhook | None = webhook
    while current is not None and current.paused is not to:
        if webhooks.replace(current, change(current)):
            return True
        current = webhooks.get(webhook.owner, webhook.webhook_id)
    return False
