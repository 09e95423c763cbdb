"""Every operation, prepared uncounted and then done once under the meter.

An operation of the API is one request; one of the worker is one batch, of one command unless it says otherwise.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from tests.calls.lab import Lab, Side

Act = Callable[[], requests.Response | None]
Prepare = Callable[[Lab], Act]

KILOBYTE = "x" * 1000
INLINE = "x" * 3900  # about the most that stands inline in a row
LARGE = "x" * 100_000  # far over it
HUGE = "x" * 210_000  # over what a message holds
OPERATIONS: dict[tuple[Side, str], Operation] = {}


@dataclass(frozen=True)
class Operation:
    """What is done before, and once under the meter."""

    side: Side
    prepare: Prepare
    jobs: int = 1  # what is counted belongs to so many


def operation(side: Side, jobs: int = 1) -> Callable[[Prepare], Prepare]:
    def add(prepare: Prepare) -> Prepare:
        OPERATIONS[side, prepare.__name__] = Operation(side, prepare, jobs)
        return prepare

    return add


def document(**more: Any) -> dict[str, Any]:
    """A small one of a typical size; its name is nobody else's."""
    name = f"Tent {secrets.token_hex(6)}"
    return {"name": name, "description": "For two", "price": 12.95, "tags": ["light", "green"], "stock": 7, **more}


def existing(lab: Lab, **more: Any) -> str:
    """The path of an item."""
    return f"/items/{lab.ended('POST', '/items', document(**more))['item_id']}"


def failed(lab: Lab) -> Any:
    """A job that failed: its name was taken."""
    taken = document()
    lab.ended("POST", "/items", taken)
    return lab.ended("POST", "/items", taken, status="failed")


# --- what reads what is there: first, while nothing else is -------------------------------------------------------


@operation("api")
def list_page(lab: Lab) -> Act:
    """Ten small items."""
    for _ in range(9):  # one is there from the warm-up
        existing(lab)
    return lambda: lab.request("GET", "/items?limit=10")


@operation("api")
def list_failed_jobs(lab: Lab) -> Act:
    failed(lab)
    return lambda: lab.request("GET", "/jobs?status=failed")


@operation("api")
def health(lab: Lab) -> Act:
    return lambda: lab.request("GET", "/health")


@operation("api")
def get_item(lab: Lab) -> Act:
    item = existing(lab)
    return lambda: lab.request("GET", item)


@operation("api")
def get_large_item(lab: Lab) -> Act:
    item = existing(lab, text=LARGE)
    return lambda: lab.request("GET", item)


# --- accepting ----------------------------------------------------------------------------------------------------


def accepting(lab: Lab, method: str, path: str, body: Any = None, **headers: str) -> Act:
    """A command that is taken."""

    def act() -> requests.Response:
        answer = lab.request(method, path, body, **headers)
        assert answer.status_code == 202, answer.text
        return answer

    return act


@operation("api")
def accept_create(lab: Lab) -> Act:
    return accepting(lab, "POST", "/items", document())


@operation("api")
def accept_create_with_key(lab: Lab) -> Act:
    return accepting(lab, "POST", "/items", document(), Idempotency_Key=secrets.token_hex(8))


@operation("api")
def accept_create_large(lab: Lab) -> Act:
    return accepting(lab, "POST", "/items", document(text=LARGE))


@operation("api")
def accept_create_by_claim(lab: Lab) -> Act:
    return accepting(lab, "POST", "/items", document(text=HUGE))


@operation("api")
def accept_update(lab: Lab) -> Act:
    return accepting(lab, "PUT", existing(lab), {"price": 11.5})


@operation("api")
def accept_update_large(lab: Lab) -> Act:
    return accepting(lab, "PUT", existing(lab, text=LARGE), {"text": LARGE.upper()})


@operation("api")
def accept_delete(lab: Lab) -> Act:
    return accepting(lab, "DELETE", existing(lab))


@operation("api")
def accept_read(lab: Lab) -> Act:
    item_id = existing(lab).rpartition("/")[2]
    return accepting(lab, "POST", "/jobs", {"operation": "read", "item_id": item_id})


@operation("api")
def refuse(lab: Lab) -> Act:
    """A bad request."""
    return lambda: lab.request("POST", "/items", {"name": ""})


@operation("api")
def replay(lab: Lab) -> Act:
    """The same key while the job is queued: its message might never have been sent."""
    key, body = secrets.token_hex(8), document()
    lab.accepted("POST", "/items", body, Idempotency_Key=key)
    return accepting(lab, "POST", "/items", body, Idempotency_Key=key)


@operation("api")
def replay_by_claim(lab: Lab) -> Act:
    key, body = secrets.token_hex(8), document(text=HUGE)
    lab.accepted("POST", "/items", body, Idempotency_Key=key)
    return accepting(lab, "POST", "/items", body, Idempotency_Key=key)


@operation("api")
def replay_of_an_ended_job(lab: Lab) -> Act:
    key, body = secrets.token_hex(8), document()
    lab.accepted("POST", "/items", body, Idempotency_Key=key)
    lab.work(lab.receive())
    return accepting(lab, "POST", "/items", body, Idempotency_Key=key)


# --- jobs ---------------------------------------------------------------------------------------------------------


@operation("api")
def poll_unfinished(lab: Lab) -> Act:
    job = lab.accepted("POST", "/items", document())
    return lambda: lab.request("GET", f"/jobs/{job['id']}")


@operation("api")
def poll(lab: Lab) -> Act:
    """An ended job, with the item that it left."""
    job = lab.ended("POST", "/items", document())
    return lambda: lab.request("GET", f"/jobs/{job['id']}")


@operation("api")
def poll_large(lab: Lab) -> Act:
    job = lab.ended("POST", "/items", document(text=LARGE))
    return lambda: lab.request("GET", f"/jobs/{job['id']}")


@operation("api")
def cancel(lab: Lab) -> Act:
    job = lab.accepted("POST", "/items", document())
    return lambda: lab.request("DELETE", f"/jobs/{job['id']}")


@operation("api")
def retry(lab: Lab) -> Act:
    job = failed(lab)
    return accepting(lab, "POST", f"/jobs/{job['id']}/retry")


# --- working ------------------------------------------------------------------------------------------------------


def working(lab: Lab, job: Any, status: str = "succeeded", receives: int = 1) -> Act:
    """The one message that waits, to the end of its job."""
    messages = lab.receive()

    def act() -> None:
        lab.work(messages, receives)
        lab.check(job, status)

    return act


@operation("worker")
def create(lab: Lab) -> Act:
    return working(lab, lab.accepted("POST", "/items", document()))


@operation("worker")
def create_of_1_kb(lab: Lab) -> Act:
    return working(lab, lab.accepted("POST", "/items", document(text=KILOBYTE)))


@operation("worker")
def create_of_4_kb(lab: Lab) -> Act:
    return working(lab, lab.accepted("POST", "/items", document(text=INLINE)))


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
