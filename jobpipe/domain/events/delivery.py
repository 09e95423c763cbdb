"""A delivery: one event on its way to one webhook."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any

from jobpipe.domain.documents.item_ref import ItemRef


class DeliveryState(StrEnum):
    """What has become of a delivery."""

    PENDING = "pending"  # it waits for its turn or for its next attempt
    DELIVERED = "delivered"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One request to the receiver."""

    at: str  # RFC 3339
    milliseconds: int
    status: int | None  # of the receiver's answer; None if there was none
    error: str = ""  # why there was none
    replay: bool = False  # whether it was asked for, outside of the line

    def to_json(self) -> dict[str, Any]:
        """Return the attempt as a member of a resource."""
        return {
            "at": self.at,
            "milliseconds": self.milliseconds,
            "status": self.status,
            "error": self.error or None,
            "replay": self.replay,
        }


@dataclass(frozen=True, slots=True)
class Line:
    """The events of one document for one webhook, which are delivered in order."""

    owner: str
    webhook_id: str
    document: str  # a digest of the document's reference; empty for an event that is in no line

    @classmethod
    def of(cls, owner: str, webhook_id: str, item: ItemRef) -> Line:
        """Return the line of a document."""
        text = json.dumps([item.collection, item.scope, item.item_id])
        return cls(owner, webhook_id, sha256(text.encode(errors="surrogatepass")).hexdigest()[:32])

    @classmethod
    def of_no_document(cls, owner: str, webhook_id: str) -> Line:
        """Return what a test event has for a line: it is stored apart, and DeliveryQueue.again attempts it once."""
        return cls(owner, webhook_id, "")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one webhook, as it is stored."""

    line: Line
    event_id: str
    event_type: str
    subject: str
    sequence: str
    body: str  # the CloudEvent
    state: DeliveryState
    attempts: tuple[DeliveryAttempt, ...]
    created_at: str  # RFC 3339
    due: str = ""  # when a failed one is tried again, RFC 3339

    @property
    def attempts_in_line(self) -> int:
        """Return the number of attempts that the schedule counts: replays are apart."""
        return sum(not each.replay for each in self.attempts)

    def to_json(self) -> dict[str, Any]:
        """Return the delivery as a resource, without the event itself."""
        return {
            "event": self.event_id,
            "type": self.event_type,
            "subject": self.subject,
            "state": self.state.value,
            "created_at": self.created_at,
            "due": self.due or None,
            "attempts": [each.to_json() for each in self.attempts],
        }
