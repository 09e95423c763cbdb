"""A webhook: the URL of a receiver, and the events that it receives.

Secrets and signatures follow Standard Webhooks 1.0:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from jobpipe.domain.clock import rfc3339

JOB_ENDED = "job.ended"
ITEM_CHANGED = "item.changed"
TEST = "webhook.test"
"""The event of POST /webhooks/{id}/test, which every webhook receives."""

EVENT_TYPES = (JOB_ENDED, ITEM_CHANGED)
"""The events of the service that a webhook can ask for, besides the events of operations."""

MAX_WEBHOOKS = 10
"""The most webhooks of one owner."""

MAX_STAGE_WEBHOOKS = 1000
"""The most webhooks of all owners: each may receive events of a document that everybody may read."""

OLD_SECRET_LASTS = timedelta(days=1)
"""How long a rotated secret signs beside the new one, so that receivers have time to change theirs."""

WEBHOOK_ID = re.compile("[0-9a-f]{32}")
_SECRET_PREFIX = "whsec_"  # noqa: S105  # the prefix that Standard Webhooks gives to secrets
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver of an owner's events."""

    webhook_id: str
    owner: str
    url: str
    events: tuple[str, ...]
    collections: tuple[str, ...]  # empty for all
    secret: str
    created_at: str  # RFC 3339
    updated_at: str  # RFC 3339
    paused: bool = False
    failing_since: str | None = None  # when its deliveries began to fail, RFC 3339; None if the last one succeeded
    paused_by_failures: bool = False  # whether failures for days, or a receiver that is gone, paused it
    failures: int = 0  # failed attempts since the last success; attempts that began together count once
    next_try: str | None = None  # until when its circuit is open, RFC 3339 (circuit.py)
    old_secret: str | None = None
    old_secret_until: str | None = None  # RFC 3339
    creation: str | None = None  # `request_digest` of the request that created it; None without a key
    secret_request: str | None = None  # `request_digest` of the request that made the secret

    def wants(self, event_type: str, collection: str) -> bool:
        """Return whether the webhook receives events of this type from this collection."""
        return event_type in self.events and (not self.collections or collection in self.collections)

    def signing_secrets(self, at: datetime) -> tuple[str, ...]:
        """Return the secrets that sign at this time, the newest first."""
        old = self.old_secret
        if old is None or self.old_secret_until is None or self.old_secret_until <= rfc3339(at):
            return (self.secret,)
        return (self.secret, old)

    def with_new_secret(self, at: datetime, request: str | None = None) -> Webhook:
        """Return the webhook with a new secret; the current one also signs for OLD_SECRET_LASTS.

        `request` is the digest of the request's key, if it has one.
        """
        return replace(
            self,
            secret=new_secret(),
            old_secret=self.secret,
            old_secret_until=rfc3339(at + OLD_SECRET_LASTS),
            secret_request=request,
            updated_at=rfc3339(at),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the webhook as a resource, without its secrets."""
        members: dict[str, Any] = {
            "id": self.webhook_id,
            "url": self.url,
            "events": list(self.events),
            "collections": list(self.collections),
            "paused": self.paused,
            "paused_by_failures": self.paused_by_failures,
            "failing_since": self.failing_since,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }
        if self.old_secret_until is not None:
            members["old_secret_until"] = self.old_secret_until
        return members


def new_secret() -> str:
    """Return a random secret in the form of Standard Webhooks."""
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def secret_bytes(secret: str) -> bytes:
    """Return the key that a secret stands for."""
    return base64.b64decode(secret.removeprefix(_SECRET_PREFIX))


def request_digest(owner: str, what: str, idempotency_key: str) -> str:
    """Return a digest of the key of a request, by which a repeated request finds what the first one created.

    `what` is the kind of request, since the same key of another kind of request is another key.
    """
    return sha256(f"{owner}\n{what}\n{idempotency_key}".encode()).hexdigest()[:32]
