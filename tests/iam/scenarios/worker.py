"""Deliveries to the worker."""

from __future__ import annotations

from jobpipe.domain.commands.command import Command, DeleteItem, MergePatch, ReadItem
from jobpipe.domain.jobs.job import Job
from tests.helpers.deployed import unique
from tests.helpers.stored import document_key
from tests.iam.lab import HUGE, LARGE, LONG, Lab, new_item, record


def deliver(lab: Lab, command: Command, receives: int = 1) -> tuple[Job, bool]:
    """Accept a command and deliver its message; return its job, and whether the message was returned."""
    job = lab.accept(command)
    return job, lab.run_worker(lab.delivery_of(job, command, receives))


def result(lab: Lab, job: Job, returned: bool) -> str:
    return f"{lab.status(job)}{', returned' if returned else ''}"


def create(lab: Lab) -> str:
    return result(lab, *deliver(lab, new_item()))


def create_at_the_second_delivery(lab: Lab) -> str:
    return result(lab, *deliver(lab, new_item(), receives=2))


def read(lab: Lab) -> str:
    return result(lab, *deliver(lab, ReadItem(lab.create_item().item_id)))


def delete(lab: Lab) -> str:
    return result(lab, *deliver(lab, DeleteItem(lab.create_item().item_id)))


def rename(lab: Lab) -> str:
    return result(lab, *deliver(lab, MergePatch(lab.create_item().item_id, {"name": unique("Yurt")})))


def deliver_together(lab: Lab, *commands: Command) -> tuple[Job, bool]:
    """Deliver the commands of one item in one batch; return the first job, and whether messages were returned."""
    jobs = [lab.accept(command) for command in commands]
    records = [lab.delivery_of(job, command) for job, command in zip(jobs, commands, strict=True)]
    for record_ in records:
        record_["attributes"]["MessageGroupId"] = commands[0].item_id
    return jobs[0], lab.run_worker(*records)


def put_together(lab: Lab, *commands: Command, folder: str = "items") -> str:
    """Count the versions that were put for the item: together, its commands put one document at most."""
    job, returned = deliver_together(lab, *commands)
    return f"{result(lab, job, returned)}, versions {lab.versions(commands[0].item_id, folder)}"


def patch_an_item_twice_in_a_batch(lab: Lab) -> str:
    item_id = lab.create_item().item_id
    return put_together(lab, MergePatch(item_id, {"a": 1}), MergePatch(item_id, {"b": 2}))


def rename_twice_in_a_batch(lab: Lab) -> str:
    item_id = lab.create_item().item_id
    return put_together(lab, *(MergePatch(item_id, {"name": unique("Yurt")}) for _ in range(2)))


def create_and_delete_in_a_batch(lab: Lab) -> str:
    new = new_item()
    return put_together(lab, new, DeleteItem(new.item_id))


def patch_a_large_item(lab: Lab) -> str:
    return result(lab, *deliver(lab, MergePatch(lab.create_item(large=LARGE).item_id, {"colour": "red"})))


def patch_an_item_whose_version_has_expired(lab: Lab) -> str:
    item = lab.create_item(large=LARGE)
    lab.expire_version(item)
    return result(lab, *deliver(lab, MergePatch(item.item_id, {"colour": "red"})))


def patch_an_item(lab: Lab) -> str:
    item = lab.create_item()
    job, returned = deliver(lab, MergePatch(item.item_id, {"colour": "red"}))
    return f"{result(lab, job, returned)}, documents {lab.documents(item.item_id)}"


def create_by_claim_check(lab: Lab) -> str:
    job, returned = deliver(lab, new_item(huge=HUGE))
    return f"{result(lab, job, returned)}, claims {lab.claims(job.job_id)}"


def create_of_a_taken_name_by_a_long_command(lab: Lab) -> str:
    name = lab.create_item().name
    job, returned = deliver(lab, new_item(name=name, long=LONG))
    return f"{result(lab, job, returned)}, claims {lab.claims(job.job_id)}"


def create_after_an_interrupted_attempt(lab: Lab) -> str:
    command = new_item()
    job = lab.accept(command)
    lab.stores.documents.put(document_key(command.item_id, job.ref, "interrupted"), "{}")
    returned = lab.run_worker(lab.delivery_of(job, command, receives=2))
    return f"{result(lab, job, returned)}, documents {lab.documents(command.item_id)}"


def unreadable_message(lab: Lab) -> str:
    returned = lab.run_worker(record("no command"))
    return f"{'returned' if returned else 'acknowledged'}, {lab.waiting('parked')} parked"


def acknowledge_before_a_redelivered_message(lab: Lab) -> str:
    """A finished message is deleted before a redelivered one, which may kill the worker, is processed."""
    command = new_item()
    job = lab.accept(command)
    new = lab.receive(str(lab.delivery_of(job, command)["body"]))
    lab.run_worker(new, record("no command", receives=2))
    return f"{lab.status(job)}, {lab.waiting('commands')} on the queue"


def interrupted_command(lab: Lab) -> str:
    """The claim check is missing: the message is redelivered after a second, before its visibility timeout ends."""
    command = new_item(huge=HUGE)
    job = lab.accept(command)
    delivery = lab.receive(str(lab.delivery_of(job, command)["body"]))
    lab.stores.documents.delete(lab.stage.keys(f"claims/{job.job_id}/"))
    returned = lab.run_worker(delivery)
    redelivered = "redelivered" if lab.is_redelivered_within(3) else "not redelivered"
    return f"{result(lab, job, returned)}, {redelivered} within 3 s"
