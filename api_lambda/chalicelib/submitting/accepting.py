"""The parts of accepting that one command and a batch share: claim checks, replays, sends of unknown outcome."""

from __future__ import annotations

from dataclasses import replace
from secrets import token_hex

from jobpipe.domain.clock import now
from jobpipe.domain.errors import JobEnded, Unavailable
from jobpipe.domain.job import Job, Status
from jobpipe.domain.queue_message import Envelope

from ..services import Services


def was_sent(earlier: Job) -> bool:
    """Whether the message of a job that a replay has found was sent for sure."""
    return earlier.status is not Status.QUEUED or earlier.retries > 0


def put_claim(envelope: Envelope, job: Job, services: Services, *, replayed: bool) -> Envelope | Job:
    """The envelope that can be sent now, its claim check put; or the job, should it have ended by now."""
    claim = envelope.claim
    if claim is None or (replayed and services.documents.keys(claim.key)):
        return envelope
    if replayed:
        # It was never put, or the worker has ended the job by now and deleted it.
        job = services.jobs.get(job.job_id) or job
        if job.status.done:
            return job
        # What is put here must not outlast the job, should that end right now. So a message has to follow
        # that SQS does not drop as a duplicate: it cleans up.
        envelope = replace(envelope, deduplication_id=f"{envelope.deduplication_id}:{token_hex(8)}")
    services.documents.put(claim.key, claim.text)
    return envelope


def end_unconfirmed(job: Job, envelope: Envelope | None, services: Services) -> Job | None:
    """Fail a job that nobody will ask for, so that its message, if it landed, changes nothing.

    None, unless the message landed and the worker was first: then the job as the worker ended it. There is no
    envelope before anything of it was put or sent.
    """
    problem = Unavailable("The command could not be queued.").to_problem()
    try:
        services.jobs.fail(job.ref, problem, now(), kept=None, attempt=False)
    except JobEnded:
        ended = services.jobs.get(job.job_id)
        # It may have been we who ended it: by a write whose answer was lost and which was then tried again.
        if ended is not None and ended.error != problem:
            return ended
    if envelope is not None and envelope.claim is not None:
        services.documents.delete([envelope.claim.key])
    return None
