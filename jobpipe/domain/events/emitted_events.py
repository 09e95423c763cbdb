"""The events that an operation returns besides its document.

They are stored with the job, in the transaction that changes the document, and sent from there: so an event is sent
if and only if the change was committed.
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
    """Return the full type of an event, which its operation names without the collection."""
    return f"{collection}.{name}"


def can_be_emitted(event_type: str, collections: Collection[str]) -> bool:
    """Return whether an operation of one of these collections could emit an event of the type."""
    collection, _, name = event_type.partition(".")
    has_operations = collection in collections and collection != ITEMS
    return has_operations and EVENT_TYPE.fullmatch(name) is not None and event_type not in SERVICE_EVENT_TYPES


def encode_emitted(events: Sequence[Any], collection: str, operation: str) -> str | None:
    """Return the stored form of the events that the operation returned; None if there are no events.

    Raise InvalidRequest if there are too many events, if they are too large, or if one of them is not valid.
    """
    if not events:
        return None
    if len(events) > MAX_EMITTED:
        raise InvalidRequest(
            f"The operation {operation} returned {len(events)} events; it may return {MAX_EMITTED}."
        )
    text = json_text.encode([_check_event(each, collection, operation) for each in events])
    if len(text.encode()) > MAX_EMITTED_BYTES:
        raise InvalidRequest(
            f"The events of the operation {operation} must have at most {MAX_EMITTED_BYTES} bytes together."
        )
    return text


def decode_emitted(text: str | None, collection: str) -> list[EmittedEvent]:
    """Return the events of a job of this collection from their stored form."""
    return [
        EmittedEvent(emitted_event_type(collection, name), json_text.encode(data))
        for name, data in json_text.decode(text or "[]")
    ]


def _check_event(event: Any, collection: str, operation: str) -> tuple[str, Any]:
    """Return the name of an event, and a copy of its data, which the operation cannot change."""
    if not isinstance(event, Event):
        raise InvalidRequest(f"The operation {operation} returned something other than events after the document.")
    if emitted_event_type(collection, event.type) in SERVICE_EVENT_TYPES:
        raise InvalidRequest(
            f"The operation {operation} returned the event {event.type!r}, whose type"
            f" {emitted_event_type(collection, event.type)} is reserved for the service."
        )
    try:
        data = json_text.decode(json_text.encode(dict(event.data)))
        found = Violations()
        check_tree(data, found)
        found.check()
    except (TypeError, ValueError, RecursionError, InvalidRequest) as error:
        why = error.detail if isinstance(error, InvalidRequest) else str(error)
        raise InvalidRequest(
            f"The data of the event {event.type!r} of the operation {operation} cannot be sent: {why[:300]}"
        ) from None
    return event.type, data
