"""Requests and deliveries for a collection other than items."""

from __future__ import annotations

import secrets
from typing import Any

from jobpipe.domain.commands.command import Command
from tests.iam.lab import Lab, large_order, new_order, parse_order
from tests.iam.scenarios.worker import deliver, put_together, result

FOLDER = "collections/orders"


def get_an_order(lab: Lab) -> str:
    return _status(lab, f"/orders/{lab.create_order().item_id}")


def list_orders(lab: Lab) -> str:
    lab.create_order()
    return _status(lab, "/orders?limit=1")


def look_up_by_a_unique_value(lab: Lab) -> str:
    lab.create_order()
    return _status(lab, "/orders?invoice=7")


def look_up_by_an_index(lab: Lab) -> str:
    lab.create_order()
    return _status(lab, "/orders?customer=alice&limit=1")


def get_a_large_order(lab: Lab) -> str:
    return _status(lab, f"/orders/{lab.create_order(**large_order()).item_id}")


def get_an_order_whose_version_has_expired(lab: Lab) -> str:
    found = lab.create_order(**large_order())
    lab.expire_version(found)
    return _status(lab, f"/orders/{found.item_id}")


def create(lab: Lab) -> str:
    return result(lab, *deliver(lab, new_order()))


def read(lab: Lab) -> str:
    return result(lab, *deliver(lab, _command(lab, "read")))


def delete(lab: Lab) -> str:
    return result(lab, *deliver(lab, _command(lab, "delete")))


def change_a_unique_value(lab: Lab) -> str:
    return result(lab, *deliver(lab, _command(lab, "pay", invoice=secrets.randbelow(10**12) + 1)))


def change_a_large_order(lab: Lab) -> str:
    found = lab.create_order(**large_order())
    return result(lab, *deliver(lab, _change(found.item_id)))


def change_an_order_whose_version_has_expired(lab: Lab) -> str:
    found = lab.create_order(**large_order())
    lab.expire_version(found)
    return result(lab, *deliver(lab, _change(found.item_id)))


def change_an_order(lab: Lab) -> str:
    item_id = lab.create_order().item_id
    job, returned = deliver(lab, _change(item_id))
    return f"{result(lab, job, returned)}, documents {lab.documents(item_id, FOLDER)}"


def end_a_dead_letter_after_an_interrupted_attempt(lab: Lab) -> str:
    command = new_order()
    job = lab.accept(command)
    lab.stores.documents.put(command.item.document_key(job.ref, "interrupted"), "{}")
    returned = lab.run_dead_letter_consumer(lab.delivery_of(job, command))
    return f"{result(lab, job, returned)}, documents {lab.documents(command.item_id, FOLDER)}"


def change_an_order_twice_in_a_batch(lab: Lab) -> str:
    item_id = lab.create_order().item_id
    return put_together(lab, _change(item_id), _change(item_id), folder=FOLDER)


def create_and_delete_in_a_batch(lab: Lab) -> str:
    new = new_order()
    deletion = parse_order({"operation": "delete", "item_id": new.item_id})
    return put_together(lab, new, deletion, folder=FOLDER)


def change_a_unique_value_twice_in_a_batch(lab: Lab) -> str:
    item_id = lab.create_order().item_id
    changes = (
        {"operation": "update", "item_id": item_id, "set": {"invoice": secrets.randbelow(10**12) + 1}}
        for _ in range(2)
    )
    return put_together(lab, *map(parse_order, changes), folder=FOLDER)


def _command(lab: Lab, operation: str, **members: Any) -> Command:
    return parse_order({"operation": operation, "item_id": lab.create_order().item_id, **members})


def _change(item_id: str) -> Command:
    return parse_order({"operation": "update", "item_id": item_id, "set": {"note": "Thank you"}})


def _status(lab: Lab, path: str) -> str:
    return f"{lab.request('GET', path).status_code}"
