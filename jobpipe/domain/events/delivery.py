"""A delivery: one event on its way to one webhook."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any

from jobpipe.domain.documents.item_ref import ItemRef

MOST_ATTEMPTS = 50
"""The most attempts that are kept of one delivery; there can be any number of replays."""


class DeliveryState(StrEnum):
    """The state of a delivery."""

    PENDING = "pending"  # it waits for its turn or for its next attempt
    DELIVERED = "delivered"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One request to the receiver."""

    at: str  # RFC 3339
    milliseconds: int
    status: int | None  # of the receiver's response; None if there was no response
    error: str = ""  # why there was no response
    replay: bool = False  # whether it was a replay, outside the line

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
        """Return the line of a test event, which has no document and so no order with other events."""
        return cls(owner, webhook_id, "")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one webhook, as it is stored."""

    line: Line
    event_id: str
    event_type: str
    subject: str
    sequence: str
    state: DeliveryState
    attempts: tuple[DeliveryAttempt, ...]
    created_at: str  # RFC 3339
    due: str = ""  # when a failed delivery is tried again, RFC 3339
    body: str = ""  # the CloudEvent; it is stored apart, and read only before a request

    @property
    def attempts_in_line(self) -> int:
        """Return the number of attempts that the schedule counts, which excludes replays."""
        return sum(not each.replay for each in self.attempts)

    def with_attempt(self, attempt: DeliveryAttempt, state: DeliveryState, due: str) -> Delivery:
        """Return the delivery after one more attempt; `state` and `due` follow from the attempt.

        An attempt in the line and a replay may end at the same time; a failure does not undo the state that the
        other one reached. Of many replays the oldest are dropped, but never an attempt that the schedule counts.
        """
        has_ended = self.state is not DeliveryState.PENDING
        if has_ended and state is not DeliveryState.DELIVERED:
            state = self.state
        if attempt.replay:
            due = self.due
        attempts = (*self.attempts, attempt)
        replays = [each for each in attempts if each.replay]
        dropped = replays[: max(0, len(attempts) - MOST_ATTEMPTS)]
        return replace(
            self,
            attempts=tuple(each for each in attempts if each not in dropped),
            state=state,
            due=due if state is DeliveryState.PENDING else "",
        )

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
