"""The webhooks of the service in memory, for the tests of the client. Every event is delivered at once."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from tests.client.service_state import Refused

_EVENTS = ("job.ended", "item.changed")


class WebhooksOfService:
    """The webhooks of the only caller, with their deliveries, newest first."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.deliveries: dict[str, list[dict[str, Any]]] = {}
        self.replayed: list[Any] = []
        self._by_key: dict[str, str] = {}

    def create(self, body: dict[str, Any], key: str | None) -> dict[str, Any]:
        """Return a new webhook, or the one that the key has created."""
        if key not in self._by_key:
            _check(body)
            if len(self.rows) >= 10:
                raise Refused(409, "You have ten.", "too-many-webhooks")
            webhook_id = secrets.token_hex(16)
            self._by_key[str(key)] = webhook_id
            state = {"paused": False, "paused_by_failures": False, "failing_since": None}
            times = {"created_at": _now(), "updated_at": _now(), "secret": _secret()}
            self.rows[webhook_id] = {"id": webhook_id, "collections": [], **body, **state, **times}
            self.deliveries[webhook_id] = []
        return self.rows[self._by_key[str(key)]]

    def shown(self, webhook_id: str) -> dict[str, Any]:
        """Return a webhook without its secret."""
        return {name: value for name, value in self._row(webhook_id).items() if name != "secret"}

    def change(self, webhook_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Set members."""
        self._row(webhook_id)
        _check(body)
        self.rows[webhook_id] |= {**body, "updated_at": _now()}
        return self.shown(webhook_id)

    def delete(self, webhook_id: str) -> dict[str, Any]:
        """Delete a webhook."""
        self._row(webhook_id)
        del self.rows[webhook_id]
        return {"message": "Webhook deleted"}

    def rotate(self, webhook_id: str, key: str | None) -> dict[str, Any]:
        """Return a webhook with a new secret, or with the one that the key has made."""
        row = self._row(webhook_id)
        if row.get("key") != key or key is None:
            until = datetime.now(UTC).replace(year=2100).isoformat()
            self.rows[webhook_id] = {**row, "secret": _secret(), "old_secret_until": until, "key": key}
        return {name: value for name, value in self.rows[webhook_id].items() if name != "key"}

    def test(self, webhook_id: str) -> dict[str, Any]:
        """Deliver a test event."""
        self._row(webhook_id)
        event = f"20261122205744123-{secrets.token_hex(16)}-test"
        attempt = {"at": _now(), "milliseconds": 3, "status": 204, "error": None, "replay": True}
        delivery: dict[str, Any] = {"event": event, "type": "webhook.test", "subject": f"webhooks/{webhook_id}"}
        delivery |= {"state": "delivered", "created_at": _now(), "due": None, "attempts": [attempt]}
        self.deliveries[webhook_id].insert(0, delivery)
        return {"event": event}

    def replay(self, webhook_id: str, what: Any) -> dict[str, Any]:
        """Note what is replayed: an event or a time."""
        self._row(webhook_id)
        if "event" in what and what["event"] not in {each["event"] for each in self.deliveries[webhook_id]}:
            raise Refused(404)
        self.replayed.append(what)
        return dict(what)

    def _row(self, webhook_id: str) -> dict[str, Any]:
        if webhook_id not in self.rows:
            raise Refused(404)
        return self.rows[webhook_id]


def _check(body: dict[str, Any]) -> None:
    url, events = body.get("url", "https://x"), body.get("events", ["job.ended"])
    if not url.startswith("https://") or not events or not set(events) <= set(_EVENTS):
        raise Refused(400)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _secret() -> str:
    return f"whsec_{secrets.token_hex(22)}"
