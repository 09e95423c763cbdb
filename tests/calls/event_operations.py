"""The operations of a stage with Events=on: of the worker, and of the functions that tell and deliver.

The functions have processed a message before the one that is counted: the first one after a change of the webhooks
reads all of them, and those after it only whether they have changed.
"""

from __future__ import annotations

from typing import Any

from tests.calls.lab import Lab
from tests.calls.operations import Act, document, operation
from tests.calls.worker_operations import delivery, ten_deliveries


@operation("worker_with_events")
def create(lab: Lab) -> Act:
    return delivery(lab, lab.accept("POST", "/items", document()), lambda_name="worker_with_events")


@operation("worker_with_events", jobs=10)
def create_in_a_batch_of_10(lab: Lab) -> Act:
    return ten_deliveries(lab, [lab.accept("POST", "/items", document()) for _ in range(10)], "worker_with_events")


@operation("events")
def tell_nobody(lab: Lab) -> Act:
    """The end of a job in a stage that has no webhook."""
    _have_webhooks(lab, 0)
    return telling(lab, 1, waking=0)


@operation("events", jobs=10)
def tell_nobody_in_a_batch_of_10(lab: Lab) -> Act:
    _have_webhooks(lab, 0)
    return telling(lab, 10, waking=0)


@operation("events")
def tell_one_webhook(lab: Lab) -> Act:
    _have_webhooks(lab, 1)
    return telling(lab, 1, waking=1)


@operation("events", jobs=10)
def tell_one_webhook_in_a_batch_of_10(lab: Lab) -> Act:
    _have_webhooks(lab, 1)
    return telling(lab, 10, waking=10)


@operation("deliveries")
def deliver(lab: Lab) -> Act:
    """An event, to a receiver that accepts it."""
    return delivering(lab, 1)


@operation("deliveries", jobs=10)
def deliver_in_a_batch_of_10(lab: Lab) -> Act:
    """Ten events of different documents."""
    return delivering(lab, 10)


def telling(lab: Lab, jobs: int, waking: int) -> Act:
    """End so many jobs; return an act that tells their ends as one batch, and checks how many lines it wakes."""
    messages = _messages_of_ended(lab, jobs)

    def act() -> None:
        lab.consume(messages, lambda_name="events")
        if waking:
            lab.receive(waking, "deliveries")
        else:
            assert lab.waiting("deliveries") == 0

    return act


def delivering(lab: Lab, events: int) -> Act:
    """Tell the ends of so many jobs; return an act that delivers them as one batch, and checks that they arrive."""
    _have_webhooks(lab, 1)
    lab.consume(_messages_of_ended(lab, events), lambda_name="events")
    messages = lab.receive(events, "deliveries")
    assert lab.receiver is not None
    received = lab.receiver.received

    def act() -> None:
        before = len(received)
        lab.invoke(messages, lambda_name="deliveries")  # which deletes them itself
        assert len(received) == before + events

    return act


def _messages_of_ended(lab: Lab, jobs: int) -> list[dict[str, Any]]:
    for _ in range(jobs):
        lab.end("POST", "/items", document())
    return lab.receive(jobs, "events")


def _have_webhooks(lab: Lab, count: int) -> None:
    """Let the stage have none or one webhook for the ends of jobs, and let the functions know it."""
    for each in lab.request("GET", "/webhooks").json():
        assert lab.request("DELETE", f"/webhooks/{each['id']}").status_code == 200
    assert lab.receiver is not None
    for _ in range(count):
        answer = lab.request("POST", "/webhooks", {"url": lab.receiver.url, "events": ["job.ended"]})
        assert answer.status_code == 201, answer.text
    lab.consume(_messages_of_ended(lab, 1), lambda_name="events")
    if count:
        lab.invoke(lab.receive(lambda_name="deliveries"), lambda_name="deliveries")
