"""The worker's, by deliveries of its queue."""

from __future__ import annotations

from jobpipe.domain.commands import Command, DeleteItem, MergePatch, ReadItem
from jobpipe.domain.item import document_key
from jobpipe.domain.job import Job
from tests.helpers.deployed import unique
from tests.iam.lab import HUGE, LARGE, Lab, new_item, record


def do(lab: Lab, command: Command, receives: int = 1) -> tuple[Job, bool]:
    """One delivery of a command that was just accepted."""
    job = lab.accepted(command)
    return job, lab.work(lab.message_of(job, command, receives))


def told(lab: Lab, job: Job, returned: bool) -> str:
    return f"{lab.status(job)}{', returned' if returned else ''}"


def create(lab: Lab) -> str:
    return told(lab, *do(lab, new_item()))


def create_at_the_second_delivery(lab: Lab) -> str:
    return told(lab, *do(lab, new_item(), receives=2))


def read(lab: Lab) -> str:
    return told(lab, *do(lab, ReadItem(lab.existing().item_id)))


def delete(lab: Lab) -> str:
    return told(lab, *do(lab, DeleteItem(lab.existing().item_id)))


def rename(lab: Lab) -> str:
    return told(lab, *do(lab, MergePatch(lab.existing().item_id, {"name": unique("Yurt")})))


def patch_a_large_item(lab: Lab) -> str:
    return told(lab, *do(lab, MergePatch(lab.existing(large=LARGE).item_id, {"colour": "red"})))


def patch_an_item_whose_version_is_gone(lab: Lab) -> str:
    item = lab.existing(large=LARGE)
    lab.lose_version(item)
    return told(lab, *do(lab, MergePatch(item.item_id, {"colour": "red"})))


def supersede_a_document(lab: Lab) -> str:
    item = lab.existing()
    job, returned = do(lab, MergePatch(item.item_id, {"colour": "red"}))
    return f"{told(lab, job, returned)}, documents {lab.documents(item.item_id)}"


def create_by_claim_check(lab: Lab) -> str:
    job, returned = do(lab, new_item(huge=HUGE))
    return f"{told(lab, job, returned)}, claims {lab.claims(job.job_id)}"


def create_after_an_interrupted_attempt(lab: Lab) -> str:
    command = new_item()
    job = lab.accepted(command)
    lab.stores.documents.put(document_key(command.item_id, job.ref, "interrupted"), "{}")
    returned = lab.work(lab.message_of(job, command, receives=2))
    return f"{told(lab, job, returned)}, documents {lab.documents(command.item_id)}"


def garbage(lab: Lab) -> str:
    returned = lab.work(record("no command"))
    return f"{'returned' if returned else 'acknowledged'}, {lab.waiting('parked')} parked"


def acknowledge_before_one_that_runs_alone(lab: Lab) -> str:
    """What is done is deleted at once, so that the next one, which may kill the worker, cannot bring it back."""
    command = new_item()
    job = lab.accepted(command)
    fresh = lab.received(str(lab.message_of(job, command)["body"]))
    lab.work(fresh, record("no command", receives=2))
    return f"{lab.status(job)}, {lab.waiting('commands')} on the queue"


def return_a_message(lab: Lab) -> str:
    """Its claim check is lost: it comes again after a second, not when the queue's visibility ends."""
    command = new_item(huge=HUGE)
    job = lab.accepted(command)
    delivery = lab.received(str(lab.message_of(job, command)["body"]))
    lab.stores.documents.delete(lab.stage.keys(f"claims/{job.job_id}/"))
    returned = lab.work(delivery)
    return f"{told(lab, job, returned)}, {'back' if lab.comes_within(3) else 'not back'} within 3 s"
