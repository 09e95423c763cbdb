"""What the worker does for one batch."""

from __future__ import annotations

from typing import Any

from tests.calls.lab import Lab, Side
from tests.calls.operations import HUGE, KILOBYTE, LARGE, Act, document, existing, operation


def working(lab: Lab, job: Any, status: str = "succeeded", receives: int = 1, side: Side = "worker") -> Act:
    """The one message that waits, to the end of its job."""
    messages = lab.receive()

    def act() -> None:
        lab.work(messages, receives, side)
        lab.check(job, status)

    return act


@operation("worker")
def create(lab: Lab) -> Act:
    return working(lab, lab.accepted("POST", "/items", document()))


@operation("worker")
def create_of_1_kb(lab: Lab) -> Act:
    return working(lab, lab.accepted("POST", "/items", document(text=KILOBYTE)))


@operation("worker")
def create_large(lab: Lab) -> Act:
    return working(lab, lab.accepted("POST", "/items", document(text=LARGE)))


@operation("worker")
def create_by_claim(lab: Lab) -> Act:
    return working(lab, lab.accepted("POST", "/items", document(text=HUGE)))


@operation("worker")
def create_at_the_second_delivery(lab: Lab) -> Act:
    """What interrupted the first one is not known."""
    return working(lab, lab.accepted("POST", "/items", document()), receives=2)


@operation("worker", jobs=10)
def create_in_a_batch_of_10(lab: Lab) -> Act:
    jobs = [lab.accepted("POST", "/items", document()) for _ in range(10)]
    messages = lab.receive(10)

    def act() -> None:
        lab.work(messages)
        for job in jobs:
            lab.check(job, "succeeded")

    return act


@operation("worker")
def create_of_a_retried_job(lab: Lab) -> Act:
    """The API has marked it before the worker looks."""
    taken = document()
    holder = lab.ended("POST", "/items", taken)
    job = lab.ended("POST", "/items", taken, status="failed")
    lab.ended("DELETE", f"/items/{holder['item_id']}")
    return working(lab, lab.accepted("POST", f"/jobs/{job['id']}/retry"))


@operation("worker")
def update(lab: Lab) -> Act:
    return working(lab, lab.accepted("PUT", existing(lab), {"price": 11.5}))


@operation("worker")
def update_large(lab: Lab) -> Act:
    return working(lab, lab.accepted("PUT", existing(lab, text=LARGE), {"text": LARGE.upper()}))


@operation("worker")
def patch(lab: Lab) -> Act:
    """A merge patch, which is an update."""
    return working(lab, lab.accepted("PATCH", existing(lab), {"price": 11.5, "tags": None}))


@operation("worker")
def rename(lab: Lab) -> Act:
    return working(lab, lab.accepted("PUT", existing(lab), {"name": document()["name"]}))


@operation("worker")
def delete(lab: Lab) -> Act:
    return working(lab, lab.accepted("DELETE", existing(lab)))


@operation("worker")
def delete_large(lab: Lab) -> Act:
    return working(lab, lab.accepted("DELETE", existing(lab, text=LARGE)))


def reading(lab: Lab, item: str) -> Act:
    return working(lab, lab.accepted("POST", "/jobs", {"operation": "read", "item_id": item.rpartition("/")[2]}))


@operation("worker")
def read(lab: Lab) -> Act:
    return reading(lab, existing(lab))


@operation("worker")
def read_large(lab: Lab) -> Act:
    return reading(lab, existing(lab, text=LARGE))


@operation("worker")
def name_taken(lab: Lab) -> Act:
    body = document()
    lab.ended("POST", "/items", body)
    return working(lab, lab.accepted("POST", "/items", body), "failed")


@operation("worker")
def rename_to_a_taken_name(lab: Lab) -> Act:
    body = document()
    lab.ended("POST", "/items", body)
    return working(lab, lab.accepted("PUT", existing(lab), {"name": body["name"]}), "failed")


@operation("worker")
def not_found(lab: Lab) -> Act:
    return working(lab, lab.accepted("PUT", "/items/no-such-item", {"price": 11.5}), "failed")


@operation("worker")
def wrong_version(lab: Lab) -> Act:
    job = lab.accepted("PUT", existing(lab), {"price": 11.5}, If_Match='"0123456789abcdef"')
    return working(lab, job, "failed")


@operation("worker")
def cancelled(lab: Lab) -> Act:
    """The message of a job that was cancelled."""
    job = lab.accepted("POST", "/items", document())
    assert lab.request("DELETE", f"/jobs/{job['id']}").status_code == 200
    return working(lab, job, "cancelled")


def duplicated(lab: Lab, job: Any) -> Act:
    """A message that was worked off before."""
    messages = lab.receive()
    lab.invoke(messages)

    def act() -> None:
        lab.work(messages)
        lab.check(job, "succeeded")

    return act


@operation("worker")
def duplicate_of_a_create(lab: Lab) -> Act:
    return duplicated(lab, lab.accepted("POST", "/items", document()))


@operation("worker")
def duplicate_of_an_update(lab: Lab) -> Act:
    return duplicated(lab, lab.accepted("PUT", existing(lab), {"price": 11.5}))
