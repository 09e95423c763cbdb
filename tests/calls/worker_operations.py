"""The operations of the worker: one batch each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.calls.lab import Lab, LambdaName
from tests.calls.operations import HUGE, KILOBYTE, LARGE, LONG, Act, created_item, document, operation


def delivery(
    lab: Lab, job: Any, status: str = "succeeded", receives: int = 1, lambda_name: LambdaName = "worker"
) -> Act:
    """Receive the one message; return an act that processes it and checks the status of its job."""
    messages = lab.receive()

    def act() -> None:
        lab.consume(messages, receives, lambda_name)
        lab.check_status(job, status)

    return act


@operation("worker")
def create(lab: Lab) -> Act:
    return delivery(lab, lab.accept("POST", "/items", document()))


@operation("worker")
def create_of_1_kb(lab: Lab) -> Act:
    return delivery(lab, lab.accept("POST", "/items", document(text=KILOBYTE)))


@operation("worker")
def create_large(lab: Lab) -> Act:
    return delivery(lab, lab.accept("POST", "/items", document(text=LARGE)))


@operation("worker")
def create_by_claim(lab: Lab) -> Act:
    return delivery(lab, lab.accept("POST", "/items", document(text=HUGE)))


@operation("worker")
def create_at_the_second_delivery(lab: Lab) -> Act:
    """A redelivery after an interruption of an unknown cause."""
    return delivery(lab, lab.accept("POST", "/items", document()), receives=2)


def ten_deliveries(lab: Lab, jobs: Sequence[Any], lambda_name: LambdaName = "worker") -> Act:
    """Receive the ten messages; return an act that processes them as one batch and checks their jobs."""
    messages = lab.receive(10)

    def act() -> None:
        lab.consume(messages, lambda_name=lambda_name)
        for job in jobs:
            lab.check_status(job, "succeeded")

    return act


@operation("worker", jobs=10)
def create_in_a_batch_of_10(lab: Lab) -> Act:
    return ten_deliveries(lab, [lab.accept("POST", "/items", document()) for _ in range(10)])


@operation("worker", jobs=10)
def update_in_a_batch_of_10(lab: Lab) -> Act:
    items = [created_item(lab) for _ in range(10)]
    return ten_deliveries(lab, [lab.accept("PUT", each, {"price": 11.5}) for each in items])


@operation("worker", jobs=10)
def update_of_one_item_in_a_batch_of_10(lab: Lab) -> Act:
    each = created_item(lab)
    return ten_deliveries(lab, [lab.accept("PUT", each, {"price": n}) for n in range(10)])


@operation("worker", jobs=10)
def delete_in_a_batch_of_10(lab: Lab) -> Act:
    items = [created_item(lab) for _ in range(10)]
    return ten_deliveries(lab, [lab.accept("DELETE", each) for each in items])


@operation("worker", jobs=10)
def read_in_a_batch_of_10(lab: Lab) -> Act:
    ids = [created_item(lab).rpartition("/")[2] for _ in range(10)]
    return ten_deliveries(
        lab, [lab.accept("POST", "/jobs", {"operation": "read", "item_id": each}) for each in ids]
    )


@operation("worker")
def create_of_a_retried_job(lab: Lab) -> Act:
    """A job that the API has marked as retried."""
    taken = document()
    first = lab.end("POST", "/items", taken)
    job = lab.end("POST", "/items", taken, status="failed")
    lab.end("DELETE", f"/items/{first['item_id']}")
    return delivery(lab, lab.accept("POST", f"/jobs/{job['id']}/retry"))


@operation("worker")
def update(lab: Lab) -> Act:
    return delivery(lab, lab.accept("PUT", created_item(lab), {"price": 11.5}))


@operation("worker")
def update_large(lab: Lab) -> Act:
    return delivery(lab, lab.accept("PUT", created_item(lab, text=LARGE), {"text": LARGE.upper()}))


@operation("worker")
def patch(lab: Lab) -> Act:
    """A merge patch, which is an update."""
    return delivery(lab, lab.accept("PATCH", created_item(lab), {"price": 11.5, "tags": None}))


@operation("worker")
def rename(lab: Lab) -> Act:
    return delivery(lab, lab.accept("PUT", created_item(lab), {"name": document()["name"]}))


@operation("worker")
def delete(lab: Lab) -> Act:
    return delivery(lab, lab.accept("DELETE", created_item(lab)))


@operation("worker")
def delete_large(lab: Lab) -> Act:
    return delivery(lab, lab.accept("DELETE", created_item(lab, text=LARGE)))


def delivered_read(lab: Lab, item: str) -> Act:
    return delivery(lab, lab.accept("POST", "/jobs", {"operation": "read", "item_id": item.rpartition("/")[2]}))


@operation("worker")
def read(lab: Lab) -> Act:
    return delivered_read(lab, created_item(lab))


@operation("worker")
def read_large(lab: Lab) -> Act:
    return delivered_read(lab, created_item(lab, text=LARGE))


@operation("worker")
def name_taken(lab: Lab) -> Act:
    body = document()
    lab.end("POST", "/items", body)
    return delivery(lab, lab.accept("POST", "/items", body), "failed")


@operation("worker")
def name_taken_by_a_long_command(lab: Lab) -> Act:
    """The failed job keeps the command as a claim check."""
    body = document(text=LONG)
    lab.end("POST", "/items", body)
    return delivery(lab, lab.accept("POST", "/items", body), "failed")


@operation("worker")
def rename_to_a_taken_name(lab: Lab) -> Act:
    body = document()
    lab.end("POST", "/items", body)
    return delivery(lab, lab.accept("PUT", created_item(lab), {"name": body["name"]}), "failed")


@operation("worker")
def not_found(lab: Lab) -> Act:
    return delivery(lab, lab.accept("PUT", "/items/no-such-item", {"price": 11.5}), "failed")


@operation("worker")
def wrong_version(lab: Lab) -> Act:
    job = lab.accept("PUT", created_item(lab), {"price": 11.5}, If_Match='"0123456789abcdef"')
    return delivery(lab, job, "failed")


@operation("worker")
def cancelled(lab: Lab) -> Act:
    """The message of a job that was cancelled."""
    job = lab.accept("POST", "/items", document())
    assert lab.request("DELETE", f"/jobs/{job['id']}").status_code == 200
    return delivery(lab, job, "cancelled")


def duplicate(lab: Lab, job: Any) -> Act:
    """Process a message; return an act that processes it again."""
    messages = lab.receive()
    lab.invoke(messages)

    def act() -> None:
        lab.consume(messages)
        lab.check_status(job, "succeeded")

    return act


@operation("worker")
def duplicate_of_a_create(lab: Lab) -> Act:
    return duplicate(lab, lab.accept("POST", "/items", document()))


@operation("worker")
def duplicate_of_an_update(lab: Lab) -> Act:
    return duplicate(lab, lab.accept("PUT", created_item(lab), {"price": 11.5}))
