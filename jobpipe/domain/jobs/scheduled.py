"""Commands that wait for their time: their place in the index of due jobs, and the message that is sent then.

The index has ten shards, so that many commands can become due at once. All commands of one document are in the
same shard, in the order in which they are released: by time, and within the same time by acceptance.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.commands.command import Command
from jobpipe.domain.jobs.job import Job, ScheduledMessage, Status
from jobpipe.domain.jobs.queue_message import Envelope, QueueMessage, seal_to_wait

SHARDS = tuple(str(number) for number in range(10))
"""The shards of the index."""

MOST_COUNTED = 1000
"""The largest number of waiting commands that `GET /stats` shows; it stands for all larger numbers."""


@dataclass(frozen=True, slots=True)
class DueEntry:
    """An entry of the index: a job, and its place."""

    job_id: str
    due: str


@dataclass(frozen=True, slots=True)
class DuePage:
    """Entries of one shard in their order, and the last entry if others follow."""

    entries: list[DueEntry]
    last: DueEntry | None


def add_message(job: Job, command: Command, request_id: str, position: int = 0) -> Job:
    """Return a scheduled job with its message; return a job that is due unchanged.

    `position` is the position of the command in its batch.
    """
    if job.status is not Status.SCHEDULED or command.not_before is None:
        return job
    envelope = seal_to_wait(QueueMessage.of(job, command, request_id), command)
    due = f"{command.not_before}#{job.created_at}#{position:02}"
    key = None if envelope.claim is None else envelope.claim.key
    return replace(job, waiting=ScheduledMessage(shard_of(envelope.group_id), due, envelope.body, key))


def shard_of(group_id: str) -> str:
    """Return the shard of a document's commands."""
    return SHARDS[hashlib.sha256(group_id.encode()).digest()[0] % len(SHARDS)]


def last_place_at(moment: datetime) -> str:
    """Return a text that sorts after the places of all jobs due at this time, and before all other places."""
    return f"{rfc3339(moment)}#~"


def due_at(entry: DueEntry) -> datetime:
    """Return the time for which the entry waits."""
    return datetime.fromisoformat(entry.due.partition("#")[0])


def message_of(job: Job) -> Envelope:
    """Return the message of a scheduled job, as SQS takes it."""
    if job.waiting is None:
        raise ValueError(f"The job {job.job_id} does not wait.")
    return Envelope(job.waiting.message, job.item.group_id, f"{job.job_id}:{job.generation}")
