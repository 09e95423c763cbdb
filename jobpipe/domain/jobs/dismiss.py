"""Dismiss a failed job: remove it from the list of failed jobs, and change nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobpipe.domain.clock import now
from jobpipe.domain.errors import JobEnded, JobNotFailed, NotFound
from jobpipe.domain.jobs.job import Job, Status

if TYPE_CHECKING:
    from jobpipe.domain.ports import JobStore


def dismiss(job: Job, jobs: JobStore) -> Job:
    """Remove the failed job from the list of failed jobs and return it; return a dismissed job unchanged.

    Raise JobNotFailed if it has another status, and NotFound if it has expired meanwhile.
    """
    while job.status is Status.FAILED and job.dismissed_at is None:
        try:
            return jobs.dismiss(job.ref, now())
        except JobEnded:  # it was retried meanwhile, or it has expired
            current = jobs.get(job.job_id)
            if current is None or current.is_expired(now()):
                raise NotFound("There is no such job, or it has expired.") from None
            job = current
    if job.status is not Status.FAILED:
        raise JobNotFailed(f"The status of this job is {job.status.value}; only a failed job can be dismissed.")
    return job
