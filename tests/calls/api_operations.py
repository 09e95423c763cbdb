"""What the API does for one request."""

from __future__ import annotations

import secrets
from typing import Any

import requests

from tests.calls.lab import Lab
from tests.calls.operations import HUGE, LARGE, Act, document, existing, failed, operation

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
def stats(lab: Lab) -> Act:
    return lambda: lab.request("GET", "/stats")


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


@operation("api", jobs=100)
def accept_batch_of_100(lab: Lab) -> Act:
    """Creates, each of another item."""
    return accepting(lab, "POST", "/batches", _hundred_creates())


@operation("api")
def accept_update(lab: Lab) -> Act:
    return accepting(lab, "PUT", existing(lab), {"price": 11.5})


@operation("api")
def accept_update_large(lab: Lab) -> Act:
    return accepting(lab, "PUT", existing(lab, text=LARGE), {"text": LARGE.upper()})


@operation("api")
def accept_patch(lab: Lab) -> Act:
    return accepting(lab, "PATCH", existing(lab), {"price": 11.5, "tags": None})


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


@operation("api", jobs=100)
def poll_batch_of_100(lab: Lab) -> Act:
    """Its jobs wait."""
    batch = lab.accepted("POST", "/batches", _hundred_creates())
    return lambda: lab.request("GET", f"/batches/{batch['id']}")


@operation("api")
def cancel(lab: Lab) -> Act:
    job = lab.accepted("POST", "/items", document())
    return lambda: lab.request("DELETE", f"/jobs/{job['id']}")


@operation("api")
def retry(lab: Lab) -> Act:
    job = failed(lab)
    return accepting(lab, "POST", f"/jobs/{job['id']}/retry")


def _hundred_creates() -> dict[str, Any]:
    return {"commands": [{"operation": "create", "item": document()} for _ in range(100)]}
