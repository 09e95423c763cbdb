"""Accepting a command: the job is put, its claim check if it needs one, the message is sent, the caller told."""

from __future__ import annotations

from jobpipe.domain.clock import now
from jobpipe.domain.commands import Command, CreateItem, with_item_id
from jobpipe.domain.errors import IdempotencyKeyReused, Unavailable
from jobpipe.domain.job import Job, new_job
from jobpipe.domain.queue_message import QueueMessage, seal

from ..services import Services
from .accepting import end_unconfirmed, put_claim, was_sent


def submit(
    command: Command, *, owner: str, idempotency_key: str | None, request_id: str, services: Services
) -> Job:
    """The job of this command, whose message is in SQS when this returns (P1).

    With an Idempotency-Key that the caller used before for the same command, it is that job again (P4).
    """
    job = new_job(command, owner, idempotency_key, now(), services.job_retention)
    # A crash after this put promised nothing: the caller has no 202. With a key the same request sent again finds
    # the job here and sends its message; without one the row expires.
    earlier = services.jobs.put_new(job, now())
    if earlier is not None:
        if earlier.fingerprint != job.fingerprint:
            raise IdempotencyKeyReused("This Idempotency-Key came before with another command.")
        if was_sent(earlier):
            return earlier
        # Its message may never have been sent. If it was, SQS drops this one as a duplicate for five minutes, and
        # after that the worker finds the job ended.
        job = earlier
        if isinstance(command, CreateItem):
            command = with_item_id(command, earlier.item_id)
    envelope = seal(QueueMessage.of(job.ref, command, request_id))
    try:
        ready = put_claim(envelope, job, services, replayed=earlier is not None)
        if isinstance(ready, Job):
            return ready
        envelope = ready
        services.queue.send(envelope)
    except Unavailable:
        # Whether the message is in SQS is not known. With a key the job stays queued for the caller's replay.
        ended = None if idempotency_key else end_unconfirmed(job, envelope, services)
        if ended is None:
            raise
        return ended
    return job
