"""Cancel a job: end it before its command takes effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobpipe.domain.clock import now
from jobpipe.domain.errors import JobEnded, JobEndedAlready, NotFound
from jobpipe.domain.jobs.job import Job

if TYPE_CHECKING:
    from jobpipe.domain.ports import JobStore


def cancel(job: Job, jobs: JobStore, *, sends_events: bool) -> Job:
    """End the job as cancelled, and return it; return it unchanged if it has ended otherwise.

    `sends_events` says whether the stage sends events. Raise NotFound if it has expired meanwhile.
    """
    while not job.status.done:
        try:
            waiting = job.waiting
            return jobs.cancel(
                job.ref, now(), make_due=waiting is not None and (sends_events or waiting.claim is not None)
            )
        except JobEnded:
            # The worker or another request ended it first, or our own write did, whose response was lost.
            current = jobs.get(job.job_id)
            if current is None or current.is_expired(now()):
                raise NotFound("There is no such job, or it has expired.") from None
            job = current
    return job


def why_not_cancelled(job: Job) -> JobEndedAlready:
    """Return the refusal to cancel a job that has ended."""
    return JobEndedAlready(f"The job has {job.status.value}, so it can no longer be cancelled.")
