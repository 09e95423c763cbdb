"""The order of upserts in submit_many: an upsert names its document by its key, not its id."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe_client import Client
from jobpipe_client.many import _find_items, _Items
from tests.client.many import eventually
from tests.client.service import Service

Command = dict[str, Any]


def upsert(number: object, **more: Any) -> Command:
    return {"operation": "upsert", "collection": "orders", "item": {"number": number, **more}}


def create(number: object, collection: str = "orders") -> Command:
    return {"operation": "create", "collection": collection, "item": {"number": number}}


def read(item_id: str, collection: str = "orders") -> Command:
    return {"operation": "read", "collection": collection, "item_id": item_id}


def items(*commands: Command, key: str | None = "number") -> _Items:
    return _find_items(commands, lambda _: key)


@pytest.mark.parametrize(
    ("first", "second", "key", "wait"),
    [
        (upsert("7"), upsert("7"), "number", True),
        (upsert("7"), upsert("8"), "number", False),
        (upsert("é"), upsert("e\u0301"), "number", True),
        (upsert(7), upsert(7.0), "number", True),
        (upsert(7), upsert("7"), "number", False),
        (upsert("7"), upsert("8"), None, True),
        (upsert("7"), upsert(None), "number", True),
        (upsert("7"), read("i"), "number", True),
        (upsert("7"), read("i", "subscriptions"), "number", False),
        (upsert("7"), {**upsert("7"), "collection": "subscriptions"}, "number", False),
        (read("i"), read("i", "items"), "number", False),
        (read("i"), read("i"), "number", True),
        (upsert("7"), create("7"), "number", True),
        (upsert("7"), create("8"), "number", False),
        (create("7"), create("7"), "number", True),
        (read("i"), create("7"), "number", True),
        (read("i"), create("7"), None, False),
        (create("7"), create("7"), None, False),
        (create("7", "items"), create("7", "items"), "number", False),
    ],
)
def test_commands_wait_for_those_that_may_be_of_the_same_document(
    first: Command, second: Command, key: str | None, wait: bool
) -> None:
    assert items(first, key=key).may_overlap(items(second, key=key)) is wait
    assert items(second, key=key).may_overlap(items(first, key=key)) is wait


@given(
    st.lists(
        st.builds(upsert, st.text() | st.integers() | st.none() | st.lists(st.none())) | st.builds(read, st.text())
    )
)
def test_commands_of_any_form_are_sorted_in(commands: list[Command]) -> None:
    found = items(*commands, {"operation": "upsert", "item": 7}, {"collection": 7, "item_id": "i"})
    assert found.may_overlap(found) is bool(commands)


@pytest.mark.parametrize("seed", range(3))
def test_upserts_of_one_key_take_effect_in_their_order(seed: int) -> None:
    service = Service(seed=seed)
    with Client(service.url, "the-key") as client:
        commands = [upsert(f"{n % 7}", total=n) for n in range(210)]
        submissions = list(client.submit_many(commands, concurrency=8, batch_size=5))
        assert all(entry.status == "succeeded" for _, entry in client.outcomes(submissions))
    totals: dict[str, list[int]] = {}
    for command in service.applied:
        totals.setdefault(command["item"]["number"], []).append(command["item"]["total"])
    service.stop()
    assert len(totals) == 7
    assert all(a < b for found in totals.values() for a, b in pairwise(found))


def test_upserts_of_other_keys_are_sent_at_once(client: Client, service: Service) -> None:
    client.collections()
    service.batches.open.clear()
    submissions = client.submit_many([upsert(str(n)) for n in range(40)], concurrency=4, batch_size=10)
    consumer = threading.Thread(target=lambda: list(submissions))
    consumer.start()
    eventually(lambda: service.batches.most_under_way == 4)
    service.batches.open.set()
    consumer.join()
