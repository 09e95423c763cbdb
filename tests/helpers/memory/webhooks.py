"""The webhooks, their deliveries and the queue of lines, in memory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from jobpipe.domain.errors import TooManyWebhooks
from jobpipe.domain.events.circuit import after_outcome
from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt, DeliveryState, Line
from jobpipe.domain.events.delivery_messages import SendAgain, Sweep, WakeLine
from jobpipe.domain.events.ports import DeliveryPage, LinePage
from jobpipe.domain.events.webhook import MAX_STAGE_WEBHOOKS, Webhook


class MemoryWebhooks:
    """WebhookStore."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Webhook] = {}

    def of_owner(self, owner: str) -> list[Webhook]:
        return [webhook for webhook in self.all() if webhook.owner == owner]

    def all(self) -> list[Webhook]:
        return sorted(self.rows.values(), key=lambda each: (each.created_at, each.webhook_id))

    def get(self, owner: str, webhook_id: str) -> Webhook | None:
        return self.rows.get((owner, webhook_id))

    def created_by(self, owner: str, creation: str) -> Webhook | None:
        return next((each for each in self.of_owner(owner) if each.creation == creation), None)

    def put_new(self, webhook: Webhook, most: int, most_of_stage: int = MAX_STAGE_WEBHOOKS) -> bool:
        place = (webhook.owner, webhook.webhook_id)
        if place in self.rows or len(self.of_owner(webhook.owner)) >= most:
            return False
        if webhook.creation is not None and self.created_by(webhook.owner, webhook.creation):
            return False
        if len(self.rows) >= most_of_stage:
            raise TooManyWebhooks(f"This stage has {most_of_stage} webhooks of all owners, which is the maximum.")
        self.rows[place] = webhook
        return True

    def replace(self, old: Webhook, new: Webhook) -> bool:
        place = (old.owner, old.webhook_id)
        if self.rows.get(place) != old:
            return False
        self.rows[place] = new
        return True

    def delete(self, owner: str, webhook_id: str) -> bool:
        return self.rows.pop((owner, webhook_id), None) is not None

    def record_outcome(self, webhook: Webhook, at: datetime, *, delivered: bool) -> Webhook | None:
        stored = self.get(webhook.owner, webhook.webhook_id)
        if stored is None:
            return None
        new = after_outcome(stored, at, delivered=delivered)
        self.rows[stored.owner, stored.webhook_id] = new
        return new

    def pause(self, webhook: Webhook) -> None:
        stored = self.get(webhook.owner, webhook.webhook_id)
        if stored is not None and not stored.paused:
            paused = replace(stored, paused=True, paused_by_failures=True)
            self.rows[stored.owner, stored.webhook_id] = paused


class MemoryDeliveries:
    """DeliveryStore."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], Delivery] = {}

    def add(self, delivery: Delivery) -> bool:
        place = (delivery.line.owner, delivery.line.webhook_id, delivery.event_id)
        if place in self.rows:
            return False
        self.rows[place] = delivery
        return True

    def find_missing(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        return [
            each for each in deliveries if (each.line.owner, each.line.webhook_id, each.event_id) not in self.rows
        ]

    def head(self, line: Line) -> Delivery | None:
        in_line = [each for each in self.rows.values() if each.line == line and line.document]
        pending = [each for each in in_line if each.state is DeliveryState.PENDING]
        head = min(pending, key=lambda each: each.sequence, default=None)
        return None if head is None else replace(head, body="")

    def first(self, line: Line) -> str | None:
        head = self.head(line)
        return None if head is None else head.event_id

    def lines(self, owner: str, webhook_id: str, limit: int, after: str | None) -> LinePage:
        pending = [each for each in self._of(owner, webhook_id) if each.state is DeliveryState.PENDING]
        documents = sorted({each.line.document for each in pending if each.line.document})
        left = [each for each in documents if after is None or each > after]
        lines = [Line(owner, webhook_id, each) for each in left[:limit]]
        return LinePage(lines, lines[-1].document if len(left) > limit else None)

    def record(
        self, delivery: Delivery, attempt: DeliveryAttempt, state: DeliveryState, due: str
    ) -> Delivery | None:
        place = (delivery.line.owner, delivery.line.webhook_id, delivery.event_id)
        stored = self.rows.get(place)
        if stored is not None:
            self.rows[place] = stored.with_attempt(attempt, state, due)
        return self.get(*place)

    def get(self, owner: str, webhook_id: str, event_id: str) -> Delivery | None:
        stored = self.rows.get((owner, webhook_id, event_id))
        return None if stored is None else replace(stored, body="")

    def with_body(self, delivery: Delivery) -> Delivery | None:
        return self.rows.get((delivery.line.owner, delivery.line.webhook_id, delivery.event_id))

    def page(
        self, owner: str, webhook_id: str, limit: int, after: str | None, *, stem: str | None = None
    ) -> DeliveryPage:
        assert after is None or stem is None or after.startswith(f"{stem}-"), "DynamoDB refuses such a start key"
        newest_first = sorted(self._of(owner, webhook_id), key=lambda each: each.event_id, reverse=True)
        found = [each for each in newest_first if stem is None or each.event_id.startswith(f"{stem}-")]
        return _page([each for each in found if after is None or each.event_id < after], limit)

    def list_since(self, owner: str, webhook_id: str, since: str, limit: int, after: str | None) -> DeliveryPage:
        oldest_first = sorted(self._of(owner, webhook_id), key=lambda each: each.event_id)
        first = re.sub("[^0-9]", "", since)
        left = [
            each for each in oldest_first if each.event_id >= first and (after is None or each.event_id > after)
        ]
        return _page(left, limit)

    def _of(self, owner: str, webhook_id: str) -> list[Delivery]:
        return [each for place, each in self.rows.items() if place[:2] == (owner, webhook_id)]


def _page(left: Sequence[Delivery], limit: int) -> DeliveryPage:
    shown = [replace(each, body="") for each in left[:limit]]
    return DeliveryPage(shown, shown[-1].event_id if len(left) > limit else None)


@dataclass
class MemoryDeliveryQueue:
    """DeliveryQueue, which keeps what was sent."""

    lines: list[WakeLine] = field(default_factory=list)
    postponed: list[tuple[WakeLine | SendAgain, timedelta]] = field(default_factory=list)
    replays: list[SendAgain] = field(default_factory=list)
    sweeps: list[Sweep] = field(default_factory=list)
    pauses: list[timedelta] = field(default_factory=list)  # before the sweeps

    def deliver_now(self, lines: Sequence[WakeLine]) -> None:
        self.lines += lines

    def deliver_later(self, message: WakeLine | SendAgain, pause: timedelta) -> None:
        self.postponed.append((message, pause))

    def deliver_again(self, replays: Sequence[SendAgain]) -> None:
        self.replays += replays

    def sweep(self, sweep: Sweep, pause: timedelta = timedelta()) -> None:
        self.sweeps.append(sweep)
        self.pauses.append(pause)
