"""The commands with --collection, `run`, `find`, `collections`: what they send, print, and exit with."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Jobpipe
from tests.cli.running import documents
from tests.client.service import Service

ORDERS = ("--collection", "orders")


def order(jobpipe: Jobpipe, *fields: str) -> str:
    (made,) = documents(jobpipe.does("items", "create", *ORDERS, *fields, "--json"))
    return str(made["id"])


def test_documents_are_written_and_read(jobpipe: Jobpipe, service: Service) -> None:
    one = order(jobpipe, "number=001", "total=12.50", "gift=yes", "invoice=7", 'lines=[{"article": "a"}]', "note=5")
    (stored,) = service.orders.values()
    assert stored == {
        "id": one, "number": "001", "total": 12.5, "gift": True, "invoice": 7, "note": "5",
        "lines": [{"article": "a"}],
    }  # fmt: skip
    jobpipe.does("items", "set", one, "customer=alice", "note:=null", *ORDERS)
    jobpipe.does("items", "merge", one, 'address={"city": "Lyon"}', "total:=null", *ORDERS)
    (shown,) = documents(jobpipe.does("items", "get", one, *ORDERS, "--json"))
    assert (shown["customer"], shown["note"], shown["address"], "total" in shown) == (
        "alice", None, {"city": "Lyon"}, False
    )  # fmt: skip
    assert jobpipe.does("items", "upsert", "number=001", "customer=bob", *ORDERS).splitlines()[0] == f"id\t{one}"
    assert jobpipe.does("items", "list", *ORDERS) == f"{one}\t001\t7\tbob\t\t\n"
    assert jobpipe.does("items", "delete", one, *ORDERS) == "deleted\n"
    assert "404 not-found" in jobpipe.fails(1, "items", "get", one, *ORDERS)
    assert service.items == {}


def test_a_job_of_another_collection_shows_it(jobpipe: Jobpipe) -> None:
    shown = jobpipe.does("items", "create", "number=1", *ORDERS, "--no-wait").split("\t")
    assert shown[3].startswith("orders/")
    tent = jobpipe.does("items", "create", "name=Tent", "description=d", "--no-wait").split("\t")
    assert "/" not in tent[3]


def test_a_value_that_is_not_of_its_kind_is_a_mistake(jobpipe: Jobpipe, service: Service) -> None:
    assert "'total=much': 'much' is not a number" in jobpipe.fails(2, "items", "create", "total=much", *ORDERS)
    assert "neither true nor false" in jobpipe.fails(2, "items", "create", "gift=perhaps", *ORDERS)
    assert "not JSON" in jobpipe.fails(2, "items", "create", "lines=a", *ORDERS)
    assert not [seen for seen in service.seen if seen.method == "POST"]


def test_an_operation_is_run_with_members_of_their_kinds(jobpipe: Jobpipe, service: Service) -> None:
    one = order(jobpipe, "number=1", "status=paid")
    shown = jobpipe.does("run", "ship", one, "carrier=007", "parcels=2", "insured=no", *ORDERS)
    assert "status\tshipped" in shown.splitlines()
    assert service.seen[-1].body == {"carrier": "007", "parcels": 2, "insured": False}
    refused = jobpipe.fails(3, "run", "ship", one, '{"carrier": "dhl"}', *ORDERS)
    assert refused == "jobpipe: 409 orders:not-paid: Only a paid order can be shipped."
    jobpipe.fails(3, "run", "ship", one, "carrier=dhl", "--if-match", '"old"', *ORDERS)
    assert "ship" in jobpipe.does("run", "ship", one, "carrier=dhl", "--no-wait", *ORDERS)


def test_text_is_named_only_where_the_schema_allows_something_else(jobpipe: Jobpipe, service: Service) -> None:
    properties = service.contract["components"]["schemas"]["Order"]["properties"]
    properties |= {"size": {"type": ["string", "number"]}, "ref": {}}
    note = "read as text: size, ref; to convert the values, use size:=44 ref:=null\n"
    others = ("status=paid", "note=5", "customer=7", "total=12.50")
    assert jobpipe("items", "create", "number=1", *others, "size=44", "ref=null", *ORDERS).stderr == note
    assert jobpipe("items", "upsert", "number=1", "size=44", "ref=null", *ORDERS).stderr == note
    (stored,) = service.orders.values()
    assert (stored["number"], stored["note"], stored["total"], stored["size"]) == ("1", "5", 12.5, "44")
    takes = service.contract["x-jobpipe-collections"]["orders"]["operations"]["ship"]["takes"]
    takes["carrier"] = {"type": ["string", "integer"]}
    noted = jobpipe("run", "ship", stored["id"], "carrier=7", *ORDERS).stderr
    assert noted.startswith("read as text: carrier;")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("run", "shp", "i", *ORDERS), "orders have no operation 'shp': did you mean ship?"),
        (("run", "pay", "i", *ORDERS), "orders have no operation 'pay'; it has ship"),
        (("run", "ship", "i"), "items have no operation 'ship'"),
        (("run", "ship", "i", *ORDERS), "the operation needs carrier"),
        (
            ("run", "ship", "i", "carier=dhl", *ORDERS),
            "the operation has no member 'carier': did you mean carrier?",
        ),
        (("run", "ship", "i", "carrier=dhl", "x=1", *ORDERS), "it takes carrier, parcels, insured"),
        (("run", "ship", "i", "carrier=dhl", "parcels=some", *ORDERS), "'some' is not a number"),
        (("find", "number", *ORDERS), "'number' is not FIELD=VALUE"),
        (("find", "nummer=7", *ORDERS), "orders cannot be found by 'nummer': did you mean number?"),
        (("find", "total=7", *ORDERS), "they are found by number, invoice, customer"),
        (("find", "name=Tent"), "items cannot be found by 'name'; they are found by their ids only"),
        (("items", "list", "--collection", "order"), "There is no collection 'order': did you mean orders?"),
        (("items", "get", "i", "--collection", "Orders"), "did you mean orders?"),
        (("export", "--collection", "xyz"), "There is no collection 'xyz'; the stage has items, orders"),
        (("items", "upsert", "name=Tent"), "an upsert needs a collection with a key, and items has none"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line_with_the_nearest_name(
    jobpipe: Jobpipe, service: Service, arguments: tuple[str, ...], why: str
) -> None:
    assert why in jobpipe.fails(2, *arguments)
    assert {seen.path for seen in service.seen} <= {"/openapi.json"}


def test_a_stage_of_an_older_release_has_items_only(jobpipe: Jobpipe, service: Service) -> None:
    del service.contract["x-jobpipe-collections"]
    assert "There is no collection 'orders'; the stage has items" in jobpipe.fails(2, "items", "list", *ORDERS)
    jobpipe.does("items", "create", "name=Tent", "description=d")
    jobpipe.does("items", "list", "--collection", "items")


def test_documents_are_found(jobpipe: Jobpipe, service: Service) -> None:
    one, two = (order(jobpipe, f"number=00{n}", f"invoice={n}", "customer=alice") for n in (1, 2))
    assert f"id\t{one}" in jobpipe.does("find", "number=001", *ORDERS).splitlines()
    assert documents(jobpipe.does("find", "invoice=2", *ORDERS, "--json")) == [service.orders[two]]
    assert "orders has no document with number '1'" in jobpipe.fails(1, "find", "number=1", *ORDERS)
    assert [line.split("\t")[0] for line in jobpipe.does("find", "customer=alice", *ORDERS).splitlines()] == [
        one,
        two,
    ]
    assert len(documents(jobpipe.does("find", "customer=alice", *ORDERS, "--limit", "1", "--json"))) == 1
    assert jobpipe.does("find", "customer=carol", *ORDERS) == ""
    service.building = True
    assert "409 index-building" in jobpipe.fails(1, "find", "customer=alice", *ORDERS)
    service.lost.add(one)
    assert jobpipe("items", "list", *ORDERS).exit_code == 1


def test_the_collections_are_listed(jobpipe: Jobpipe) -> None:
    assert jobpipe.does("collections").splitlines() == [
        "items\tItem\t\tname\t\t",
        "orders\tOrder\tnumber\tinvoice\tcustomer\tship",
    ]
    _, orders = documents(jobpipe.does("collections", "--json"))
    assert orders["operations"]["ship"]["takes"]["carrier"]["type"] == "string"
    assert orders["schema"]["required"] == ["number"]


def test_the_key_of_idempotency_is_sent(jobpipe: Jobpipe, service: Service) -> None:
    for _ in range(2):
        jobpipe.does("items", "create", "number=1", *ORDERS, "--idempotency-key", "k")
    assert len(service.jobs) == 1


def test_one_object_is_sent_as_it_is(jobpipe: Jobpipe, service: Service) -> None:
    jobpipe.does("items", "create", json.dumps({"number": "1", "total": "12"}), *ORDERS)
    assert service.seen[-1].body == {"number": "1", "total": "12"}
