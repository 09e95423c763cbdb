"""Collections: each verb is the request that the contract names, and each answer and refusal has its class."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from jobpipe_client import (
    Client,
    IndexBuilding,
    InvalidResponse,
    Item,
    ItemsUnreadable,
    NameTaken,
    NotUnique,
    OperationRefused,
    Problem,
    ProblemError,
)
from jobpipe_client.exceptions import error_for
from tests.client.many import batches
from tests.client.service import Canned, Service

ALICE = {"number": "1", "customer": "alice", "status": "paid"}


def requests(service: Service) -> list[tuple[str, str, Any]]:
    return [(seen.method, seen.path, seen.body) for seen in service.seen if seen.method != "GET"]


def test_each_write_is_the_request_of_the_contract(client: Client, service: Service) -> None:
    orders = client.collection("orders")
    order = client.wait(orders.create(ALICE))
    for job in (
        orders.update(order.item_id, {"a": 1}),
        orders.merge(order.item_id, {"a": None}),
        orders.run("ship", order.item_id, carrier="dhl"),
        orders.read(order.item_id),
        orders.upsert(ALICE),
        orders.submit({"operation": "read", "item_id": order.item_id}),
        orders.delete(order.item_id),
    ):
        assert (job.collection, job.item_id) == ("orders", order.item_id)
        assert job.links["item"].endswith(f"/orders/{order.item_id}")
        assert client.wait(job).succeeded
    path = f"/orders/{order.item_id}"
    read = {"operation": "read", "collection": "orders", "item_id": order.item_id}
    assert requests(service) == [
        ("POST", "/orders", ALICE),
        ("PUT", path, {"a": 1}),
        ("PATCH", path, {"a": None}),
        ("POST", f"{path}/ship", {"carrier": "dhl"}),
        ("POST", "/jobs", read),
        ("POST", "/jobs", {"operation": "upsert", "collection": "orders", "item": ALICE}),
        ("POST", "/jobs", read),
        ("DELETE", path, None),
    ]


def test_items_are_sent_as_before(client: Client, service: Service) -> None:
    items = client.collection("items")
    job = client.wait(items.create({"name": "Tent", "description": "For two"}))
    assert job.collection == "items"
    client.wait(items.read(job.item_id))
    assert requests(service)[1] == ("POST", "/jobs", {"operation": "read", "item_id": job.item_id})
    assert [each.id for each in items.iter_items()] == [each.id for each in client.iter_items()] == [job.item_id]


def test_a_write_is_retried_with_its_key(client: Client, service: Service) -> None:
    orders = client.collection("orders")
    order = orders.sync.create(ALICE)
    service.canned += [Canned(0, after_effect=True), Canned(503)]
    assert orders.sync.run("ship", order.id, carrier="dhl")["status"] == "shipped", "once, or it would be refused"
    keys = [seen.headers["idempotency-key"] for seen in service.seen if seen.path.endswith("/ship")]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    first, again = (orders.run("ship", order.id, carrier="dhl", idempotency_key="k") for _ in range(2))
    assert first.id == again.id


def test_the_precondition_of_an_operation_is_a_header(client: Client, service: Service) -> None:
    orders = client.collection("orders")
    order = orders.get_item(orders.sync.create(ALICE).id)
    orders.sync.run("ship", order.id, carrier="dhl", if_match=order.etag)
    sent = next(seen for seen in service.seen if seen.path.endswith("/ship"))
    assert (sent.headers["if-match"], sent.body) == (order.etag, {"carrier": "dhl"})


def test_members_may_have_any_name(client: Client, service: Service) -> None:
    orders = client.collection("orders")
    order = orders.sync.create(ALICE)
    orders.run("ship", order.id, {"timeout": 1, "operation-x": 2, "idempotency_key": "m"}, carrier="dhl")
    assert service.seen[-1].body == {"timeout": 1, "operation-x": 2, "idempotency_key": "m", "carrier": "dhl"}


@pytest.mark.parametrize("name", ["", ".", "..", "a\ud800"])
def test_a_name_that_cannot_be_in_a_path_is_refused(client: Client, service: Service, name: str) -> None:
    with pytest.raises(ValueError, match="collection"):
        client.collection(name)
    with pytest.raises(ValueError, match="operation"):
        client.collection("orders").run(name, "id")
    assert service.seen == []


def test_look_ups(client: Client, service: Service) -> None:
    orders = client.collection("orders")
    for n in range(5):
        orders.sync.create({"number": f"{n}", "invoice": 100 + n, "customer": "alice" if n else "o'bob & co"})
    assert orders.find(number="3") == orders.find(invoice=103) == orders.find({"invoice": 103})
    assert orders.find(number="9") is None
    assert [each["number"] for each in orders.where(customer="alice")] == ["1", "2", "3", "4"]
    assert [each["number"] for each in orders.where(customer="o'bob & co", page_size=1)] == ["0"]
    assert list(orders.where({"customer": "carol"})) == []
    with pytest.raises(ValueError, match="several documents have customer='alice': use where"):
        orders.find(customer="alice")
    with pytest.raises(AttributeError, match="no ETag"):
        _ = next(orders.where(customer="alice")).etag
    service.lost.add(next(iter(service.orders)))
    with pytest.raises(ItemsUnreadable):
        list(orders.where(customer="o'bob & co"))
    with pytest.raises(ItemsUnreadable):
        orders.find(number="0")


@pytest.mark.parametrize("by", [{}, {"a": "1", "b": "2"}, {"a": True}, {"a": 1.5}, {"a": None}, {"a": "\ud800"}])
def test_a_look_up_that_cannot_be_is_refused_at_once(client: Client, service: Service, by: dict[str, Any]) -> None:
    orders = client.collection("orders")
    with pytest.raises(ValueError, match=r"one field|a must be|a cannot"):
        orders.find(by)
    with pytest.raises(ValueError, match=r"one field|a must be|a cannot"):
        orders.where(by)
    assert service.seen == []


def test_refusals_have_their_classes(client: Client, service: Service) -> None:
    orders = client.collection("orders")
    order = orders.sync.create({**ALICE, "invoice": 7, "status": "open"})
    with pytest.raises(NotUnique) as taken:
        orders.sync.create({"number": "2", "invoice": 7})
    assert (taken.value.pointer, taken.value.existing, taken.value.ended) == ("#/invoice", order.id, True)
    with pytest.raises(OperationRefused) as refused:
        orders.sync.run("ship", order.id, carrier="dhl")
    assert (refused.value.collection, refused.value.slug, refused.value.status) == ("orders", "not-paid", 409)
    service.building = True
    with pytest.raises(IndexBuilding):
        next(orders.where(customer="alice"))


def test_the_members_of_a_conflict_may_be_missing() -> None:
    """The other document may be one that the caller may not see, or the answer an older release's."""
    for slug, kind in (("not-unique", NotUnique), ("name-taken", NameTaken)):
        problem = Problem.of({"type": f"urn:jobpipe:problem:{slug}", "existing": 7}, status=409)
        error = error_for(problem)
        assert type(error) is kind
        assert (error.pointer, error.existing) == (None, None)


