"""The events that an operation returns beside its document.

They are stored with the job, in the transaction that changes the document, and told from there: so each is told
exactly if the change was committed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from jobpipe.domain import json_text
from jobpipe.domain.documents.item_ref import ITEMS
from jobpipe.domain.documents.item_rules import check_tree
from jobpipe.domain.errors import InvalidRequest
from jobpipe.domain.violations import Violations
from jobpipe.operation import EVENT_TYPE, Event

MAX_EMITTED = 10
"""The most events of one job."""

MAX_EMITTED_BYTES = 32 * 1024
"""The most bytes of JSON that all events of one job have together."""

SERVICE_EVENT_TYPES = frozenset({"job.ended", "item.changed", "webhook.test"})
"""The types of the service's own events, which no operation can emit."""


@dataclass(frozen=True, slots=True)
class EmittedEvent:
    """One event of an operation."""

    event_type: str  # such as orders.shipped
    data: str  # JSON text of an object


def emitted_event_type(collection: str, name: str) -> str:
    """Return the type of an event, which operations name without their collection."""
    return f"{collection}.{name}"


def can_be_emitted(event_type: str, collections: Collection[str]) -> bool:
    """Return whether an operation of one of these collections could emit an event of the type."""
    collection, _, name = event_type.partition(".")
    has_operations = collection in collections and collection != ITEMS
    return has_operations and EVENT_TYPE.fullmatch(name) is not None and event_type not in SERVICE_EVENT_TYPES


def encode_emitted(events: Sequence[Any], collection: str, operation: str) -> str | None:
    """Return what is stored of the events that the operation has returned; None if there are none.

    Raise InvalidRequest if there are too many, if they are too large, or if one of them is no valid event.
    """
    if not events:
        return None
    if len(events) > MAX_EMITTED:
        raise InvalidRequest(
            f"The operation {operation} returned {len(events)} events; it may return {MAX_EMITTED}."
        )
    text = json_text.encode([_checked(each, collection, operation) for each in events])
    if len(text.encode()) > MAX_EMITTED_BYTES:
        raise InvalidRequest(
            f"The events of the operation {operation} must have at most {MAX_EMITTED_BYTES} bytes together."
        )
    return text


def decode_emitted(text: str | None, collection: str) -> list[EmittedEvent]:
    """Return the events of a job of this collection that are stored as this text."""
    return [
        EmittedEvent(emitted_event_type(collection, name), json_text.encode(data))
        for name, data in json_text.decode(text or "[]")
    ]


def _checked(event: Any, collection: str, operation: str) -> tuple[str, Any]:
    """Return the name and the data of an event, without what the operation could still change."""
    if not isinstance(event, Event):
        raise InvalidRequest(f"The operation {operation} returned something else than events after the document.")
    if emitted_event_type(collection, event.type) in SERVICE_EVENT_TYPES:
        raise InvalidRequest(
            f"The operation {operation} returned the event {event.type!r}, whose type"
            f" {emitted_event_type(collection, event.type)} is that of an event of the service."
        )
    try:
        data = json_text.decode(json_text.encode(dict(event.data)))
        found = Violations()
        check_tree(data, found)
        found.check()
    except (TypeError, ValueError, RecursionError, InvalidRequest) as error:
        why = error.detail if isinstance(error, InvalidRequest) else str(error)
        raise InvalidRequest(
            f"The data of the event {event.type!r} of the operation {operation} cannot be told: {why[:300]}"
        ) from None
    return event.type, data
