"""Accepting a command: the job is put, its claim check if it needs one, the message is sent, the caller told."""

from __future__ import annotations

from dataclasses import replace
from secrets import token_hex

from jobpipe.clock import now
from jobpipe.commands import Command, CreateItem, with_item_id
from jobpipe.errors import IdempotencyKeyReused, JobEnded, Unavailable
from jobpipe.job import Job, Status, new_job
from jobpipe.queue_message import Envelope, QueueMessage, seal

from .services import Services


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
        if earlier.status is not Status.QUEUED or earlier.retries:
            return earlier  # its message was sent for sure
        # Its message may never have been sent. If it was, SQS drops this one as a duplicate for five minutes, and
        # after that the worker finds the job ended.
        job = earlier
        if isinstance(command, CreateItem):
            command = with_item_id(command, earlier.item_id)
    envelope = seal(QueueMessage.of(job.ref, command, request_id))
    try:
        claim = envelope.claim
        if claim is not None and (earlier is None or not services.documents.keys(claim.key)):
            if earlier is not None:
                # It was never put, or the worker has ended the job by now and deleted it.
                job = services.jobs.get(job.job_id) or job
                if job.status.done:
                    return job
                # What is put here must not outlast the job, should that end right now. So a message has to follow
                # that SQS does not drop as a duplicate: it cleans up.
                envelope = replace(envelope, deduplication_id=f"{envelope.deduplication_id}:{token_hex(8)}")
            services.documents.put(claim.key, claim.text)
        services.queue.send(envelope)
    except Unavailable:
        # Whether the message is in SQS is not known. With a key the job stays queued for the caller's replay.
        ended = None if idempotency_key else _end_unheard(job, envelope, services)
        if ended is None:
            raise
        return ended
    return job


def _end_unheard(job: Job, envelope: Envelope, services: Services) -> Job | None:
    """Fail a job that nobody will ask for, so that its message, if it landed, changes nothing.

    None, unless the message landed and the worker was first: then the job as the worker ended it.
    """
    problem = Unavailable("The command could not be queued.").to_problem()
    try:
        services.jobs.fail(job.ref, problem, now(), kept=None, attempt=False)
    except JobEnded:
        ended = services.jobs.get(job.job_id)
        # It may have been we who ended it: by a write whose answer was lost and which was then tried again.
        if ended is not None and ended.error != problem:
            return ended
    if envelope.claim is not None:
        services.documents.delete([envelope.claim.key])
    return None
