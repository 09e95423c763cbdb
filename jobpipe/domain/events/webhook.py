"""A webhook: the URL of a receiver, and the events that it is told.

Secrets and signatures are those of Standard Webhooks 1.0:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.documents.item_ref import COLLECTION_NAME
from jobpipe.domain.emitted import can_be_emitted
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.violations import Violations

JOB_ENDED = "job.ended"
ITEM_CHANGED = "item.changed"
TEST = "webhook.test"
"""The event of POST /webhooks/{id}/test, which every webhook is told."""

EVENT_TYPES = (JOB_ENDED, ITEM_CHANGED)
"""The events of the service that a webhook can ask for, besides those of operations."""

MAX_EVENT_TYPES = 50
"""Types of events that one webhook names."""

MAX_WEBHOOKS = 10
"""Webhooks of one owner."""

MAX_COLLECTIONS = 100
"""Collections that one webhook names."""

OLD_SECRET_LASTS = timedelta(days=1)
"""How long a rotated secret signs beside the new one, so that receivers can change theirs meanwhile."""

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
    paused_by_failures: bool = False  # whether it was paused by failures for days, or by a receiver that is gone
    failures: int = 0  # attempts that failed since the last one that succeeded; those that began together are one
    next_try: str | None = None  # until when its circuit is open, RFC 3339 (circuit.py)
    old_secret: str | None = None
    old_secret_until: str | None = None  # RFC 3339
    secret_request: str | None = None  # what `request_digest` makes of the key of the request that made the secret

    def wants(self, event_type: str, collection: str) -> bool:
        """Return whether it is told events of this type of documents in this collection."""
        return event_type in self.events and (not self.collections or collection in self.collections)

    def signing_secrets(self, at: datetime) -> tuple[str, ...]:
        """Return the secrets that sign at this time, the newest first."""
        old = self.old_secret
        if old is None or self.old_secret_until is None or self.old_secret_until <= rfc3339(at):
            return (self.secret,)
        return (self.secret, old)

    def rotated(self, at: datetime, request: str | None = None) -> Webhook:
        """Return the webhook with a new secret; the present one signs beside it for OLD_SECRET_LASTS.

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


def request_digest(owner: str, idempotency_key: str) -> str:
    """Return a digest of the key of a request, which is also the id of the webhook that the request creates.

    So a repeated request finds what the first one has made, and can be answered with the same secret.
    """
    return sha256(f"{owner}\n{idempotency_key}".encode()).hexdigest()[:32]


def new_webhook(body: Any, owner: str, known: Collection[str], urls: UrlRules, at: datetime) -> Webhook:
    """Return the webhook of a POST body; raise InvalidRequest with all violations.

    `known` are the names of the collections that the stage serves.
    """
    found = Violations()
    members = _members(body, {"url", "events", "collections"}, found)
    for missing in sorted({"url", "events"} - members.keys()):
        found.add(f"A webhook needs the member {missing}.")
    valid = _valid(members, known, urls, found)
    found.check()
    now = rfc3339(at)
    return Webhook(
        webhook_id=secrets.token_hex(16),
        owner=owner,
        url=valid["url"],
        events=valid["events"],
        collections=valid.get("collections", ()),
        secret=new_secret(),
        created_at=now,
        updated_at=now,
    )


def changed_webhook(webhook: Webhook, body: Any, known: Collection[str], urls: UrlRules, at: datetime) -> Webhook:
    """Return the webhook with the members of a PATCH body; raise InvalidRequest with all violations."""
    found = Violations()
    members = _members(body, {"url", "events", "collections", "paused"}, found)
    valid = _valid(members, known, urls, found)
    found.check()
    if valid.get("paused") is False:
        valid |= {"paused_by_failures": False, "failing_since": None}
    if valid.get("paused") is False or "url" in valid:
        valid |= {"failures": 0, "next_try": None}  # the circuit is closed: it may answer now
    return replace(webhook, **valid, updated_at=rfc3339(at))


def _members(body: Any, allowed: Collection[str], found: Violations) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        found.add("A webhook must be a JSON object.")
        found.check()
    for name in sorted(body.keys() - allowed):
        found.add(f"A webhook has no member {name[:80]!r} that can be set.", "#")
    return {name: value for name, value in body.items() if name in allowed}


def _valid(members: Mapping[str, Any], known: Collection[str], urls: UrlRules, found: Violations) -> dict[str, Any]:
    """Return the members in the form that Webhook has, and collect the violations of those that are invalid."""
    valid: dict[str, Any] = {}
    if "url" in members:
        valid["url"] = found.collect(urls.check, members["url"])
    if "events" in members:
        valid["events"] = _event_types(members["events"], known, found)
    if "collections" in members:
        names = _names(members["collections"], "collections", MAX_COLLECTIONS, found)
        for n, name in enumerate(names):
            if not COLLECTION_NAME.fullmatch(name) or name not in known:
                found.add(f"There is no collection {name[:80]!r}.", f"#/collections/{n}")
        valid["collections"] = names
    if "paused" in members:
        valid["paused"] = members["paused"]
        if not isinstance(members["paused"], bool):
            found.add("paused must be true or false.", "#/paused")
    return valid


def _event_types(value: Any, known: Collection[str], found: Violations) -> tuple[str, ...]:
    """Return the types of events that a webhook is told."""
    types = _names(value, "events", MAX_EVENT_TYPES, found)
    there_are = f"there are {', '.join(EVENT_TYPES)}, and <collection>.<event> of operations"
    for n, each in enumerate(types):
        if each not in EVENT_TYPES and not can_be_emitted(each, known):
            found.add(f"{each[:80]!r} is no event; {there_are}.", f"#/events/{n}")
    if value == []:
        found.add("A webhook needs at least one event.", "#/events")
    return types


def _names(value: Any, member: str, most: int, found: Violations) -> tuple[str, ...]:
    """Return an array of different texts."""
    if not isinstance(value, list) or len(value) > most or any(not isinstance(each, str) for each in value):
        found.add(f"{member} must be an array of at most {most} texts.", f"#/{member}")
        return ()
    if len({*value}) < len(value):
        found.add(f"{member} must not have a text twice.", f"#/{member}")
    return tuple(value)
