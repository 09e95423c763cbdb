"""Tell the ends of jobs: store a delivery for each event and each webhook that wants it.

    store the delivery, with its place in its line ── wake the line ── put on the bus ── acknowledge the message

A line that has other events before these is awake already: so it has one message, however many events it has. Only
a message that was received before wakes all lines of its documents, since its first receipt may have ended between
the store and the wake.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TypeGuard

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.errors import UndecodableMessage
from jobpipe.domain.events.cloud_event import Event, emitted_types
from jobpipe.domain.events.delivery import Delivery, DeliveryState, Line
from jobpipe.domain.events.delivery_messages import WakeLine
from jobpipe.domain.events.ended_jobs import decode_ended
from jobpipe.domain.events.webhook import EVENT_TYPES, JOB_ENDED, Webhook
from jobpipe.domain.job import Job
from jobpipe.domain.job_ref import JobRef
from jobpipe.runtime.telemetry import logger

from ..consume_batch import Delivery as Message
from .bus import put_on_bus
from .services import TellingServices

_SEQUENCE_DIGITS = 39  # SQS's numbers have 128 bits
_MESSAGES_LAST = timedelta(days=14)  # on a queue of SQS


def tell(message: Message, services: TellingServices) -> None:
    """Store the deliveries of the jobs in the message, and wake their lines.

    Raise Unavailable in an outage, and NewerMessage if the message is one of a later release.
    """
    try:
        refs = decode_ended(message.body)
    except UndecodableMessage as why:
        logger.error("message about ended jobs dropped: %s", why, extra={"message_id": message.message_id})
        return
    webhooks = services.webhooks.all()
    is_repeated = message.receive_count > 1
    lines: dict[Line, set[str]] = defaultdict(set)  # in order, with their events
    ended: list[tuple[Job, str]] = []
    for place, ref in enumerate(refs if webhooks or services.bus is not None else ()):
        job = services.jobs.get(ref.job_id)
        if job is not None and is_repeated:
            for line in _lines_of(job, webhooks):
                _ = lines[line]
        if _has_ended(job, ref):
            sequence = f"{message.sequence_number.zfill(_SEQUENCE_DIGITS)}-{place:02}"
            ended.append((job, sequence))
            for delivery in _deliveries(job, sequence, webhooks, services):
                services.deliveries.add(delivery)
                lines[delivery.line].add(delivery.event_id)
    _wake(lines, services, is_repeated=is_repeated)
    put_on_bus(ended, services)  # last, so that webhooks are told while the bus is out of order


def _wake(lines: Mapping[Line, set[str]], services: TellingServices, *, is_repeated: bool) -> None:
    """Wake the lines that begin with one of the events; those of a repeated message if they have any.

    A line whose first event is older than messages last may have none: the events may have been off for so long.
    """
    # Lines of paused webhooks are woken too: whether a webhook is paused is read when its delivery begins, so that
    # a delivery stored at the moment when the webhook is resumed is not forgotten.
    woken = []
    lost = "".join(each for each in rfc3339(now() - _MESSAGES_LAST) if each.isdigit())
    for line, events in lines.items():
        first = services.deliveries.first(line)
        if first is not None and (is_repeated or first in events or first < lost):
            woken.append(WakeLine(line))
    if woken:
        services.queue.now(woken)


def _lines_of(job: Job, webhooks: Sequence[Webhook]) -> list[Line]:
    """Return the lines of the document for all webhooks that may be told of it, whatever they are told today.

    An earlier receipt may have stored an end that was retried since, or an event that a webhook wanted then.
    """
    told = [each for each in webhooks if each.owner == job.owner or not job.scope]
    return [Line.of(each.owner, each.webhook_id, job.item) for each in told]


def _has_ended(job: Job | None, ref: JobRef) -> TypeGuard[Job]:
    """Return whether this end is there: the job may be gone, or a retry may have undone it before it was told."""
    if job is None or job.generation != ref.generation or not job.status.done or job.is_expired(now()):
        logger.info("end of a job not told: the job is gone or was retried", extra={"job_id": ref.job_id})
        return False
    return True


def _deliveries(
    job: Job, sequence: str, webhooks: Sequence[Webhook], services: TellingServices
) -> Iterator[Delivery]:
    """Yield the deliveries of a job's events, in their order."""
    kinds = (*EVENT_TYPES, *emitted_types(job))
    interested = {kind: [each for each in webhooks if _is_told(each, kind, job)] for kind in kinds}
    wanted = {kind for kind, receivers in interested.items() if receivers}
    for event in services.source.events_of(job, sequence, wanted):
        for webhook in interested[event.event_type]:
            yield _delivery(event, Line.of(webhook.owner, webhook.webhook_id, job.item))


def _is_told(webhook: Webhook, event_type: str, job: Job) -> bool:
    """Return whether the webhook wants the event, and its owner may know of it."""
    shared = event_type != JOB_ENDED and not job.scope  # it is of a document that everybody may read
    return webhook.wants(event_type, job.collection) and (shared or webhook.owner == job.owner)


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
