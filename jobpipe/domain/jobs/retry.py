"""Retry a failed job: send the message first, then mark the job as queued."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.commands.command import Command
from jobpipe.domain.commands.not_after import MEMBER, has_passed
from jobpipe.domain.errors import (
    PROBLEM_TYPE_PREFIX,
    CommandTooLate,
    JobEnded,
    JobEndedAlready,
    NotFound,
    Refusal,
    Unavailable,
)
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.claim_check import Claim, make_claim_check
from jobpipe.domain.jobs.job import Job, Status, new_generation
from jobpipe.domain.jobs.queue_message import QueueMessage, kept_content, seal
from jobpipe.domain.missing_objects import may_become_visible

if TYPE_CHECKING:
    from jobpipe.domain.ports import CommandQueue, DocumentStore, JobStore


def retry(
    job: Job,
    *,
    jobs: JobStore,
    documents: DocumentStore,
    queue: CommandQueue,
    request_id: str,
    at: datetime,
    not_after: str | None = None,
) -> Job:
    """Queue the job's command again, behind the item's other commands; raise JobEndedAlready if that is impossible.

    `not_after` is a new time limit for the command. Without it, raise CommandTooLate if the present one has passed.
    An unfinished job is left as it is, so that a retry can safely be requested twice.
    """
    if not job.status.done:
        return job
    if job.status is not Status.FAILED:
        raise JobEndedAlready(f"The job has {job.status.value}; only a failed one can be retried.")
    limit = not_after or _check_limit(job, at)
    content = _kept_command(job)
    if isinstance(content, Claim):
        _renew(content, job, documents)  # the message has a new time limit beside it
    elif not_after is not None:
        content = _with_limit(content, not_after, job, documents)
    # If this crashes before the job is marked, the worker marks it when it gets the message. A new generation gives
    # a new deduplication id: SQS would drop the old one within five minutes of the first message.
    ref = JobRef(job.job_id, new_generation())
    message = QueueMessage(
        *(ref, job.item_id, content, request_id, job.generation),
        collection=job.collection,
        scope=job.scope,
        owner=job.owner,
        at=rfc3339(at),
        not_after=limit,
    )
    queue.send(seal(message))
    try:
        return jobs.requeue(ref, job.generation, at, not_after=limit)
    except JobEnded:
        current = jobs.get(job.job_id)  # the worker has ended it already, or another retry was faster
        if current is None:
            raise NotFound("There is no such job, or it has expired.") from None
        return current


def _check_limit(job: Job, at: datetime) -> str | None:
    """Return the time limit of the job's command; raise CommandTooLate if it has passed by any clock."""
    too_late = job.error is not None and job.error["type"] == PROBLEM_TYPE_PREFIX + CommandTooLate.slug
    if job.not_after is not None and (too_late or has_passed(job.not_after, at)):
        raise CommandTooLate(
            f"The command must not take effect after {job.not_after}; a retry of this job needs a new {MEMBER}."
        )
    return job.not_after


def _kept_command(job: Job) -> Command | Claim:
    try:
        content = None if job.kept is None else kept_content(job.kept, job.item)
    except Refusal as refusal:  # newer rules refuse the command
        raise JobEndedAlready(f"The command of this job is no longer valid. {refusal.detail}") from None
    if content is None:
        raise JobEndedAlready("The job was never accepted, so there is no command to retry.")
    return content


def _with_limit(command: Command, not_after: str, job: Job, documents: DocumentStore) -> Command | Claim:
    """Return the command with a new time limit, as a claim check if it is now too large for a message."""
    command = replace(command, not_after=not_after)
    check = make_claim_check(job.ref, command)
    if check is None:
        return command
    documents.put(check.key, check.text)
    return Claim(check.key)


def _renew(claim: Claim, job: Job, documents: DocumentStore) -> None:
    """Put the claim check again, since the bucket deletes it by its age."""
    text = documents.get_by_key(claim.key)
    if text is None:
        if may_become_visible(datetime.fromisoformat(job.updated_at)):  # it existed when the job failed
            raise Unavailable("The command of this job is not visible yet.")
        raise JobEndedAlready("The command of this job is no longer stored.")
    documents.put(claim.key, text)
