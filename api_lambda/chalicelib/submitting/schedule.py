"""Accept commands that are not due yet: each job is stored with its message, which is sent when the command is due.

    put job       (with its message, and its place in the index of due commands)
    put command   (only if it is over 16 KB: under a key that does not expire)
    202

A crash between the two puts breaks no promise: the caller has no 202, and the repeated request puts the command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from jobpipe.domain import json_text
from jobpipe.domain.commands.command import Command
from jobpipe.domain.errors import InternalError, NotFound, ProblemError, Unavailable
from jobpipe.domain.jobs.cancel import cancel
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.runtime.telemetry import logger

from ..services import Services


def store_command(job: Job, command: Command, services: Services, *, replayed: bool) -> Job:
    """Put the command of a scheduled job into the bucket, if it is too large for the job's row; return the job."""
    key = None if job.waiting is None else job.waiting.claim
    if key is None:
        return job
    if replayed:
        if services.documents.keys(key):
            return job
        # Either the command was never stored, or the job was released and then the object deleted. Reading the job
        # now tells which: the object is deleted only when the job is no longer scheduled.
        job = services.jobs.get(job.job_id) or job
        if job.status is not Status.SCHEDULED:
            return job
    services.documents.put(key, json_text.encode(command.to_raw()))
    return job


def withdraw(job: Job, services: Services) -> None:
    """End a scheduled job whose command may not be stored: without a key, no request can repeat it."""
    with suppress(NotFound):  # the job has expired
        cancel(job, services.jobs, sends_events=services.sends_events)


@dataclass(slots=True)
class StoredCommands:
    """The outcomes of the scheduled commands of a batch, by position."""

    jobs: dict[int, Job] = field(default_factory=dict)
    unstored: dict[int, ProblemError] = field(default_factory=dict)


def store_commands(
    scheduled: Mapping[int, tuple[Job, Command]],
    services: Services,
    no_time: Callable[[], Unavailable | None],
    *,
    replayed: bool,
) -> StoredCommands:
    """Store the commands of a batch that need the bucket; stop at the first outage, in which calls hang."""
    result = StoredCommands()
    outage: Unavailable | None = None
    for position, (job, command) in scheduled.items():
        uses_bucket = job.waiting is not None and job.waiting.claim is not None
        outage = outage or (no_time() if uses_bucket else None)
        if uses_bucket and outage is not None:
            result.unstored[position] = outage
            continue
        try:
            result.jobs[position] = store_command(job, command, services, replayed=replayed)
        except Unavailable as error:
            outage = result.unstored[position] = error
        except Exception:  # noqa: BLE001  # the caller must learn of the other commands
            logger.exception("a scheduled command could not be stored; the response has a problem")
            result.unstored[position] = InternalError("The command could not be stored.")
    return result
