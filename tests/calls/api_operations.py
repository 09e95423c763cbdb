"""The operations of the API: one request each."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import requests

from jobpipe.domain.clock import now, rfc3339
from tests.calls.lab import Lab
from tests.calls.operations import HUGE, LARGE, LONG, Act, created_item, document, failed_job, operation

# --- lists and reads: these run first, while the tables are nearly empty ------------------------------------------


@operation("api")
def list_page(lab: Lab) -> Act:
    """A page of ten small items."""
    for _ in range(9):  # the warm-up has created one
        created_item(lab)
    return lambda: lab.request("GET", "/items?limit=10")


@operation("api")
def list_failed_jobs(lab: Lab) -> Act:
    failed_job(lab)
    return lambda: lab.request("GET", "/jobs?status=failed")


@operation("api")
def stats(lab: Lab) -> Act:
    """The process knows that nothing was scheduled a moment ago."""
    lab.request("GET", "/stats")
    return lambda: lab.request("GET", "/stats")


@operation("api")
def stats_that_count_scheduled(lab: Lab) -> Act:
    """As once a minute in a process, and after each command that it schedules; here nothing is scheduled."""
    tomorrow = rfc3339(now() + timedelta(days=1))
    job = lab.accept("POST", "/jobs", {"operation": "create", "not_before": tomorrow, "item": document()})
    assert lab.request("DELETE", f"/jobs/{job['id']}").status_code == 200
    return lambda: lab.request("GET", "/stats")


@operation("api")
def health(lab: Lab) -> Act:
    return lambda: lab.request("GET", "/health")


@operation("api")
def get_item(lab: Lab) -> Act:
    item = created_item(lab)
    return lambda: lab.request("GET", item)


@operation("api")
def get_large_item(lab: Lab) -> Act:
    item = created_item(lab, text=LARGE)
    return lambda: lab.request("GET", item)


# --- commands -----------------------------------------------------------------------------------------------------


def command(lab: Lab, method: str, path: str, body: Any = None, **headers: str) -> Act:
    """Return an act that sends a command and checks that it is accepted."""

    def act() -> requests.Response:
        answer = lab.request(method, path, body, **headers)
        assert answer.status_code == 202, answer.text
        return answer

    return act


@operation("api")
def accept_create(lab: Lab) -> Act:
    return command(lab, "POST", "/items", document())


@operation("api")
def accept_create_with_key(lab: Lab) -> Act:
    return command(lab, "POST", "/items", document(), Idempotency_Key=secrets.token_hex(8))


@operation("api")
def accept_create_large(lab: Lab) -> Act:
    return command(lab, "POST", "/items", document(text=LARGE))


@operation("api")
def accept_create_by_claim(lab: Lab) -> Act:
    return command(lab, "POST", "/items", document(text=HUGE))


@operation("api", jobs=100)
def accept_batch_of_100(lab: Lab) -> Act:
    """A hundred creates of different items."""
    return command(lab, "POST", "/batches", _hundred_creates())


@operation("api")
def accept_update(lab: Lab) -> Act:
    return command(lab, "PUT", created_item(lab), {"price": 11.5})


@operation("api")
def accept_update_large(lab: Lab) -> Act:
    return command(lab, "PUT", created_item(lab, text=LARGE), {"text": LARGE.upper()})


@operation("api")
def accept_patch(lab: Lab) -> Act:
    return command(lab, "PATCH", created_item(lab), {"price": 11.5, "tags": None})


@operation("api")
def accept_delete(lab: Lab) -> Act:
    return command(lab, "DELETE", created_item(lab))


@operation("api")
def accept_read(lab: Lab) -> Act:
    item_id = created_item(lab).rpartition("/")[2]
    return command(lab, "POST", "/jobs", {"operation": "read", "item_id": item_id})


@operation("api")
def refuse(lab: Lab) -> Act:
    """An invalid command."""
    return lambda: lab.request("POST", "/items", {"name": ""})


@operation("api")
def replay(lab: Lab) -> Act:
    """The same idempotency key while the job is queued: its message may not have been sent."""
    key, body = secrets.token_hex(8), document()
    lab.accept("POST", "/items", body, Idempotency_Key=key)
    return command(lab, "POST", "/items", body, Idempotency_Key=key)


@operation("api")
def replay_by_claim(lab: Lab) -> Act:
    key, body = secrets.token_hex(8), document(text=HUGE)
    lab.accept("POST", "/items", body, Idempotency_Key=key)
    return command(lab, "POST", "/items", body, Idempotency_Key=key)


@operation("api")
def replay_of_a_long_command(lab: Lab) -> Act:
    """An earlier release may have put a claim check for it, which is looked for."""
    key, body = secrets.token_hex(8), document(text=LONG)
    lab.accept("POST", "/items", body, Idempotency_Key=key)
    return command(lab, "POST", "/items", body, Idempotency_Key=key)


@operation("api")
def accept_create_long(lab: Lab) -> Act:
    return command(lab, "POST", "/items", document(text=LONG))


@operation("api")
def replay_of_an_ended_job(lab: Lab) -> Act:
    key, body = secrets.token_hex(8), document()
    lab.accept("POST", "/items", body, Idempotency_Key=key)
    lab.consume(lab.receive())
    return command(lab, "POST", "/items", body, Idempotency_Key=key)


# --- jobs ---------------------------------------------------------------------------------------------------------


@operation("api")
def poll_unfinished(lab: Lab) -> Act:
    job = lab.accept("POST", "/items", document())
    return lambda: lab.request("GET", f"/jobs/{job['id']}")


@operation("api")
def poll(lab: Lab) -> Act:
    """A succeeded job, with its item."""
    job = lab.end("POST", "/items", document())
    return lambda: lab.request("GET", f"/jobs/{job['id']}")


@operation("api")
def poll_large(lab: Lab) -> Act:
    job = lab.end("POST", "/items", document(text=LARGE))
    return lambda: lab.request("GET", f"/jobs/{job['id']}")


@operation("api", jobs=100)
def poll_batch_of_100(lab: Lab) -> Act:
    """A batch whose jobs are queued."""
    batch = lab.accept("POST", "/batches", _hundred_creates())
    return lambda: lab.request("GET", f"/batches/{batch['id']}")


@operation("api")
def cancel(lab: Lab) -> Act:
    job = lab.accept("POST", "/items", document())
    return lambda: lab.request("DELETE", f"/jobs/{job['id']}")


@operation("api")
def retry(lab: Lab) -> Act:
    job = failed_job(lab)
    return command(lab, "POST", f"/jobs/{job['id']}/retry")


@operation("api")
def dismiss(lab: Lab) -> Act:
    job = failed_job(lab)
    return lambda: lab.request("POST", f"/jobs/{job['id']}/dismiss")


@operation("api", jobs=100)
def cancel_batch_of_100(lab: Lab) -> Act:
    """A batch whose jobs are queued."""
    batch = lab.accept("POST", "/batches", _hundred_creates())
    return lambda: lab.request("DELETE", f"/batches/{batch['id']}")


@operation("api", jobs=100)
def retry_batch_of_100(lab: Lab) -> Act:
    """A batch whose jobs have failed."""
    reads = [{"operation": "read", "item_id": f"no-such-item-{n}"} for n in range(100)]
    batch = lab.accept("POST", "/batches", {"commands": reads})
    messages = lab.receive(100)
    for n in range(0, 100, 10):
        lab.consume(messages[n : n + 10])
    return command(lab, "POST", f"/batches/{batch['id']}/retry")


def _hundred_creates() -> dict[str, Any]:
    return {"commands": [{"operation": "create", "item": document()} for _ in range(100)]}
