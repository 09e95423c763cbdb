"""What telling needs of the tables and queues. All methods raise Unavailable if AWS does not answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt, DeliveryState, Line
from jobpipe.domain.events.delivery_messages import SendAgain, Sweep, WakeLine
from jobpipe.domain.events.webhook import Webhook
from jobpipe.domain.job_ref import JobRef


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of deliveries, newest event first, and the cursor of the next page."""

    deliveries: list[Delivery]
    next_after: str | None


class WebhookStore(Protocol):
    """The webhooks of all owners."""

    def of_owner(self, owner: str) -> list[Webhook]:
        """Return the owner's webhooks, oldest first."""

    def all(self) -> list[Webhook]:
        """Return the webhooks of all owners; what changes no event, such as `paused`, may be a while old."""

    def get(self, owner: str, webhook_id: str) -> Webhook | None:
        """Return a webhook of this owner."""

    def put_new(self, webhook: Webhook, most: int) -> bool:
        """Store a new webhook; return False, and store nothing, if the owner has it, or `most` others, already."""

    def replace(self, old: Webhook, new: Webhook) -> bool:
        """Store the changed webhook; return False if the stored one is not `old` any more."""

    def delete(self, owner: str, webhook_id: str) -> bool:
        """Delete the webhook; return whether there was one."""

    def record_outcome(self, webhook: Webhook, at: datetime, *, delivered: bool) -> Webhook | None:
        """Record whether a delivery succeeded, and pause the webhook after PAUSED_AFTER of failures only.

        Return the webhook as it is then, or None if it was deleted.
        """

    def pause(self, webhook: Webhook) -> None:
        """Pause the webhook, since its receiver answers that it is gone; if it was deleted, do nothing."""


class DeliveryStore(Protocol):
    """The deliveries of all webhooks, and their lines."""

    def add(self, delivery: Delivery) -> bool:
        """Store a pending delivery at the end of its line; return False if the webhook has this event already.

        An event whose line has no document is stored without a line.
        """

    def head(self, line: Line) -> Delivery | None:
        """Return the first pending delivery of the line."""

    def record(self, delivery: Delivery, attempt: DeliveryAttempt, state: DeliveryState, due: str) -> None:
        """Add an attempt. If the delivery is not pending any more, it leaves its line.

        If the delivery has expired meanwhile, nothing is recorded.
        """

    def get(self, owner: str, webhook_id: str, event_id: str) -> Delivery | None:
        """Return a delivery."""

    def page(self, owner: str, webhook_id: str, limit: int, after: str | None) -> DeliveryPage:
        """Return deliveries without their bodies, newest event first."""

    def since(self, owner: str, webhook_id: str, since: str, limit: int, after: str | None) -> DeliveryPage:
        """Return deliveries of events since this time (RFC 3339), oldest event first."""


class EventQueue(Protocol):
    """The FIFO queue of ended jobs."""

    def tell(self, ended: Sequence[tuple[str, Sequence[JobRef]]]) -> list[bool]:
        """Send one message for each group of jobs, up to ten; return for each whether it is on the queue.

        A group has the id of its documents' message group on the queue of commands.
        """


class DeliveryQueue(Protocol):
    """The FIFO queue of lines whose head is to be delivered, and the queue of those that wait for a time.

    When a method returns, its messages are on the queue; otherwise it raises Unavailable.
    """

    def now(self, lines: Sequence[WakeLine]) -> None:
        """Let the heads of these lines be delivered."""

    def later(self, line: Line, due: str, pause: timedelta) -> None:
        """Let the head of this line be delivered when it is due (RFC 3339), after the pause."""

    def again(self, replays: Sequence[SendAgain]) -> None:
        """Let each of these events be delivered once more, outside of its line."""

    def sweep(self, sweep: Sweep) -> None:
        """Let the deliveries of a webhook be woken or replayed, page after page."""
