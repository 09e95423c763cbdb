"""Tell the ends of jobs: store a delivery for each event and each webhook that wants it.

    store the delivery, with its place in its line ── wake the line ── acknowledge the message

A second delivery of the message stores nothing again, and wakes the lines again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.errors import UndecodableMessage
from jobpipe.domain.events.cloud_event import Event
from jobpipe.domain.events.delivery import Delivery, DeliveryState, Line
from jobpipe.domain.events.delivery_messages import WakeLine
from jobpipe.domain.events.ended_jobs import decode_ended
from jobpipe.domain.events.webhook import EVENT_TYPES, ITEM_CHANGED, Webhook
from jobpipe.domain.job import Job
from jobpipe.domain.job_ref import JobRef
from jobpipe.runtime.telemetry import logger

from ..consume_batch import Delivery as Message
from .services import TellingServices

_SEQUENCE_DIGITS = 39  # SQS's numbers have 128 bits


def tell(message: Message, services: TellingServices) -> None:
    """Store the deliveries of the jobs in the message, and wake their lines; raise Unavailable in an outage."""
    try:
        refs = decode_ended(message.body)
    except UndecodableMessage as why:
        logger.error("message about ended jobs dropped: %s", why, extra={"message_id": message.message_id})
        return
    webhooks = services.webhooks.all()
    lines: dict[Line, None] = {}  # in order, each once
    for place, ref in enumerate(refs if webhooks else ()):
        job = _ended_job(ref, services)
        if job is not None:
            sequence = f"{message.sequence_number.zfill(_SEQUENCE_DIGITS)}-{place:02}"
            for delivery in _deliveries(job, sequence, webhooks, services):
                services.deliveries.add(delivery)
                lines[delivery.line] = None
    # Lines of paused webhooks are woken too: whether a webhook is paused is read when its delivery begins, so that
    # a delivery stored at the moment when the webhook is resumed is not forgotten.
    if lines:
        services.queue.now([WakeLine(line) for line in lines])


def _ended_job(ref: JobRef, services: TellingServices) -> Job | None:
    """Return the job; None if it is gone, or if a retry has undone this end before it could be told."""
    job = services.jobs.get(ref.job_id)
    if job is None or job.generation != ref.generation or not job.status.done or job.is_expired(now()):
        logger.info("end of a job not told: the job is gone or was retried", extra={"job_id": ref.job_id})
        return None
    return job


def _deliveries(
    job: Job, sequence: str, webhooks: Sequence[Webhook], services: TellingServices
) -> Iterator[Delivery]:
    """Yield the deliveries of a job's events, in their order."""
    interested = {kind: [each for each in webhooks if _is_told(each, kind, job)] for kind in EVENT_TYPES}
    wanted = {kind for kind, receivers in interested.items() if receivers}
    for event in services.source.events_of(job, sequence, wanted):
        for webhook in interested[event.event_type]:
            yield _delivery(event, Line.of(webhook.owner, webhook.webhook_id, job.item))


def _is_told(webhook: Webhook, event_type: str, job: Job) -> bool:
    """Return whether the webhook wants the event, and its owner may know of it."""
    shared = event_type == ITEM_CHANGED and not job.scope  # everybody may read the document
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
