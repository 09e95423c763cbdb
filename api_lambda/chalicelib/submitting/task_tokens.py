"""Task tokens: a Step Functions task that waits for a job gets its answer when the job has ended.

A new job is stored with its token. A repeated request may have another token, since Step Functions creates a token
for each try of a state. The last token counts.

    the job ends after the token is stored      the worker that sends the end finds the token
    the job has ended before                    the update returns the ended job, and a message answers the task
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import Command
from jobpipe.domain.errors import InternalError, JobEnded, ProblemError, TaskTokensOff, Unavailable
from jobpipe.domain.jobs.job import Job
from jobpipe.runtime.telemetry import logger

from ..services import Services

if TYPE_CHECKING:
    from .submit_batch import SubmittedBatch


def check_task_tokens(commands: Iterable[Command], services: Services) -> None:
    """Raise TaskTokensOff if a command has a task token and the stage does not answer tokens."""
    if services.tasks is None and any(command.task_token is not None for command in commands):
        raise TaskTokensOff(
            "Task tokens are disabled in this stage: it is deployed without the parameter TaskTokens, which names"
            " the state machines that may wait for jobs and needs Events=on."
        )


def give_token(job: Job, token: str | None, services: Services) -> Job:
    """Store the token of this request with the job of a repeated request; return the updated job.

    If the job has ended, have the task answered now. Raise Unavailable if that is not certain.
    """
    if token is None or services.tasks is None:
        return job
    if job.task_token != token:
        try:
            job = services.jobs.give_task_token(job, token, now())
        except JobEnded:
            raise Unavailable("The job has just expired.") from None
    if job.status.done:
        from jobpipe.domain.events.ended_jobs import WaitingTask  # noqa: PLC0415  # most stages do not need it

        services.tasks.send_task(WaitingTask(job.job_id))
    return job


def give_tokens(
    commands: Mapping[int, Command],
    result: SubmittedBatch,
    services: Services,
    no_time: Callable[[], Unavailable | None],
) -> None:
    """Store the tokens of this request with the jobs of a repeated batch; a job is unsent if that fails."""
    outage: Unavailable | None = None
    for position, command in commands.items():
        job = result.jobs.get(position)
        if job is None or command.task_token is None:
            continue
        outage = outage or no_time()  # in an outage, the calls for the next job would hang as long
        problem: ProblemError | None = outage
        if problem is None:
            try:
                result.jobs[position] = give_token(job, command.task_token, services)
            except Unavailable as error:
                outage = problem = error
            except Exception:  # noqa: BLE001  # the caller must learn of the other commands
                logger.exception("a task token could not be stored; the response has a problem")
                problem = InternalError("The task token could not be stored.")
        if problem is not None:
            result.unsent[position] = problem
            del result.jobs[position]
