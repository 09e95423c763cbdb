"""An explicit retry of a failed job: the message is sent first, the job is marked second."""

from __future__ import annotations

from datetime import datetime

from jobpipe.domain.errors import JobEnded, JobEndedAlready, NotFound, Refusal, Unavailable
from jobpipe.domain.job import Job, Status, new_generation
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.missing_objects import may_become_visible
from jobpipe.domain.ports import CommandQueue, DocumentStore, JobStore
from jobpipe.domain.queue_message import Claim, QueueMessage, kept_content, seal


def retry(
    job: Job, *, jobs: JobStore, documents: DocumentStore, queue: CommandQueue, request_id: str, at: datetime
) -> Job:
    """Queue the job's command again, in a new place of its item's order; JobEndedAlready if it has not failed.

    A job that waits or runs is left as it is, so that a retry can safely be asked for twice.
    """
    if not job.status.done:
        return job
    if job.status is not Status.FAILED:
        raise JobEndedAlready(f"The job has {job.status.value}; only a failed one can be retried.")
    try:
        content = None if job.kept is None else kept_content(job.kept, job.item_id)
    except Refusal as refusal:  # of rules that are newer than the command; whoever retries has sent no body
        raise JobEndedAlready(f"The command of this job is not valid any more. {refusal.detail}") from None
    if content is None:
        raise JobEndedAlready("The job was never accepted, so there is no command to retry.")
    if isinstance(content, Claim):
        _renew(content, job, documents)
    # A crash between the two strands nothing: the worker takes a message one generation ahead of a failed job.
    # And a new generation is a new deduplication id: within five minutes of the old message SQS would drop this.
    ref = JobRef(job.job_id, new_generation())
    queue.send(seal(QueueMessage(ref, job.item_id, content, request_id, retry_of=job.generation)))
    try:
        return jobs.requeue(ref, job.generation, at)
    except JobEnded:
        now = jobs.get(job.job_id)  # the worker has ended it by now, or another retry was faster
        if now is None:
            raise NotFound("There is no such job, or it has expired.") from None
        return now


def _renew(claim: Claim, job: Job, documents: DocumentStore) -> None:
    """Put the claim check again: the bucket expires it by its age, and the job lives on."""
    text = documents.get_by_key(claim.key)
    if text is None:
        if may_become_visible(datetime.fromisoformat(job.updated_at)):  # it existed when the job failed
            raise Unavailable("The command of this job is not visible yet.")
        raise JobEndedAlready("The command of this job is no longer stored.")
    documents.put(claim.key, text)
