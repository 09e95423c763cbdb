"""The operations of the API and of the worker for collections other than items (tests/calls/collections).

The documents are as large as those of the items, so that the differences are those of the collections.
"""

from __future__ import annotations

import secrets
from typing import Any

from tests.calls.api_operations import command
from tests.calls.lab import Lab
from tests.calls.operations import Act, document, operation
from tests.calls.worker_operations import delivery


def created(lab: Lab, collection: str = "tents", **more: Any) -> str:
    """Create a document and return its path."""
    return f"/{collection}/{lab.end('POST', f'/{collection}', document(**more))['item_id']}"


def with_serial() -> dict[str, Any]:
    """Return a document with a unique value."""
    return document(serial=secrets.token_hex(6))


# --- the API ------------------------------------------------------------------------------------------------------


@operation("api")
def get_document(lab: Lab) -> Act:
    path = created(lab)
    return lambda: lab.request("GET", path)


@operation("api")
def list_page_of_a_collection(lab: Lab) -> Act:
    """A page of ten small documents, of which some are in the last of four partitions, by their names."""
    # There are documents already if this operation is counted again.
    for each in lab.request("GET", "/keyed?limit=100").json():
        lab.end("DELETE", f"/keyed/{each['id']}")
    for n in range(10):
        lab.end("POST", "/keyed", document(name=f"Tent {n:012}"))
    return lambda: lab.request("GET", "/keyed?limit=10")


def look_up(lab: Lab, path: str) -> Act:
    """Return an act that looks up; the environment has read before which look-ups are ready."""
    answer = lab.request("GET", path)
    assert answer.status_code == 200, answer.text
    assert answer.json()
    return lambda: lab.request("GET", path)


@operation("api")
def look_up_by_key(lab: Lab) -> Act:
    body = document()
    lab.end("POST", "/keyed", body)
    return look_up(lab, f"/keyed?name={body['name']}")


@operation("api")
def look_up_by_a_unique_field(lab: Lab) -> Act:
    body = with_serial()
    lab.end("POST", "/tents", body)
    return look_up(lab, f"/tents?serial={body['serial']}")


@operation("api")
def look_up_by_an_index(lab: Lab) -> Act:
    """A page of ten documents that have the value."""
    for _ in range(10):
        created(lab, shelf="ten")
    return look_up(lab, "/tents?shelf=ten&limit=10")


@operation("api")
def accept_create_in_a_collection(lab: Lab) -> Act:
    return command(lab, "POST", "/tents", document())


@operation("api")
def accept_create_with_a_key(lab: Lab) -> Act:
    """The id derives from the key."""
    return command(lab, "POST", "/keyed", document())


@operation("api")
def accept_upsert(lab: Lab) -> Act:
    raw = {"operation": "upsert", "collection": "keyed", "item": document()}
    return command(lab, "POST", "/jobs", raw)


@operation("api")
def accept_operation(lab: Lab) -> Act:
    return command(lab, "POST", f"{created(lab)}/receive", {"number": 7})


# --- the worker ---------------------------------------------------------------------------------------------------


@operation("worker")
def create_in_a_collection(lab: Lab) -> Act:
    return delivery(lab, lab.accept("POST", "/tents", document()))


@operation("worker")
def create_with_a_key(lab: Lab) -> Act:
    return delivery(lab, lab.accept("POST", "/keyed", document()))


@operation("worker")
def create_with_a_unique_field(lab: Lab) -> Act:
    return delivery(lab, lab.accept("POST", "/tents", with_serial()))


@operation("worker")
def create_with_an_indexed_field(lab: Lab) -> Act:
    return delivery(lab, lab.accept("POST", "/tents", document(shelf="light")))


@operation("worker")
def read_in_a_collection(lab: Lab) -> Act:
    item_id = created(lab).rpartition("/")[2]
    raw = {"operation": "read", "collection": "tents", "item_id": item_id}
    return delivery(lab, lab.accept("POST", "/jobs", raw))


@operation("worker")
def update_in_a_collection(lab: Lab) -> Act:
    return delivery(lab, lab.accept("PUT", created(lab), {"price": 11.5}))


@operation("worker")
def update_beside_a_unique_field(lab: Lab) -> Act:
    """The unique value stays the same."""
    return delivery(lab, lab.accept("PUT", created(lab, **with_serial()), {"price": 11.5}))


@operation("worker")
def update_of_a_unique_field(lab: Lab) -> Act:
    return delivery(lab, lab.accept("PUT", created(lab, **with_serial()), {"serial": with_serial()["serial"]}))


@operation("worker")
def update_beside_an_indexed_field(lab: Lab) -> Act:
    """The index is in the order of changes, so each change moves the entry."""
    return delivery(lab, lab.accept("PUT", created(lab, shelf="light"), {"price": 11.5}))


@operation("worker")
def run_operation(lab: Lab) -> Act:
    return delivery(lab, lab.accept("POST", f"{created(lab)}/receive", {"number": 7}))


def upsert(lab: Lab, item: Any) -> Act:
    raw = {"operation": "upsert", "collection": "keyed", "item": item}
    return delivery(lab, lab.accept("POST", "/jobs", raw))


@operation("worker")
def upsert_of_a_new_document(lab: Lab) -> Act:
    return upsert(lab, document())


@operation("worker")
def upsert_of_an_existing_document(lab: Lab) -> Act:
    body = document()
    lab.end("POST", "/keyed", body)
    return upsert(lab, {**body, "price": 11.5})


@operation("worker")
def delete_in_a_collection(lab: Lab) -> Act:
    return delivery(lab, lab.accept("DELETE", created(lab)))


@operation("worker")
def delete_with_a_unique_field(lab: Lab) -> Act:
    return delivery(lab, lab.accept("DELETE", created(lab, **with_serial())))


@operation("worker")
def delete_with_an_indexed_field(lab: Lab) -> Act:
    return delivery(lab, lab.accept("DELETE", created(lab, shelf="light")))


@operation("worker")
def not_unique(lab: Lab) -> Act:
    body = with_serial()
    lab.end("POST", "/tents", body)
    return delivery(lab, lab.accept("POST", "/tents", body), "failed")