def test_unknown_types_of_problems_are_plain_errors() -> None:
    for slug in ("new-in-a-later-release", "Orders"):
        assert type(error_for(Problem.of({"type": f"urn:jobpipe:problem:{slug}"}, status=409))) is ProblemError
    other = error_for(Problem.of({"type": "urn:other:orders:not-paid"}, status=409))
    assert type(other) is ProblemError


def test_a_refusal_is_pickled_with_its_slug() -> None:
    problem = Problem.of({"type": "urn:jobpipe:problem:orders:not-paid", "detail": "Pay first."}, status=409)
    copied = pickle.loads(pickle.dumps(error_for(problem)))  # noqa: S301
    assert (type(copied), copied.collection, copied.slug) == (OperationRefused, "orders", "not-paid")


def test_a_job_of_an_older_release_is_one_of_items(client: Client, service: Service) -> None:
    job = client.create({"name": "Tent", "description": "d"})
    raw = {name: value for name, value in job.raw.items() if name != "collection"}
    service.canned.append(Canned(200, {}, raw))
    assert client.job(job.id).collection == "items"


def test_commands_of_a_batch_are_of_the_collection_unless_they_name_one(client: Client, service: Service) -> None:
    orders = client.collection("orders")
    tent = {"operation": "create", "collection": "items", "item": {"name": "Tent", "description": "d"}}
    batch = orders.submit_batch([{"operation": "upsert", "item": ALICE}, tent])
    assert [entry.collection for entry in batch.entries] == ["orders", "items"]
    submissions = list(orders.submit_many([{"operation": "upsert", "item": ALICE}]))
    assert [entry.status for _, entry in client.outcomes(submissions)] == ["succeeded"]
    assert batches(service)[1] == [{"operation": "upsert", "collection": "orders", "item": ALICE}]


def test_the_catalogue_is_read_once(client: Client, service: Service) -> None:
    found = client.collections()
    assert client.collections() == found
    assert sum(seen.path == "/openapi.json" for seen in service.seen) == 1
    orders = found["orders"]
    assert (orders.title, orders.key, orders.unique, orders.indexes) == (
        "Order",
        "number",
        ("invoice",),
        ("customer",),
    )
    assert orders.types["invoice"] == "integer"
    assert orders.operations["ship"].takes["carrier"]["type"] == "string"
    line = orders.resolved(orders.schema["properties"]["lines"]["items"])
    assert isinstance(line, dict)
    assert line["properties"]["count"] == {"type": "integer"}
    assert found["items"].key is None


def test_references_may_lead_anywhere(client: Client, service: Service) -> None:
    order = service.contract["components"]["schemas"]["Order"]
    order["$defs"] = {"a/b": {"type": "string"}, "circle": {"$ref": "#/$defs/circle"}}
    orders = client.collections()["orders"]
    assert orders.resolved({"$ref": "#/$defs/a~1b"}) == {"type": "string"}
    for reference in ("#/$defs/circle", "#/nowhere/at/all", "https://example.org/x", "#/openapi/x", "#/openapi"):
        assert orders.resolved({"$ref": reference}) is True
    assert orders.resolved(False) is False


def test_a_release_without_collections_has_none(client: Client, service: Service) -> None:
    del service.contract["x-jobpipe-collections"]
    assert dict(client.collections()) == {}


@pytest.mark.parametrize("described", [[1], {"orders": 7}, {"orders": {"operations": [1]}}, "x"])
def test_a_catalogue_of_another_form_is_a_bad_answer(client: Client, service: Service, described: Any) -> None:
    service.contract["x-jobpipe-collections"] = described
    with pytest.raises(InvalidResponse, match="collections"):
        client.collections()


def test_documents_are_items(client: Client) -> None:
    orders = client.collection("orders")
    order = orders.sync.create(ALICE)
    assert isinstance(order, Item)
    assert repr(orders) == "Collection('orders')"
