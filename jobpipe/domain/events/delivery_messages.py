"""The messages on the two queues of deliveries, as JSON.

deliveries.fifo    WakeLine    deliver the head of a line, and what follows it
                   SendAgain   deliver one event once more, outside of its line
deliveries-later   WakeLine    pass the message on to deliveries.fifo when it is due
                   Sweep       go through the deliveries of a webhook, and wake or replay them
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from jobpipe.domain import json_text
from jobpipe.domain.errors import InvalidRequest, UndecodableMessage
from jobpipe.domain.events.delivery import Line
from jobpipe.domain.events.schedule import AT_ONCE


@dataclass(frozen=True, slots=True)
class WakeLine:
    """Deliver the head of the line, if it is due now or at the time that the message names."""

    line: Line
    due: str = ""  # RFC 3339; the clocks of two Lambdas may differ, so the time for which it waited counts

    @property
    def group_id(self) -> str:
        """Return the message group: one line has one group, and a receiver has AT_ONCE of them."""
        return f"{self.line.webhook_id}-{_slot(self.line.document)}"

    def encode(self) -> str:
        """Return the body of the message."""
        line = [self.line.owner, self.line.webhook_id, self.line.document]
        return json_text.encode({"v": _FORM, "wake": line, "due": self.due})


@dataclass(frozen=True, slots=True)
class SendAgain:
    """Deliver this event once more."""

    owner: str
    webhook_id: str
    event_id: str

    @property
    def group_id(self) -> str:
        """Return the message group, which is one of those of the receiver's lines."""
        return f"{self.webhook_id}-{_slot(self.event_id)}"

    def encode(self) -> str:
        """Return the body of the message."""
        return json_text.encode({"v": _FORM, "again": [self.owner, self.webhook_id, self.event_id]})


@dataclass(frozen=True, slots=True)
class Sweep:
    """Go through the deliveries of a webhook since a time, oldest first, from the cursor `after` on."""

    owner: str
    webhook_id: str
    since: str  # RFC 3339
    replay: bool  # whether all events are delivered once more; otherwise the lines of pending ones are woken
    after: str | None = None

    def encode(self) -> str:
        """Return the body of the message."""
        place = [self.owner, self.webhook_id, self.since]
        return json_text.encode({"v": _FORM, "sweep": place, "replay": self.replay, "after": self.after})


DeliveryMessage = WakeLine | SendAgain | Sweep
_FORM = 1


def decode_delivery_message(body: str) -> DeliveryMessage:
    """Return the message; raise UndecodableMessage if it is none of these forms."""
    try:
        value = json_text.decode(body)
    except InvalidRequest as refusal:
        raise UndecodableMessage(refusal.detail) from None
    match value:
        case {"v": 1, "wake": [str(owner), str(webhook_id), str(document)], "due": str(due)}:
            return WakeLine(Line(owner, webhook_id, document), due)
        case {"v": 1, "again": [str(owner), str(webhook_id), str(event_id)]}:
            return SendAgain(owner, webhook_id, event_id)
        case {
            "v": 1,
            "sweep": [str(owner), str(webhook_id), str(since)],
            "replay": bool(replay),
            "after": (str() | None) as after,
        }:
            return Sweep(owner, webhook_id, since, replay, after)
        case _:
            raise UndecodableMessage("it is no message about deliveries")


def _slot(text: str) -> int:
    return int(sha256(text.encode(errors="surrogatepass")).hexdigest(), 16) % AT_ONCE
