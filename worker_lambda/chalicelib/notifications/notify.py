"""Notify receivers of the ends of jobs: store a delivery for each event and each webhook that wants the event.

    store the delivery, with its place in its line ── wake the line ── answer tasks ── put on the bus ── acknowledge

A line with earlier events is already awake, so a line has one message, however many events it has. Only a message
that was received before wakes all lines of its documents, since its first receipt may have ended after the store.

A message may have more deliveries than one invocation can store. Then the invocation wakes the lines of the stored
deliveries, and the message is received again to continue.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TypeGuard

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.errors import UndecodableMessage
from jobpipe.domain.events.cloud_event import Event, emitted_event_types
from jobpipe.domain.events.delivery import Delivery, DeliveryState, Line
from jobpipe.domain.events.delivery_messages import WakeLine
from jobpipe.domain.events.ended_jobs import EndedJob, WaitingTask, decode_ended
from jobpipe.domain.events.webhook import EVENT_TYPES, JOB_ENDED, Webhook
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Job
from jobpipe.runtime.telemetry import logger

from ..consumer import NoTimeLeft
from ..sqs_messages import Delivery as Message
from .bus import put_on_bus
from .parallel import run_in_parallel
from .services import NotificationServices
from .task_tokens import answer_task, answer_tasks

STORED_TOGETHER = 100
"""How many deliveries of an event are stored at a time: one call can read so many."""

WOKEN_TOGETHER = 10
"""How many lines one call wakes."""

_SEQUENCE_DIGITS = 39  # SQS's numbers have 128 bits
_MESSAGES_LAST = timedelta(days=14)  # on a queue of SQS

_Lines = dict[Line, set[str]]  # in order, with the ids of the events that are stored or about to be stored


def notify(message: Message, services: NotificationServices, seconds_left: Callable[[], float]) -> None:
    """Store the deliveries of the jobs in the message, and wake their lines; or answer the task that it names.

    Raise NoTimeLeft to continue in another invocation, Unavailable in an outage, and NewerMessage if a later
    release sent the message.
    """
    try:
        ended = decode_ended(message.body)
    except UndecodableMessage as why:
        logger.error("message about ended jobs dropped: %s", why, extra={"message_id": message.message_id})
        return
    if isinstance(ended, WaitingTask):
        answer_task(ended, services)
        return
    webhooks = services.webhooks.all()
    notification = _Notification(message, webhooks, services, seconds_left)
    try:
        for place, each in enumerate(ended if webhooks or services.has_others else ()):
            notification.store_deliveries(each, place)
    except NoTimeLeft:
        notification.wake_lines()
        raise
    notification.wake_lines()
    # Webhooks come first, so that they are notified even if the others fail. The bus is last, since it may fail
    # until its operator repairs it.
    notification.answer_tasks()
    notification.put_on_bus()


class _Notification:
    """One receipt of a message."""

    def __init__(
        self,
        message: Message,
        webhooks: Sequence[Webhook],
        services: NotificationServices,
        seconds_left: Callable[[], float],
    ) -> None:
        self._message = message
        self._webhooks = webhooks
        self._services = services
        self._seconds_left = seconds_left
        self._is_repeated = message.receive_count > 1
        self._has_stored = False
        self._lines: _Lines = defaultdict(set)
        self._ended: list[tuple[Job, str]] = []  # with the sequence of each

    def store_deliveries(self, ended: EndedJob, place: int) -> None:
        """Store the deliveries of the job at this place in the message."""
        if not self._may_go_on():
            raise NoTimeLeft
        job = self._services.jobs.get(ended.job.job_id)
        item = ended.item or (None if job is None else job.item)
        if self._is_repeated and item is not None:
            for line in _lines_of(item, self._webhooks):
                _ = self._lines[line]
        if _has_ended(job, ended.job):
            sequence = f"{self._message.sequence_number.zfill(_SEQUENCE_DIGITS)}-{place:02}"
            self._ended.append((job, sequence))
            for deliveries in _deliveries(job, sequence, self._webhooks, self._services):
                for start in range(0, len(deliveries), STORED_TOGETHER):
                    self._store(deliveries[start : start + STORED_TOGETHER])

    def wake_lines(self) -> None:
        """Wake the lines that begin with a new event, and after a repeated receipt all lines with events.

        Also wake lines whose first event is older than a message can be: events may have been disabled for so long.
        """
        oldest = "".join(each for each in rfc3339(now() - _MESSAGES_LAST) if each.isdigit())

        def wake(lines: Sequence[Line]) -> None:
            # Lines of paused webhooks are woken too, and the delivery checks for a pause. So a delivery that is
            # stored at the moment when the webhook is resumed is not lost.
            woken = []
            for line in lines:
                first = self._services.deliveries.first(line)
                if first is not None and (self._is_repeated or first in self._lines[line] or first < oldest):
                    woken.append(WakeLine(line))
            if woken:
                self._services.queue.deliver_now(woken)

        lines = [*self._lines]
        parts = [lines[start : start + WOKEN_TOGETHER] for start in range(0, len(lines), WOKEN_TOGETHER)]
        run_in_parallel(wake, parts, lambda: True)  # the time for this is reserved

    def answer_tasks(self) -> None:
        """Answer the tasks that wait for the jobs of the message."""
        jobs_with_tasks = [job for job, _ in self._ended if job.task_token is not None]
        if jobs_with_tasks and not self._may_go_on():
            raise NoTimeLeft
        answer_tasks(jobs_with_tasks, self._services)

    def put_on_bus(self) -> None:
        """Put the events of all jobs of the message on the bus, if the stage has one."""
        if self._services.bus is not None and not self._may_go_on():
            raise NoTimeLeft
        put_on_bus(self._ended, self._services)

    def _store(self, deliveries: Sequence[Delivery]) -> None:
        """Store deliveries of one event. They are in different lines, so their order does not matter."""
        if not self._may_go_on():
            raise NoTimeLeft
        for each in deliveries:
            self._lines[each.line].add(each.event_id)
        if self._is_repeated:
            deliveries = self._services.deliveries.find_missing(deliveries)
        run_in_parallel(self._add, deliveries, self._may_go_on)

    def _add(self, delivery: Delivery) -> None:
        self._services.deliveries.add(delivery)
        self._has_stored = True

    def _may_go_on(self) -> bool:
        """Return whether more may be stored. Each receipt stores something, so that in the end all are stored."""
        return not self._has_stored or self._seconds_left() >= self._services.reserve_seconds


def _lines_of(item: ItemRef, webhooks: Sequence[Webhook]) -> list[Line]:
    """Return the lines of the document for all webhooks that may be notified of it, whatever events they want now.

    An earlier receipt may have stored the end of a job that was retried since, or an event that a webhook wanted
    then. The job may have expired; but if only its owner sees a document, the scope names the owner.
    """
    allowed = [each for each in webhooks if item.scope in {"", each.owner}]
    return [Line.of(each.owner, each.webhook_id, item) for each in allowed]


def _has_ended(job: Job | None, ref: JobRef) -> TypeGuard[Job]:
    """Return whether the job is still ended: it may be gone, or a retry may have queued it again."""
    if job is None or job.generation != ref.generation or not job.status.done or job.is_expired(now()):
        logger.info("end of a job not sent: the job is gone or was retried", extra={"job_id": ref.job_id})
        return False
    return True


def _deliveries(
    job: Job, sequence: str, webhooks: Sequence[Webhook], services: NotificationServices
) -> Iterator[list[Delivery]]:
    """Yield the deliveries of each event of the job, in order."""
    kinds = (*EVENT_TYPES, *emitted_event_types(job))
    receivers = {kind: [each for each in webhooks if _must_notify(each, kind, job)] for kind in kinds}
    wanted_types = {kind for kind, interested in receivers.items() if interested}
    for event in services.source.events_of(job, sequence, wanted_types):
        interested = receivers[event.event_type]
        yield [_delivery(event, Line.of(each.owner, each.webhook_id, job.item)) for each in interested]


def _must_notify(webhook: Webhook, event_type: str, job: Job) -> bool:
    """Return whether the webhook wants the event, and its owner may see the event."""
    # Only the owner of a job is notified of its end. A document without a scope may be read by everybody.
    is_public = event_type != JOB_ENDED and not job.scope
    return webhook.wants(event_type, job.collection) and (is_public or webhook.owner == job.owner)


def _delivery(event: Event, line: Line) -> Delivery:
    return Delivery(
        line=line,
        event_id=event.event_id,
        event_type=event.event_type,
        subject=event.subject,
        sequence=event.sequence,
        body=event.body,
        state=DeliveryState.PENDING,
        attempts=(),
        created_at=rfc3339(now()),
    )
