"""Webhooks and their deliveries, as the service describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from jobpipe_client.models import response_parser

DeliveryState = Literal["pending", "delivered", "given-up"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver of your events. Its `repr` does not show the secret."""

    id: str
    url: str
    events: tuple[str, ...]  # "job.ended", "item.changed", or events of operations, such as "orders.shipped"
    collections: tuple[str, ...]  # the collections whose events it gets; empty for all
    paused: bool  # whether its events wait; a paused webhook gets only tests and replays
    paused_by_failures: bool  # whether it was paused because all of its deliveries had failed for days
    failing_since: datetime | None  # when its deliveries began to fail; None if the last one succeeded
    created_at: datetime
    updated_at: datetime
    old_secret_until: datetime | None = None  # the time until which the previous secret still signs
    secret: str | None = field(default=None, repr=False)  # only in the results of `create` and `rotate`
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # the document as received

    @classmethod
    @response_parser("a webhook")
    def of(cls, document: Any) -> Webhook:
        """Return the webhook that a JSON document describes. Raise InvalidResponse if it is no webhook."""
        return cls(
            id=str(document["id"]),
            url=str(document["url"]),
            events=tuple(map(str, document["events"])),
            collections=tuple(map(str, document["collections"])),
            paused=bool(document["paused"]),
            paused_by_failures=bool(document["paused_by_failures"]),
            failing_since=_time_or_none(document["failing_since"]),
            created_at=datetime.fromisoformat(document["created_at"]),
            updated_at=datetime.fromisoformat(document["updated_at"]),
            old_secret_until=_time_or_none(document.get("old_secret_until")),
            secret=document.get("secret"),
            raw=document,
        )


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One request to the receiver of a webhook."""

    at: datetime
    milliseconds: int
    status: int | None  # of the receiver's response; None if there was no response
    error: str | None  # why there was no response
    replay: bool  # whether the caller requested it, by a test or a replay


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One event on its way to one webhook."""

    event: str  # the id of the event, which is the same in every attempt and replay
    type: str  # "job.ended", "item.changed", "webhook.test", or an event of an operation
    subject: str  # "jobs/<id>", "<collection>/<id>" or "webhooks/<id>"
    state: DeliveryState
    created_at: datetime
    due: datetime | None  # the time of the next attempt after a failure
    attempts: tuple[DeliveryAttempt, ...]  # oldest first
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # the document as received

    @classmethod
    @response_parser("a delivery of a webhook")
    def of(cls, document: Any) -> WebhookDelivery:
        """Return the delivery that a JSON document describes. Raise InvalidResponse if it is no delivery."""
        return cls(
            event=str(document["event"]),
            type=str(document["type"]),
            subject=str(document["subject"]),
            state=document["state"],
            created_at=datetime.fromisoformat(document["created_at"]),
            due=_time_or_none(document["due"]),
            attempts=tuple(
                DeliveryAttempt(
                    at=datetime.fromisoformat(each["at"]),
                    milliseconds=int(each["milliseconds"]),
                    status=each["status"],
                    error=each["error"],
                    replay=bool(each["replay"]),
                )
                for each in document["attempts"]
            ),
            raw=document,
        )


def _time_or_none(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
