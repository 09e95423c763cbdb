"""The state machine of attempts: how many times a command was tried, and when it is abandoned.

At the first delivery of a message its command runs in parallel with others, and the attempt is not recorded: if the
worker dies, any of the commands may be the cause. At later deliveries the attempt is recorded on the job before it
starts, so that the death of a worker counts against the command that ran. SQS's receive count would also include
crashes that other messages caused.
"""

from __future__ import annotations

from enum import Enum, auto

from jobpipe.domain.clock import now
from jobpipe.domain.errors import AttemptsSpent, InternalError, JobEnded, Problem, Unavailable
from jobpipe.domain.jobs.job import Job
from jobpipe.domain.jobs.queue_message import QueueMessage
from jobpipe.domain.limits import MAX_ATTEMPTS
from jobpipe.runtime.metrics import FAILED, meter
from jobpipe.stores.aws_stores import Stores

from .clean_up import keep_command
from .labels import find_label


class Event(Enum):
    """What happened to an unfinished job."""

    REDELIVERED = auto()  # the message was delivered again, and the command is about to run
    OUTAGE = auto()  # an AWS outage interrupted the command
    FAULT = auto()  # an error of this software interrupted the command


class Step(Enum):
    """What the worker does with the job next."""

    RUN = auto()  # start an attempt
    RETRY = auto()  # wait for the next delivery
    GIVE_UP = auto()  # end the job as failed


def next_step(job: Job, event: Event, *, recorded: bool = False) -> tuple[Step, int]:
    """Return the next step, and the number of attempts charged to the job after it.

    `recorded` says whether this delivery has recorded the running attempt. If not, the worker of that attempt died.
    """
    charged = job.attempts if recorded else charged_attempts(job)
    match event:
        case Event.REDELIVERED:
            return (Step.RUN if charged < MAX_ATTEMPTS else Step.GIVE_UP), charged
        case Event.OUTAGE:
            return Step.RETRY, charged
        case Event.FAULT:
            return (Step.RETRY if charged + 1 < MAX_ATTEMPTS else Step.GIVE_UP), charged + 1


def charged_attempts(job: Job) -> int:
    """Return the number of attempts charged to the job, including an attempt that never reported its end."""
    return job.attempts if job.running_attempt is None else job.running_attempt


def start_attempt(message: QueueMessage, stores: Stores) -> bool:
    """Record the attempt that is about to start; return False if the command was abandoned instead."""
    job = unfinished_job(message, stores)
    step, charged = next_step(job, Event.REDELIVERED)
    if step is Step.GIVE_UP:
        _give_up(message, job, stores)
        return False
    stores.jobs.begin_attempt(message.job, charged, now())
    return True


def record_interruption(message: QueueMessage, error: Exception, stores: Stores, *, recorded: bool) -> int | None:
    """Record what interrupted the command; return the number of interruptions, or None if it was abandoned."""
    job = unfinished_job(message, stores)
    step, charged = next_step(job, classify_error(error), recorded=recorded)
    if step is Step.GIVE_UP:
        _give_up(message, job, stores)
        return None
    interruptions, label = job.interruptions + 1, find_label(message, stores)
    stores.jobs.record_interruption(message.job, _problem_of(error), charged, interruptions, now(), label=label)
    return interruptions


def classify_error(error: Exception) -> Event:
    """Return whether the error is an outage or a fault."""
    return Event.OUTAGE if isinstance(error, Unavailable) else Event.FAULT


def _problem_of(error: Exception) -> Problem:
    fault = InternalError("An internal error interrupted the command; it will be tried again.")
    return (error if isinstance(error, Unavailable) else fault).to_problem()


def _give_up(message: QueueMessage, job: Job, stores: Stores) -> None:
    problem = AttemptsSpent(
        f"The command was abandoned after {MAX_ATTEMPTS} attempts; retry the job when the cause is gone."
    )
    # If an outage followed the last attempt, the attempt has been counted already.
    counted = job.attempts >= MAX_ATTEMPTS
    kept = keep_command(message, stores)
    label = find_label(message, stores)
    stores.jobs.fail(message.job, problem.to_problem(), now(), kept, charge_attempt=not counted, label=label)
    meter.add(FAILED, reason=AttemptsSpent.slug, collection=message.collection)


def complete_retry(message: QueueMessage, stores: Stores) -> None:
    """If a retry sent the message, mark the job as queued in its new generation.

    A retry sends the message before it marks the job, and its process may die in between.
    """
    if message.retry_of is not None:
        stores.jobs.requeue(message.job, message.retry_of, now(), not_after=message.not_after)


def unfinished_job(message: QueueMessage, stores: Stores) -> Job:
    """Return the message's job; raise JobEnded if it has ended, has expired, or is in another generation."""
    job = stores.jobs.get(message.job.job_id)
    if job is None or not job.is_unfinished(message.job, now()):
        raise JobEnded
    return job
