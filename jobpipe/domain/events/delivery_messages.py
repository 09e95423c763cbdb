"""The messages on the two queues of deliveries, as JSON.

deliveries.fifo    WakeLine    deliver the head of a line, and what follows it
                   SendAgain   deliver one event once more, outside of its line
deliveries-later   WakeLine    pass the message on to deliveries.fifo when it is due
                   SendAgain   the same
                   Sweep       wake all lines of a webhook, or replay its events, page after page
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from jobpipe.domain import json_text
from jobpipe.domain.errors import InvalidRequest, NewerMessage, UndecodableMessage
from jobpipe.domain.events.delivery import Line
from jobpipe.domain.events.schedule import MOST_AT_ONCE, MOST_AT_ONCE_OF_OWNER


@dataclass(frozen=True, slots=True)
class WakeLine:
    """Deliver the head of the line, if it is due now or at the time that the message names."""

    line: Line
    due: str = ""  # RFC 3339; the time for which the message waited, since the clocks of Lambdas may differ
    resumed: str = ""  # when the webhook was resumed: a head that was last attempted before then is due

    @property
    def group_id(self) -> str:
        """Return the message group: one line has one group."""
        return _group(self.line.owner, self.line.webhook_id, self.line.document)

    @property
    def deduplication_id(self) -> str:
        """Return an empty text: the same line may be woken again at any time."""
        return ""

    def encode(self) -> str:
        """Return the body of the message."""
        line = [self.line.owner, self.line.webhook_id, self.line.document]
        return json_text.encode({"v": _FORM, "wake": line, "due": self.due, "resumed": self.resumed})


@dataclass(frozen=True, slots=True)
class SendAgain:
    """Deliver this event once more."""

    owner: str
    webhook_id: str
    event_id: str
    sweep: str = ""  # the id of the sweep that replays the event; empty if a caller named it
    due: str = ""  # RFC 3339; until when the message waited for the webhook's circuit

    @property
    def group_id(self) -> str:
        """Return the message group: one of the groups of the receiver's lines."""
        return _group(self.owner, self.webhook_id, self.event_id)

    @property
    def deduplication_id(self) -> str:
        """Return the id that the message has again if its sweep repeats a page; empty if it has no sweep."""
        return sha256(self.encode().encode(errors="surrogatepass")).hexdigest() if self.sweep else ""

    def encode(self) -> str:
        """Return the body of the message."""
        again = [self.owner, self.webhook_id, self.event_id]
        return json_text.encode({"v": _FORM, "again": again, "sweep": self.sweep, "due": self.due})


@dataclass(frozen=True, slots=True)
class Sweep:
    """Wake the lines of a webhook, or replay its events since a time; continue after the cursor.

    `at` is the time of the last event of a replay. Otherwise it is the time at which the webhook was resumed, or
    empty if it was not paused.
    """

    owner: str
    webhook_id: str
    since: str = ""  # RFC 3339, of the first event of a replay
    replay: bool = False  # whether all events are delivered once more; otherwise all lines are woken
    at: str = ""  # RFC 3339
    after: str | None = None

    @property
    def sweep_id(self) -> str:
        """Return the id that all pages of this sweep share."""
        return sha256(f"{self.webhook_id}\n{self.since}\n{self.at}".encode()).hexdigest()[:32]

    def encode(self) -> str:
        """Return the body of the message."""
        place = [self.owner, self.webhook_id, self.since, self.at]
        return json_text.encode({"v": _FORM, "sweep": place, "replay": self.replay, "after": self.after})


DeliveryMessage = WakeLine | SendAgain | Sweep
_FORM = 1


def decode_delivery_message(body: str) -> DeliveryMessage:
    """Return the message; raise NewerMessage if a later release sent it, or UndecodableMessage if it is invalid."""
    try:
        value = json_text.decode(body)
    except InvalidRequest as refusal:
        raise UndecodableMessage(refusal.detail) from None
    match value:
        case {
            "v": 1,
            "wake": [str(owner), str(webhook_id), str(document)],
            "due": str(due),
            "resumed": str(resumed),
        }:
            return WakeLine(Line(owner, webhook_id, document), due, resumed)
        case {
            "v": 1,
            "again": [str(owner), str(webhook_id), str(event_id)],
            "sweep": str(sweep),
            "due": str(due),
        }:
            return SendAgain(owner, webhook_id, event_id, sweep, due)
        case {
            "v": 1,
            "sweep": [str(owner), str(webhook_id), str(since), str(at)],
            "replay": bool(replay),
            "after": (str() | None) as after,
        }:
            return Sweep(owner, webhook_id, since, replay, at, after)
        case {"v": int(form)} if form != _FORM:
            raise NewerMessage(f"it has the form {form}, which this release does not know")
        case _:
            raise UndecodableMessage("it is not a message about deliveries")


def _group(owner: str, webhook_id: str, text: str) -> str:
    """Return the message group for this text; an owner has some groups, and each webhook uses some of them.

    SQS delivers the messages of a group to one batch at a time. So a receiver gets at most MOST_AT_ONCE requests at
    a time, and all receivers of an owner together MOST_AT_ONCE_OF_OWNER.
    """
    slot = (_number(webhook_id) + _number(webhook_id + text) % MOST_AT_ONCE) % MOST_AT_ONCE_OF_OWNER
    return f"{sha256(owner.encode()).hexdigest()[:32]}-{slot}"


def _number(text: str) -> int:
    return int(sha256(text.encode(errors="surrogatepass")).hexdigest(), 16)
