"""Tell the ends of jobs: store a delivery for each event and each webhook that wants it.

    store the delivery, with its place in its line ── wake the line ── answer tasks ── put on the bus ── acknowledge

A line that has other events before these is awake already: so it has one message, however many events it has. Only
a message that was received before wakes all lines of its documents, since its first receipt may have ended between
the store and the wake.

A message may have more deliveries than one invocation can store. Then it wakes the lines of what is stored and is
received again, which goes on where this one has stopped.
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
from ..received import Delivery as Message
from .bus import put_on_bus
from .services import TellingServices
from .task_tokens import answer_task, answer_tasks
from .together import together

STORED_TOGETHER = 100
"""Deliveries of one event that are stored before the next ones: so many can be read in one call."""

WOKEN_TOGETHER = 10
"""Lines that are woken by one call."""

_SEQUENCE_DIGITS = 39  # SQS's numbers have 128 bits
_MESSAGES_LAST = timedelta(days=14)  # on a queue of SQS

_Lines = dict[Line, set[str]]  # in order, with the events that are stored in them, or would be next


def tell(message: Message, services: TellingServices, seconds_left: Callable[[], float]) -> None:
    """Store the deliveries of the jobs in the message, and wake their lines; or answer the task that it names.

    Raise NoTimeLeft if it is to go on in another invocation, Unavailable in an outage, and NewerMessage if the
    message is one of a later release.
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
    telling = _Telling(message, webhooks, services, seconds_left)
    try:
        for place, each in enumerate(ended if webhooks or services.has_others else ()):
            telling.tell(each, place)
    except NoTimeLeft:
        telling.wake()
        raise
    telling.wake()
    # After the webhooks, which are told while the others are out of order. A bus may be so until its operator does
    # something, so it is the last.
    telling.answer_tasks()
    telling.put_on_bus()


class _Telling:
    """One receipt of a message."""

    def __init__(
        self,
        message: Message,
        webhooks: Sequence[Webhook],
        services: TellingServices,
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

    def tell(self, ended: EndedJob, place: int) -> None:
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

    def wake(self) -> None:
        """Wake the lines that begin with one of the events; those of a repeated message if they have any.

        A line whose first event is older than messages last may have none: events may have been off for so long.
        """
        lost = "".join(each for each in rfc3339(now() - _MESSAGES_LAST) if each.isdigit())

        def wake(lines: Sequence[Line]) -> None:
            # Lines of paused webhooks are woken too: whether a webhook is paused is read when its delivery begins,
            # so that a delivery stored at the moment when the webhook is resumed is not forgotten.
            woken = []
            for line in lines:
                first = self._services.deliveries.first(line)
                if first is not None and (self._is_repeated or first in self._lines[line] or first < lost):
                    woken.append(WakeLine(line))
            if woken:
                self._services.queue.deliver_now(woken)

        lines = [*self._lines]
        parts = [lines[start : start + WOKEN_TOGETHER] for start in range(0, len(lines), WOKEN_TOGETHER)]
        together(wake, parts, lambda: True)  # the time for it is reserved

    def answer_tasks(self) -> None:
        """Answer the tasks that wait for the jobs of the message."""
        waited_for = [job for job, _ in self._ended if job.task_token is not None]
        if waited_for and not self._may_go_on():
            raise NoTimeLeft
        answer_tasks(waited_for, self._services)

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
        together(self._add, deliveries, self._may_go_on)

    def _add(self, delivery: Delivery) -> None:
        self._services.deliveries.add(delivery)
        self._has_stored = True

    def _may_go_on(self) -> bool:
        """Return whether more may be stored. Each receipt stores something, so that the last one will store all."""
        return not self._has_stored or self._seconds_left() >= self._services.reserve_seconds


def _lines_of(item: ItemRef, webhooks: Sequence[Webhook]) -> list[Line]:
    """Return the lines of the document for all webhooks that may be told of it, whatever they are told today.

    An earlier receipt may have stored an end that was retried since, or an event that a webhook wanted then. The
    job may have expired: where only the owner of a document sees it, the scope names the owner.
    """
    told = [each for each in webhooks if item.scope in {"", each.owner}]
    return [Line.of(each.owner, each.webhook_id, item) for each in told]


def _has_ended(job: Job | None, ref: JobRef) -> TypeGuard[Job]:
    """Return whether this end is there: the job may be gone, or a retry may have undone it before it was told."""
    if job is None or job.generation != ref.generation or not job.status.done or job.is_expired(now()):
        logger.info("end of a job not told: the job is gone or was retried", extra={"job_id": ref.job_id})
        return False
    return True


def _deliveries(
    job: Job, sequence: str, webhooks: Sequence[Webhook], services: TellingServices
) -> Iterator[list[Delivery]]:
    """Yield the deliveries of each of a job's events, in their order."""
    kinds = (*EVENT_TYPES, *emitted_event_types(job))
    interested = {kind: [each for each in webhooks if _is_told(each, kind, job)] for kind in kinds}
    wanted = {kind for kind, receivers in interested.items() if receivers}
    for event in services.source.events_of(job, sequence, wanted):
        told = interested[event.event_type]
        yield [_delivery(event, Line.of(each.owner, each.webhook_id, job.item)) for each in told]


def _is_told(webhook: Webhook, event_type: str, job: Job) -> bool:
    """Return whether the webhook wants the event, and its owner may know of it."""
    # The end of a job is told only to the owner of the job; a document without a scope may be read by everybody.
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
