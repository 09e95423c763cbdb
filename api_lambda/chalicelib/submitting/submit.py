"""Accept a command: store its job, store its claim check if it is large, send its message if it is due."""

from __future__ import annotations

from dataclasses import replace
from secrets import token_hex

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import Command, CreateItem, UpsertItem, with_item_id
from jobpipe.domain.errors import IdempotencyKeyReused, JobEnded, Unavailable
from jobpipe.domain.jobs.job import Job, Status, new_job
from jobpipe.domain.jobs.queue_message import Envelope, QueueMessage, seal, seal_claim

from ..services import Services
from .task_tokens import give_token
from .time_limits import check_times


def submit(
    command: Command, *, owner: str, idempotency_key: str | None, request_id: str, services: Services
) -> Job:
    """Return the command's job after its message is in SQS or stored; raise Unavailable if that is not certain.

    If the caller has used the Idempotency-Key for the same command before, return the job of that request; raise
    IdempotencyKeyReused if the earlier command was a different one.
    """
    at = now()
    job = new_job(command, owner, idempotency_key, at, services.job_retention)
    check_times(command, job, services, at, has_key=idempotency_key is not None)
    job = _with_message(job, command, request_id)
    # A crash after this put breaks no promise, since the caller has no 202. With a key, the repeated request finds
    # the job here and sends its message; without one, the row expires.
    earlier = services.jobs.put_new(job, now())
    if earlier is not None:
        if earlier.fingerprint != job.fingerprint:
            raise IdempotencyKeyReused("This Idempotency-Key was used before with another command.")
        if earlier.generation != job.generation:  # else this request has put the job, and botocore repeated the put
            earlier = give_token(earlier, command.task_token, services)
        if was_sent(earlier, services):
            return earlier
        # The earlier message may be lost. If not, SQS drops the new one as a duplicate within five minutes, and
        # after that the worker finds that the job has ended.
        job = earlier
        if isinstance(command, CreateItem | UpsertItem):
            command = with_item_id(command, earlier.item_id)
    if job.status is Status.SCHEDULED:
        return _store_scheduled(
            job, command, services, replayed=earlier is not None, has_key=idempotency_key is not None
        )
    message = QueueMessage.of(job, command, request_id)
    envelope = seal(message)
    try:
        sendable = put_claim(message, envelope, job, services, replayed=earlier is not None)
        if isinstance(sendable, Job):
            return sendable
        envelope = sendable
        services.queue.send(envelope)
    except Unavailable:
        # The message may or may not be in SQS. With a key, the job stays queued for the repeated request.
        ended = None if idempotency_key else fail_unconfirmed(job, envelope, services)
        if ended is None:
            raise
        return ended
    return job


def _with_message(job: Job, command: Command, request_id: str) -> Job:
    """Return a scheduled job with its message, and any other job unchanged."""
    if job.status is not Status.SCHEDULED:
        return job
    from jobpipe.domain.jobs.scheduled import add_message  # noqa: PLC0415  # most commands are due at once

    return add_message(job, command, request_id)


def _store_scheduled(job: Job, command: Command, services: Services, *, replayed: bool, has_key: bool) -> Job:
    """Store the command of a scheduled job and return the job; raise Unavailable if that is not certain."""
    from .schedule import store_command, withdraw  # noqa: PLC0415

    services.scheduled().expect_some()
    try:
        return store_command(job, command, services, replayed=replayed)
    except Unavailable:
        if not has_key:
            withdraw(job, services)
        raise


def was_sent(job: Job, services: Services) -> bool:
    """Return whether the message of a stored job was certainly sent or is no longer needed."""
    may_be_unsent = job.status in {Status.SCHEDULED, Status.QUEUED} and not job.retries
    return not may_be_unsent and not _needs_message(job, services)


def _needs_message(job: Job, services: Services) -> bool:
    """Return whether an ended job still needs its message, so that the worker sends the job's event.

    A cancelled job does: the request that created the job may have died before it sent the message.
    """
    return job.status is Status.CANCELLED and services.sends_events


def put_claim(
    message: QueueMessage, envelope: Envelope, job: Job, services: Services, *, replayed: bool
) -> Envelope | Job:
    """Store the envelope's claim check, if it has one, and return the envelope to send.

    Return the job instead if it has ended, which is possible for the job of a replayed request.
    """
    claim = envelope.claim
    if claim is None:
        return _with_earlier_claim(message, envelope, services) if replayed and envelope.is_large else envelope
    if job.status.done:
        return envelope  # the command is no longer needed
    if replayed and services.documents.keys(claim.key):
        return envelope
    if replayed:
        # Either the claim check was never stored, or the worker has ended the job and deleted it.
        job = services.jobs.get(job.job_id) or job
        if job.status.done:
            return envelope if _needs_message(job, services) else job
        # The job may still end before this put. SQS does not drop a message with its own deduplication id, so the
        # worker gets the message and deletes the claim check.
        envelope = replace(envelope, deduplication_id=f"{envelope.deduplication_id}:{token_hex(8)}")
    services.documents.put(claim.key, claim.text)
    return envelope


def _with_earlier_claim(message: QueueMessage, envelope: Envelope, services: Services) -> Envelope:
    """Return the envelope of a replay; if an earlier release has put a claim check, the envelope names it."""
    # Earlier releases put claim checks for smaller commands too. If the earlier request died before it sent its
    # message, only this message names the claim check, and the worker deletes only claim checks that are named.
    _, claim = message.keep()
    if claim is None or not services.documents.keys(claim.key):
        return envelope
    return seal_claim(message, claim)


def fail_unconfirmed(job: Job, envelope: Envelope | None, services: Services) -> Job | None:
    """Fail a job whose message may be in SQS, so that the message has no effect; return None.

    If the worker has ended the job first, return the ended job. A job that was cancelled meanwhile is not returned,
    because the message that its event needs may be missing. `envelope` is None if nothing was sent.
    """
    problem = Unavailable("The command could not be queued.").to_problem()
    try:
        services.jobs.fail(job.ref, problem, now(), kept=None, charge_attempt=False)
    except JobEnded:
        ended = services.jobs.get(job.job_id)
        # This problem means that our own write ended the job: its response was lost and botocore repeated it.
        if ended is not None and ended.error != problem and not _needs_message(ended, services):
            return ended
    if envelope is not None and envelope.claim is not None:
        services.documents.delete([envelope.claim.key])
    return None
