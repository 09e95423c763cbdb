"""The bodies of requests that create or change a webhook."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.documents.item_ref import COLLECTION_NAME
from jobpipe.domain.events.emitted_events import can_be_emitted
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.events.webhook import EVENT_TYPES, Webhook, new_secret
from jobpipe.domain.violations import Violations

MAX_COLLECTIONS = 100
"""The most collections of one webhook."""

MAX_EVENT_TYPES = 50
"""The most types of events of one webhook."""


def new_webhook(body: Any, owner: str, collections: Collection[str], urls: UrlRules, at: datetime) -> Webhook:
    """Return the webhook of a POST body; raise InvalidRequest with all violations.

    `collections` are the names of the collections that the stage serves.
    """
    found = Violations()
    members = _members(body, {"url", "events", "collections"}, found)
    for missing in sorted({"url", "events"} - members.keys()):
        found.add(f"A webhook needs the member {missing}.")
    valid = _check_members(members, collections, urls, found)
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


def changed_webhook(
    webhook: Webhook, body: Any, collections: Collection[str], urls: UrlRules, at: datetime
) -> Webhook:
    """Return the webhook with the members of a PATCH body; raise InvalidRequest with all violations."""
    found = Violations()
    members = _members(body, {"url", "events", "collections", "paused"}, found)
    valid = _check_members(members, collections, urls, found)
    found.check()
    if valid.get("paused") is False:
        valid |= {"paused_by_failures": False, "failing_since": None}
    if valid.get("paused") is False or "url" in valid:
        valid |= {"failures": 0, "next_try": None}  # this closes the circuit: the receiver may work again
    return replace(webhook, **valid, updated_at=rfc3339(at))


def _members(body: Any, allowed: Collection[str], found: Violations) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        found.add("A webhook must be a JSON object.")
        found.check()
    for name in sorted(body.keys() - allowed):
        found.add(f"A webhook has no member {name[:80]!r} that can be set.", "#")
    return {name: value for name, value in body.items() if name in allowed}


def _check_members(
    members: Mapping[str, Any], collections: Collection[str], urls: UrlRules, found: Violations
) -> dict[str, Any]:
    """Return the members in the form that Webhook has, and collect their violations."""
    valid: dict[str, Any] = {}
    if "url" in members:
        valid["url"] = found.collect(urls.check, members["url"])
    if "events" in members:
        valid["events"] = _check_event_types(members["events"], collections, found)
    if "collections" in members:
        names = _check_texts(members["collections"], "collections", MAX_COLLECTIONS, found)
        for n, name in enumerate(names):
            if not COLLECTION_NAME.fullmatch(name) or name not in collections:
                found.add(f"There is no collection {name[:80]!r}.", f"#/collections/{n}")
        valid["collections"] = names
    if "paused" in members:
        valid["paused"] = members["paused"]
        if not isinstance(members["paused"], bool):
            found.add("paused must be true or false.", "#/paused")
    return valid


def _check_event_types(value: Any, collections: Collection[str], found: Violations) -> tuple[str, ...]:
    """Return the types of events that a webhook asks for."""
    types = _check_texts(value, "events", MAX_EVENT_TYPES, found)
    there_are = f"there are {', '.join(EVENT_TYPES)}, and <collection>.<event> of operations"
    for n, each in enumerate(types):
        if each not in EVENT_TYPES and not can_be_emitted(each, collections):
            found.add(f"{each[:80]!r} is not an event; {there_are}.", f"#/events/{n}")
    if value == []:
        found.add("A webhook needs at least one event.", "#/events")
    return types


def _check_texts(value: Any, member: str, most: int, found: Violations) -> tuple[str, ...]:
    """Return an array of different texts as a tuple."""
    if not isinstance(value, list) or len(value) > most or any(not isinstance(each, str) for each in value):
        found.add(f"{member} must be an array of at most {most} texts.", f"#/{member}")
        return ()
    if len({*value}) < len(value):
        found.add(f"{member} must not have a text twice.", f"#/{member}")
    return tuple(value)
