"""The attempts of a command: recorded before they start, charged when one is known to have been interrupted.

    receive 1   runs unrecorded: it may have died of a neighbour
    receive 2   began 1 ── dies
    receive 3   charged 1, began 2 ── an outage of AWS: not charged, nothing has begun
    receive 4   charged 1, began 2 ── ends the job, or dies, or raises, which charges it at once
    …           charged 5: given up without running

SQS's receive counts are no measure: they charge the neighbours of what kills its worker.
"""

from __future__ import annotations

from jobpipe.domain.clock import now
from jobpipe.domain.errors import AttemptsSpent, InternalError, JobEnded, Unavailable
from jobpipe.domain.job import Job
from jobpipe.domain.limits import MAX_ATTEMPTS
from jobpipe.domain.queue_message import QueueMessage
from jobpipe.stores.aws_stores import Stores


def charged(job: Job) -> int:
    """Return how many attempts count, including one that began and never reported its end."""
    return job.attempts if job.began is None else job.began


def adopt(message: QueueMessage, stores: Stores) -> None:
    """Mark the job as queued in the generation that a retry gave it, unless the retry has marked it already.

    This is what keeps a retry from being stranded: the message is sent before the job is marked.
    """
    if message.retry_of is not None:
        stores.jobs.requeue(message.job, message.retry_of, now())


def begin(message: QueueMessage, stores: Stores) -> bool:
    """Record the attempt that is about to start; False if the command was given up instead."""
    job = live(message, stores)
    if charged(job) >= MAX_ATTEMPTS:
        _give_up(message, job, stores)
        return False
    stores.jobs.begin_attempt(message.job, charged(job), now())
    return True


def interrupted(message: QueueMessage, error: Exception, stores: Stores, *, recorded: bool) -> int | None:
    """Note what interrupted the attempt, and how often that was; None if the command was given up for it.

    `recorded`: whether this attempt is the one that has begun. Otherwise one that began earlier has died.
    """
    job = live(message, stores)
    count = job.attempts if recorded else charged(job)
    if isinstance(error, Unavailable):
        problem = error.to_problem()
    else:
        count += 1
        if count >= MAX_ATTEMPTS:
            _give_up(message, job, stores)
            return None
        fault = InternalError("An attempt failed through a fault of ours; the command is tried again.")
        problem = fault.to_problem()
    stores.jobs.hold(message.job, problem, count, job.held + 1, now())
    return job.held + 1


def _give_up(message: QueueMessage, job: Job, stores: Stores) -> None:
    """End the job as failed: its attempts are spent."""
    problem = AttemptsSpent(f"It was given up after {MAX_ATTEMPTS} attempts; retry the job when the cause is gone.")
    # The last one is counted already if an outage came between its death and this end.
    uncounted = job.attempts < MAX_ATTEMPTS
    stores.jobs.fail(message.job, problem.to_problem(), now(), message.kept, attempt=uncounted)


def live(message: QueueMessage, stores: Stores) -> Job:
    """Return the job, or raise JobEnded if this generation of it has ended."""
    job = stores.jobs.get(message.job.job_id)
    if job is None or not job.is_live(message.job, now()):
        raise JobEnded
    return job
