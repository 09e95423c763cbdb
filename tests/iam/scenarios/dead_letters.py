"""Deliveries to the dead-letter consumer."""

from __future__ import annotations

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import CreateItem
from jobpipe.domain.jobs.job import Job
from tests.helpers.stored import document_key
from tests.iam.lab import HUGE, LONG, Lab, new_item, record


def end_a_job(lab: Lab) -> str:
    command = new_item()
    job = lab.accept(command)
    return _result(lab, job, lab.run_dead_letter_consumer(lab.delivery_of(job, command)))


def end_a_job_of_a_long_command(lab: Lab) -> str:
    command = new_item(long=LONG)
    job = lab.accept(command)
    returned = lab.run_dead_letter_consumer(lab.delivery_of(job, command))
    return f"{_result(lab, job, returned)}, claims {lab.claims(job.job_id)}"


def end_a_job_after_an_interrupted_attempt(lab: Lab) -> str:
    command = new_item()
    job = _interrupted(lab, command)
    returned = lab.run_dead_letter_consumer(lab.delivery_of(job, command))
    return f"{_result(lab, job, returned)}, documents {lab.documents(command.item_id)}"


def clean_up_after_a_cancelled_job(lab: Lab) -> str:
    command = new_item(huge=HUGE)
    job = _interrupted(lab, command)
    lab.stores.jobs.cancel(job.ref, now())
    returned = lab.run_dead_letter_consumer(lab.delivery_of(job, command))
    left = f"documents {lab.documents(command.item_id)}, claims {lab.claims(job.job_id)}"
    return f"{_result(lab, job, returned)}, {left}"


def unreadable_message(lab: Lab) -> str:
    returned = lab.run_dead_letter_consumer(record("no command"))
    return f"{'returned' if returned else 'acknowledged'}, {lab.waiting('parked')} parked"


def _interrupted(lab: Lab, command: CreateItem) -> Job:
    """Return a job with an attempt that was interrupted after it had put its document."""
    job = lab.accept(command)
    lab.stores.documents.put(document_key(command.item_id, job.ref, "interrupted"), "{}")
    return job


def _result(lab: Lab, job: Job, returned: bool) -> str:
    return f"{lab.status(job)}{', returned' if returned else ''}"
