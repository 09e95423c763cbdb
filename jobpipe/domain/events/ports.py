"""The tables and queues for sending events. All methods raise Unavailable if AWS does not respond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from jobpipe.domain.events.cloud_event import Event
from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt, DeliveryState, Line
from jobpipe.domain.events.delivery_messages import SendAgain, Sweep, WakeLine
from jobpipe.domain.events.ended_jobs import EndedJob, WaitingTask
from jobpipe.domain.events.task_answer import TaskFailure, TaskSuccess
from jobpipe.domain.events.webhook import MAX_STAGE_WEBHOOKS, Webhook


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of deliveries, and the cursor of the next page; None if this is the last one."""

    deliveries: list[Delivery]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class LinePage:
    """A page of the lines that have deliveries, and the cursor of the next page; None if this is the last one."""

    lines: list[Line]
    next_after: str | None


class EventBus(Protocol):
    """A bus that receives every event of the stage, in no particular order."""

    def put(self, events: Sequence[Event]) -> None:
        """Put the events; raise Unavailable unless the bus has accepted all of them."""


class Tasks(Protocol):
    """The tasks of a workflow service; each waits until its token is answered."""

    def answer(self, token: str, answer: TaskSuccess | TaskFailure) -> None:
        """Answer the task that has the token.

        Raise TaskEnded if the task has ended, or AnswerRefused if Step Functions would refuse this answer at
        every attempt.
        """


class WebhookStore(Protocol):
    """The webhooks of all owners."""

    def of_owner(self, owner: str) -> list[Webhook]:
        """Return the owner's webhooks, oldest first."""

    def all(self) -> list[Webhook]:
        """Return the webhooks of all owners; members that affect no events, such as `paused`, may be outdated."""

    def get(self, owner: str, webhook_id: str) -> Webhook | None:
        """Return a webhook of this owner."""

    def created_by(self, owner: str, creation: str) -> Webhook | None:
        """Return the webhook that the request with this digest has created; None if it does not exist."""

    def put_new(self, webhook: Webhook, most: int, most_of_stage: int = MAX_STAGE_WEBHOOKS) -> bool:
        """Store a new webhook; return False, and store nothing, if the owner has `most`, or repeats the request.

        The request of `webhook.creation` is repeated if it has already created a webhook. Raise
        TooManyWebhooks, and store nothing, if all owners together have `most_of_stage`.
        """

    def replace(self, old: Webhook, new: Webhook) -> bool:
        """Store the changed webhook; return False if the stored webhook is no longer `old`."""

    def delete(self, owner: str, webhook_id: str) -> bool:
        """Delete the webhook; return whether there was one. The idempotency key that created it is free again."""

    def record_outcome(self, webhook: Webhook, at: datetime, *, delivered: bool) -> Webhook | None:
        """Record whether the attempt that began at this time succeeded (circuit.after_outcome).

        Return the updated webhook, or None if it was deleted.
        """

    def pause(self, webhook: Webhook) -> None:
        """Pause the webhook, since its receiver responded that it is gone; if it was deleted, do nothing."""


class DeliveryStore(Protocol):
    """The deliveries of all webhooks, and their lines."""

    def add(self, delivery: Delivery) -> bool:
        """Store a pending delivery at the end of its line; return False if the webhook has this event already.

        An event whose line has no document is stored without a line.
        """

    def find_missing(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Return which of up to 100 deliveries are not stored; some stored ones may be included."""

    def first(self, line: Line) -> str | None:
        """Return the id of the first event of the line; None if the line is empty.

        The event's delivery may have ended, if the process that ended it died before it removed the event.
        """

    def head(self, line: Line) -> Delivery | None:
        """Return the first pending delivery of the line, without its body."""

    def lines(self, owner: str, webhook_id: str, limit: int, after: str | None) -> LinePage:
        """Return the webhook's lines that have deliveries, each once. `limit` counts deliveries."""

    def record(
        self, delivery: Delivery, attempt: DeliveryAttempt, state: DeliveryState, due: str
    ) -> Delivery | None:
        """Add an attempt (Delivery.with_attempt). If the delivery is no longer pending, it leaves its line.

        Return the updated delivery, or None if it has expired meanwhile and nothing was recorded.
        """

    def get(self, owner: str, webhook_id: str, event_id: str) -> Delivery | None:
        """Return a delivery, without its body."""

    def with_body(self, delivery: Delivery) -> Delivery | None:
        """Return the delivery with its event; None if the event has expired."""

    def page(
        self, owner: str, webhook_id: str, limit: int, after: str | None, *, stem: str | None = None
    ) -> DeliveryPage:
        """Return deliveries without their bodies, newest event first; with `stem`, only of one end of a job.

        `after` must then be one of these events.
        """

    def list_since(self, owner: str, webhook_id: str, since: str, limit: int, after: str | None) -> DeliveryPage:
        """Return deliveries of events since this time (RFC 3339), without their bodies, oldest event first."""


class EventQueue(Protocol):
    """The FIFO queue of ended jobs."""

    def send_ended(self, ended: Sequence[tuple[str, Sequence[EndedJob]]]) -> list[bool]:
        """Send one message for each group of jobs, up to ten; return for each whether it is on the queue.

        A group has the id of its document's message group on the queue of commands.
        """


class TaskQueue(Protocol):
    """The same queue, for tasks whose tokens were given after their jobs had ended."""

    def send_task(self, task: WaitingTask) -> None:
        """Send a message to answer the task; when this returns, the message is on the queue."""


class DeliveryQueue(Protocol):
    """The FIFO queue of deliveries to make now, and the queue of deliveries that wait for a time.

    When a method returns, its messages are on the queue; otherwise it raises Unavailable.
    """

    def deliver_now(self, lines: Sequence[WakeLine]) -> None:
        """Deliver the heads of these lines."""

    def deliver_later(self, message: WakeLine | SendAgain, pause: timedelta) -> None:
        """Deliver the message after the pause; it may come earlier, and is then sent again."""

    def deliver_again(self, replays: Sequence[SendAgain]) -> None:
        """Deliver each of these events once more, outside its line."""

    def sweep(self, sweep: Sweep, pause: timedelta = timedelta()) -> None:
        """Wake or replay the deliveries of a webhook, page after page; begin after the pause."""
