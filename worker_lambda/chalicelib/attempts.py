"""The state machine of attempts: how often a command was tried, and when it is given up.

The first delivery of a message runs unrecorded, in parallel with others: if the worker dies, any may be the cause.
From the second delivery on, the attempt is recorded on the job before it starts, so that the death of a worker is
charged to the command that ran. SQS's receive count would also include crashes that other messages caused.
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
from .labels import label_of_failed


class Event(Enum):
    """What happened to an unfinished job."""

    REDELIVERED = auto()  # its message was delivered again, and its command is about to run
    OUTAGE = auto()  # an outage of AWS interrupted the command
    FAULT = auto()  # an error of this software interrupted the command


class Step(Enum):
    """What the worker does with the job next."""

    RUN = auto()  # start an attempt
    RETRY = auto()  # wait for the next delivery
    GIVE_UP = auto()  # end the job as failed


def next_step(job: Job, event: Event, *, recorded: bool = False) -> tuple[Step, int]:
    """Return the next step, and the number of attempts that are charged after it.

    `recorded`: whether this delivery has recorded the running attempt. If not, the worker of that attempt died.
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
    """Return how many attempts are charged, including one that started and never reported its end."""
    return job.attempts if job.running_attempt is None else job.running_attempt


def start_attempt(message: QueueMessage, stores: Stores) -> bool:
    """Record the attempt that is about to start; return False if the command was given up instead."""
    job = unfinished_job(message, stores)
    step, charged = next_step(job, Event.REDELIVERED)
    if step is Step.GIVE_UP:
        _give_up(message, job, stores)
        return False
    stores.jobs.begin_attempt(message.job, charged, now())
    return True


def record_interruption(message: QueueMessage, error: Exception, stores: Stores, *, recorded: bool) -> int | None:
    """Record what interrupted the command; return the number of interruptions, or None if it was given up."""
    job = unfinished_job(message, stores)
    step, charged = next_step(job, event_of(error), recorded=recorded)
    if step is Step.GIVE_UP:
        _give_up(message, job, stores)
        return None
    interruptions, label = job.interruptions + 1, label_of_failed(message, stores)
    stores.jobs.record_interruption(message.job, _problem_of(error), charged, interruptions, now(), label=label)
    return interruptions


def event_of(error: Exception) -> Event:
    """Return the event for an error: an outage or a fault."""
    return Event.OUTAGE if isinstance(error, Unavailable) else Event.FAULT


def _problem_of(error: Exception) -> Problem:
    fault = InternalError("An internal error interrupted the command; it will be tried again.")
    return (error if isinstance(error, Unavailable) else fault).to_problem()


def _give_up(message: QueueMessage, job: Job, stores: Stores) -> None:
    problem = AttemptsSpent(
        f"The command was given up after {MAX_ATTEMPTS} attempts; retry the job when the cause is gone."
    )
    # If an outage followed the last attempt, that attempt has been counted already.
    counted = job.attempts >= MAX_ATTEMPTS
    kept = keep_command(message, stores)
    label = label_of_failed(message, stores)
    stores.jobs.fail(message.job, problem.to_problem(), now(), kept, charge_attempt=not counted, label=label)
    meter.add(FAILED, reason=AttemptsSpent.slug, collection=message.collection)


def complete_retry(message: QueueMessage, stores: Stores) -> None:
    """If a retry sent the message, mark the job as queued in its new generation.

    A retry sends the message before it marks the job, and may die between the two.
    """
    if message.retry_of is not None:
        stores.jobs.requeue(message.job, message.retry_of, now(), not_after=message.not_after)


def unfinished_job(message: QueueMessage, stores: Stores) -> Job:
    """Return the message's job; raise JobEnded if it has ended, has expired, or is in another generation."""
    job = stores.jobs.get(message.job.job_id)
    if job is None or not job.is_unfinished(message.job, now()):
        raise JobEnded
    return job
