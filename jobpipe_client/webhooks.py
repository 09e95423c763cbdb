"""The webhooks of the caller, which notify receivers when jobs end and documents change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobpipe_client import calls, pages
from jobpipe_client.exceptions import InvalidResponse
from jobpipe_client.http.responses import parse_json
from jobpipe_client.webhook_models import Webhook, WebhookDelivery

if TYPE_CHECKING:
    from jobpipe_client.http.transport import Transport


class Webhooks:
    """The webhooks of the API key's owner (`Client.webhooks`). Without Events=on, methods raise EventsDisabled."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        url: str,
        *,
        events: Sequence[str],
        collections: Sequence[str] = (),
        idempotency_key: str | None = None,
    ) -> Webhook:
        """Create a webhook and return it with its `secret`, which no other method returns.

        Raise TooManyWebhooks if you already have ten, or the stage has 1,000.

        `events` are "job.ended", "item.changed", and the events of operations, such as "orders.shipped". Without
        `collections`, the webhook gets the events of all collections.

        >>> made = client.webhooks.create("https://receiver.example/in", events=["job.ended"])
        >>> made.secret.startswith("whsec_"), made.paused
        (True, False)
        """
        members: dict[str, Any] = {"url": url, "events": _check_strings("events", events)}
        if collections:
            members["collections"] = _check_strings("collections", collections)
        return self._send(calls.create_webhook(members, idempotency_key))

    def list(self) -> list[Webhook]:
        """Return all of your webhooks, oldest first.

        >>> [each.url for each in client.webhooks.list()]
        ['https://receiver.example/jobpipe']
        """
        webhooks = parse_json(self._transport.get("/webhooks"))
        if not isinstance(webhooks, list):
            raise InvalidResponse("the list of webhooks is not an array")
        return [Webhook.of(each) for each in webhooks]

    def get(self, webhook_id: str) -> Webhook:
        """Return a webhook. Raise NotFound if you have none with this id.

        >>> client.webhooks.get(webhook.id).events
        ('job.ended',)
        """
        return Webhook.of(parse_json(self._transport.get(calls.webhook_path(webhook_id))))

    def change(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        collections: Sequence[str] | None = None,
        paused: bool | None = None,
    ) -> Webhook:
        """Set the given members, and return the webhook. `paused=False` also delivers the events that have waited.

        An empty list of `collections` stands for all collections.

        >>> client.webhooks.change(webhook.id, paused=True).paused
        True
        """
        texts = {
            name: _check_strings(name, value)
            for name, value in (("events", events), ("collections", collections))
            if value is not None
        }
        others = {name: value for name, value in (("url", url), ("paused", paused)) if value is not None}
        return self._send(calls.change_webhook(webhook_id, {**others, **texts}))

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook. Raise NotFound if you have none with this id.

        >>> client.webhooks.delete(webhook.id)
        """
        self._transport.send(calls.delete_webhook(webhook_id))

    def rotate(self, webhook_id: str, *, idempotency_key: str | None = None) -> Webhook:
        """Give the webhook a new secret, and return it. The old secret still signs until `old_secret_until`.

        >>> rotated = client.webhooks.rotate(webhook.id)
        >>> rotated.secret != webhook.secret, rotated.old_secret_until > rotated.updated_at
        (True, True)
        """
        return self._send(calls.rotate_secret(webhook_id, idempotency_key))

    def test(self, webhook_id: str) -> str:
        """Send a test event, even to a paused webhook, and return the id of the event.

        >>> event = client.webhooks.test(webhook.id)
        >>> [each.event for each in client.webhooks.deliveries(webhook.id)] == [event]
        True
        """
        return _parse_event_id(parse_json(self._transport.send(calls.test_webhook(webhook_id))))

    def deliveries(
        self, webhook_id: str, page_size: int | None = None, *, job: str | None = None
    ) -> Iterator[WebhookDelivery]:
        """Yield the events of the last 30 days with their delivery attempts, newest first, page by page.

        With the id of your job as `job`, yield only the events of the latest end of that job: none if the job has
        not ended or the webhook was not notified. Raise NotFound if you have no such job.

        >>> _ = client.webhooks.test(webhook.id)
        >>> for each in client.webhooks.deliveries(webhook.id):
        ...     print(each.type, each.state, [attempt.status for attempt in each.attempts])
        webhook.test delivered [204]
        """
        query = {name: value for name, value in (("job", job), ("limit", page_size)) if value is not None}
        path = f"{calls.webhook_path(webhook_id)}/deliveries"
        return (WebhookDelivery.of(entry) for entry in pages.fetch_entries(self._transport, path, query or None))

    def replay(self, webhook_id: str, event: str | None = None, *, since: datetime | str | None = None) -> None:
        """Deliver one event again, or all events since a time, even to a paused webhook.

        `since` is an aware datetime or an RFC 3339 string. A replayed event keeps its id.

        >>> event = client.webhooks.test(webhook.id)
        >>> client.webhooks.replay(webhook.id, event)
        >>> client.webhooks.replay(webhook.id, since="2026-11-22T00:00:00Z")
        """
        if (event is None) == (since is None):
            raise ValueError("replay needs either an event or since")
        if event is not None:
            self._transport.send(calls.replay_event(webhook_id, event))
        else:
            self._transport.send(calls.replay_since(webhook_id, since))

    def _send(self, call: calls.Call) -> Webhook:
        return Webhook.of(parse_json(self._transport.send(call)))


def _check_strings(name: str, value: Sequence[str]) -> Sequence[str]:
    if isinstance(value, str):  # it would be sent letter by letter
        raise ValueError(f"{name} must be a list of strings, not a string")  # noqa: TRY004  # as for all arguments
    return [*value]


def _parse_event_id(document: Any) -> str:
    if not isinstance(document, Mapping) or not isinstance(document.get("event"), str):
        raise InvalidResponse("the response has no event")
    return str(document["event"])
