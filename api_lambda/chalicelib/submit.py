"""Accepting a command: the job is put, the message is sent, then the caller is told."""

from __future__ import annotations

from jobpipe.clock import now
from jobpipe.commands import Command, CreateItem, with_item_id
from jobpipe.errors import IdempotencyKeyReused, JobEnded, Unavailable
from jobpipe.job import Job, JobRef, Status, accepted
from jobpipe.queue_message import QueueMessage, seal

from .services import Services


def submit(
    command: Command, *, owner: str, idempotency_key: str | None, request_id: str, services: Services
) -> Job:
    """The job of this command, whose message is in SQS when this returns (P1).

    With an Idempotency-Key that the caller used before for the same command, it is that job again (P4).
    """
    job = accepted(command, owner, idempotency_key, now(), services.job_retention)
    # Sealed before anything is stored: what SQS cannot carry is refused and leaves no trace (P7).
    envelope = seal(QueueMessage(JobRef(job.job_id, job.generation), command, request_id))

    # A crash after this put promised nothing: the caller has no 202. With a key the same request sent again finds
    # the job here and sends its message; without one the row expires.
    earlier = services.jobs.put_new(job, now())
    if earlier is not None:
        if earlier.fingerprint != job.fingerprint:
            raise IdempotencyKeyReused("This Idempotency-Key came before with another command.")
        if earlier.status is not Status.QUEUED:
            return earlier
        # Its message may never have been sent. If it was, SQS drops this one as a duplicate for five minutes, and
        # after that the worker finds the job ended.
        job = earlier
        if isinstance(command, CreateItem):
            command = with_item_id(command, earlier.item_id)
        envelope = seal(QueueMessage(JobRef(earlier.job_id, earlier.generation), command, request_id))
    try:
        services.queue.send(envelope)
    except Unavailable:
        # Whether the message is in SQS is not known. With a key the job stays queued for the caller's replay.
        if idempotency_key is None and _took_effect_meanwhile(job, services):
            return job
        raise
    return job


def _took_effect_meanwhile(job: Job, services: Services) -> bool:
    """Fail a job that nobody will hear of, so that its message, if it landed, changes nothing. Too late: True."""
    problem = Unavailable("The command could not be queued.").to_problem()
    try:
        services.jobs.fail(JobRef(job.job_id, job.generation), problem, now())
    except JobEnded:
        return True
    return False
