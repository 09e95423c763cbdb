"""Orders and subscriptions (tests/collections/shop) on a deployed stage.

Of a stage of your own they test the collections if it was deployed with COLLECTIONS=tests/collections/shop.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from infra.deployment.readiness import wait_for_key
from jobpipe_client import Client, NotFound, NotUnique, OperationRefused
from tests.helpers.deployed import Stage
from tests.helpers.shop import order, subscription


@pytest.fixture
def number() -> str:
    """A number that no other order has, so that the tests can run again on the same stage."""
    return f"T-{random.randrange(10**8)}"


@pytest.fixture
def invoice() -> int:
    return random.randrange(1, 10**12)


@pytest.fixture(scope="module")
def bob(stage: Stage) -> Iterator[Client]:
    key = stage.api_keys.add("bob")
    assert wait_for_key(stage.deployment.base_url, key.value, accepted=True)
    with Client(stage.deployment.base_url, key.value, request_timeout=30) as client:
        yield client
    stage.api_keys.revoke(key)


def test_an_order_is_created_paid_and_shipped(stage: Stage, number: str, invoice: int) -> None:
    collection = stage.client.collection("orders")
    orders = collection.sync
    created = orders.create(order(number))
    with pytest.raises(OperationRefused, match="Only a paid order can be shipped") as refused:
        orders.run("ship", created.id, carrier="dhl")
    assert (refused.value.collection, refused.value.slug) == ("orders", "not-paid")
    assert orders.run("pay", created.id, invoice=invoice)["status"] == "paid"
    shipped = orders.run("ship", created.id, carrier="dhl", note="fast")
    assert (shipped["status"], shipped["carrier"], shipped["note"]) == ("shipped", "dhl", "fast")
    for found in (collection.find(number=number), collection.find(invoice=invoice)):
        assert found is not None
        assert found.id == created.id
    orders.delete(created.id)
    assert collection.find(number=number) is None
    assert collection.find(invoice=invoice) is None


def test_failed_commands_are_named_by_key_or_unique_value(stage: Stage, number: str, invoice: int) -> None:
    orders, seats = stage.client.collection("orders"), stage.client.collection("subscriptions")
    created = orders.sync.create(order(number, invoice=invoice))
    other = orders.sync.create(order(f"Y{number[1:]}", invoice=invoice + 1))
    seat = f"seat-{invoice}"  # a collection without a key
    subscribed = seats.sync.create(subscription(seat))
    jobs = {
        number: [
            orders.create(order(number)),
            orders.upsert(order(number, invoice=invoice + 1)),
            orders.run("ship", created.id, carrier="dhl"),
            orders.delete(created.id, if_match='"ff"'),
        ],
        f"X{number[1:]}": [orders.create(order(f"X{number[1:]}", invoice=invoice))],
        seat: [seats.create(subscription(seat)), seats.merge(subscribed.id, {"plan": 5})],
    }
    ended = {label: [stage.client.wait(job) for job in each] for label, each in jobs.items()}
    assert {label: {job.status for job in each} for label, each in ended.items()} == {
        label: {"failed"} for label in jobs
    }
    assert {label: {job.label for job in each} for label, each in ended.items()} == {
        label: {label} for label in jobs
    }
    orders.sync.delete(created.id)
    orders.sync.delete(other.id)
    seats.sync.delete(subscribed.id)


def test_commands_for_one_order_take_effect_in_their_order(stage: Stage, number: str) -> None:
    orders = stage.client.collection("orders")
    jobs = [orders.upsert(order(number, note=f"{n}")) for n in range(5)]
    for n, job in enumerate(jobs):
        ended = stage.client.wait(job, timeout=60)
        assert ended.item is not None
        assert ended.item["note"] == f"{n}"
    orders.sync.delete(jobs[0].item_id)


def test_no_two_orders_share_an_invoice_whoever_is_first(stage: Stage, invoice: int) -> None:
    def create(n: int) -> str | NotUnique:
        try:
            return (
                stage.client.collection("orders").sync.create(order(f"R-{invoice % 10**6}{n}", invoice=invoice)).id
            )
        except NotUnique as taken:
            return taken

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(create, range(4)))
    (winner,) = [each for each in outcomes if isinstance(each, str)]
    losers = [each for each in outcomes if isinstance(each, NotUnique)]
    assert [(each.pointer, each.existing) for each in losers] == [("#/invoice", winner)] * 3
    stage.client.collection("orders").sync.delete(winner)


def test_an_index_lists_the_newest_change_first(stage: Stage, number: str) -> None:
    orders = stage.client.collection("orders")
    ids = [orders.sync.create(order(f"{number[:-2]}{n}", customer=number)).id for n in range(3)]
    orders.sync.update(ids[1], {"note": "changed"})
    assert [each.id for each in orders.where(customer=number)] == [ids[1], ids[2], ids[0]]
    for each in ids:
        orders.sync.delete(each)
    assert list(orders.where(customer=number)) == []


def test_callers_see_only_their_own_subscriptions(stage: Stage, bob: Client, number: str) -> None:
    mine, theirs = (client.collection("subscriptions") for client in (stage.client, bob))
    first = mine.sync.create(subscription(number))
    second = theirs.sync.create(subscription(number))
    with pytest.raises(NotFound):
        theirs.get_item(first.id)
    with pytest.raises(NotFound):
        theirs.sync.run("renew", first.id)
    with pytest.raises(NotUnique) as taken:
        theirs.sync.create(subscription(number))
    assert taken.value.existing == second.id
    assert [each.id for each in theirs.iter_items() if each["seat"] == number] == [second.id]
    assert mine.sync.run("postpone", first.id, days=30)["starts_on"] == "2026-12-29"
    mine.sync.delete(first.id)
    theirs.sync.delete(second.id)


def test_a_document_that_breaks_its_schema_is_refused(stage: Stage) -> None:
    before = stage.request("GET", "/orders").json()
    wrong: dict[str, Any] = order("nonsense", total=1.005, lines=[])
    answer = stage.request("POST", "/orders", wrong)
    assert answer.status_code == 400
    assert {each["pointer"] for each in answer.json()["errors"]} == {"#/number", "#/total", "#/lines"}
    assert stage.request("GET", "/orders").json() == before
