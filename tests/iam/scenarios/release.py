"""Invocations of the function that releases scheduled commands."""

from __future__ import annotations

from datetime import timedelta

from jobpipe.domain.clock import now
from jobpipe.domain.jobs.claim_check import claim_key
from jobpipe.domain.jobs.job import Job
from tests.iam.lab import HUGE, Lab, new_item


def release(lab: Lab) -> str:
    job = lab.let_wait(new_item())
    # The rule of the stage may release other jobs meanwhile, such as those that other scenarios have cancelled.
    return f"{_released(lab, job)}, {lab.messages_of(job)} on the queue"


def release_a_large_command(lab: Lab) -> str:
    job = lab.let_wait(new_item(huge=HUGE))
    return f"{_released(lab, job)}, {_left(lab, job)}"


def release_a_cancelled_large_command(lab: Lab) -> str:
    """An earlier release has put the claim check, and died."""
    job = lab.let_wait(new_item(huge=HUGE))
    assert job.waiting is not None
    assert job.waiting.claim is not None
    lab.stores.documents.put(claim_key(job.waiting.claim), "{}")
    lab.stores.jobs.cancel(job.ref, now() - timedelta(seconds=30), make_due=True)
    return f"{_released(lab, job)}, {_left(lab, job)}"


def _released(lab: Lab, job: Job) -> str:
    """Return the job's status after a release, and let no other release find it."""
    lab.release()
    status = lab.status(job)
    if status == "scheduled":
        lab.stores.jobs.cancel(job.ref, now())
    return status


def _left(lab: Lab, job: Job) -> str:
    return f"commands {lab.commands(job.job_id)}, claims {lab.claims(job.job_id)}"
