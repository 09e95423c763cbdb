"""Orders and subscriptions through both Lambdas: documents, look-ups, operations, upserts, scopes."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from jobpipe.domain.errors import DeadlineNear
from jobpipe.runtime.aws import aws_call
from tests.helpers.pipeline import Answer, Pipeline
from tests.helpers.shop import order, shop, subscription
from tests.helpers.unreliable import Clock


@pytest.fixture
def stage() -> Pipeline:
    return Pipeline(registry=shop())


def result_of(job: dict[str, Any]) -> dict[str, Any]:
    assert job["status"] == "succeeded", job
    found: dict[str, Any] = job["result"]
    return found


def created(stage: Pipeline, document: dict[str, Any], collection: str = "orders", **options: Any) -> str:
    return str(result_of(stage.do("POST", f"/{collection}", document, **options))["id"])


def failed(job: dict[str, Any]) -> dict[str, Any]:
    assert job["status"] == "failed", job
    error: dict[str, Any] = job["error"]
    return error


def test_a_document_is_created_read_changed_and_deleted(stage: Pipeline) -> None:
    job = stage.do("POST", "/orders", order())
    item_id = result_of(job)["id"]
    assert job["collection"] == "orders"
    assert job["links"] == {"self": f"/jobs/{job['id']}", "item": f"/orders/{item_id}"}
    read = stage.request("GET", f"/orders/{item_id}")
    assert read.json == {"id": item_id, **order()}
    assert result_of(stage.do("PUT", f"/orders/{item_id}", {"note": "soon"}))["note"] == "soon"
    assert "note" not in result_of(stage.do("PATCH", f"/orders/{item_id}", {"note": None}))
    assert result_of(stage.do("POST", "/jobs", {"operation": "read", "collection": "orders", "item_id": item_id}))
    assert result_of(stage.do("DELETE", f"/orders/{item_id}")) == {"message": "Item deleted"}
    assert stage.request("GET", f"/orders/{item_id}").status == 404
    stage.check_consistent()


def test_a_document_that_breaks_its_schema_is_refused_with_every_violation(stage: Pipeline) -> None:
    before = stage.state()
    answer = stage.request("POST", "/orders", order(lines=[{"sku": "", "quantity": 0}], total=1.005, colour="red"))
    assert answer.status == 400
    pointers = {each["pointer"] for each in answer.json["errors"]}
    assert pointers >= {"#/lines/0/sku", "#/lines/0/quantity", "#/lines/0/price", "#/total", "#/colour"} - {
        "#/lines/0/price"
    }
    assert stage.state() == before


def test_a_wrong_key_or_unique_value_is_reported_once(stage: Pipeline) -> None:
    answer = stage.request("POST", "/orders", order() | {"number": 5})
    assert answer.status == 400
    pointers = [error["pointer"] for error in answer.json["errors"]]
    assert sorted(pointers) == sorted(set(pointers))
    assert "#/number" in pointers


def test_a_change_that_would_break_the_schema_fails_the_job_with_the_same_problem(stage: Pipeline) -> None:
    item_id = created(stage, order())
    error = failed(stage.do("PATCH", f"/orders/{item_id}", {"lines": [], "customer": None}))
    assert error["type"] == "urn:jobpipe:problem:invalid-request"
    assert {each["pointer"] for each in error["errors"]} == {"#/lines", "#/customer"}
    assert stage.request("GET", f"/orders/{item_id}").json == {"id": item_id, **order()}
    stage.check_consistent()


def test_numbers_are_exact(stage: Pipeline) -> None:
    text = json.dumps(order()).replace("39.98", "12345678901234567890123456789012345.99")
    accepted = stage.request("POST", "/orders", raw=text)
    assert accepted.status == 202, accepted.text
    stage.drain()
    shown = stage.request("GET", accepted.json["links"]["item"])
    assert json.loads(shown.text, parse_float=Decimal)["total"] == Decimal("12345678901234567890123456789012345.99")


def test_the_id_derives_from_the_key(stage: Pipeline) -> None:
    item_id = created(stage, order("A-7"))
    assert stage.request("POST", "/orders", order("A-7")).json["item_id"] == item_id
    stage.drain()
    assert stage.request("GET", "/orders?number=A-7").json == [{"id": item_id, **order("A-7")}]
    assert stage.request("GET", "/orders?number=A-8").json == []
    error = failed(stage.do("POST", "/orders", order("A-7")))
    assert error["type"] == "urn:jobpipe:problem:not-unique"
    assert error["existing"] == item_id
    assert error["errors"] == [{"pointer": "#/number", "detail": "Another order has the number 'A-7'."}]
    error = failed(stage.do("PUT", f"/orders/{item_id}", {"number": "A-8"}))
    assert error["errors"][0]["pointer"] == "#/number"
    created(stage, order("A-8"))
    stage.check_consistent()


def test_no_two_documents_share_a_unique_value(stage: Pipeline) -> None:
    first = created(stage, order("A-1", invoice=7))
    error = failed(stage.do("POST", "/orders", order("A-2", invoice=7.0)))
    assert (error["type"], error["existing"]) == ("urn:jobpipe:problem:not-unique", first)
    assert error["detail"] == "Another order has the invoice 7."
    assert error["errors"] == [{"pointer": "#/invoice", "detail": error["detail"]}]
    second = created(stage, order("A-2"))
    assert failed(stage.do("PUT", f"/orders/{second}", {"invoice": 7}))["existing"] == first
    assert result_of(stage.do("PUT", f"/orders/{first}", {"invoice": 8}))
    assert result_of(stage.do("PUT", f"/orders/{second}", {"invoice": 7}))
    found = stage.request("GET", "/orders?invoice=7").json
    assert [each["id"] for each in found] == [second]
    assert result_of(stage.do("DELETE", f"/orders/{second}"))
    assert stage.request("GET", "/orders?invoice=7").json == []
    stage.check_consistent()


def test_an_index_lists_the_newest_change_first(stage: Pipeline) -> None:
    ids = [created(stage, order(f"A-{n}")) for n in range(3)]
    created(stage, order("B-1", customer="bob"))
    assert result_of(stage.do("PUT", f"/orders/{ids[0]}", {"note": "changed"}))
    expected = [ids[0], ids[2], ids[1]]
    assert [each["id"] for each in stage.request("GET", "/orders?customer=alice").json] == expected
    seen: list[str] = []
    target = "/orders?customer=alice&limit=1"
    while target:
        answer = stage.request("GET", target)
        seen += [each["id"] for each in answer.json]
        target = next_page(answer)
    assert seen == expected
    assert result_of(stage.do("PUT", f"/orders/{ids[0]}", {"customer": "bob"}))
    assert [each["id"] for each in stage.request("GET", "/orders?customer=alice").json] == expected[1:]


def next_page(answer: Answer) -> str:
    link = answer.headers.get("link", "")
    return "/" + link[1:].partition(">")[0] if link else ""


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("invoice=x", "whole number"),
        ("invoice=1&customer=a", "not both"),
        ("colour=red", "no query parameter 'colour'"),
        ("invoice=1&limit=2", "no limit"),
        ("number=", "1 to 255 characters"),
        ("customer=alice&cursor=nonsense", "cursor"),
    ],
)
def test_a_wrong_look_up_is_refused(stage: Pipeline, query: str, detail: str) -> None:
    answer = stage.request("GET", f"/orders?{query}")
    assert answer.status == 400
    assert detail in answer.json["detail"]


def test_a_look_up_that_is_being_built_is_refused(stage: Pipeline) -> None:
    created(stage, order(invoice=1))
    stage.collections.building.add(("orders", "invoice"))
    answer = stage.request("GET", "/orders?invoice=1")
    assert (answer.status, answer.json["type"]) == (409, "urn:jobpipe:problem:index-building")
    assert failed(stage.do("POST", "/orders", order("A-2", invoice=1))), "the lock is taken all the same"


def test_each_attempt_of_an_operation_calculates_with_the_time_of_acceptance(stage: Pipeline) -> None:
    item_id, clock = created(stage, order()), Clock()
    with clock.installed():
        accepted = stage.request("POST", f"/orders/{item_id}/pay", {"invoice": 17})
        stage.queue.receive()  # a worker has died
        clock.advance(timedelta(hours=1))
        stage.drain()
        job = stage.request("GET", f"/jobs/{accepted.json['id']}").json
    assert result_of(job)["paid_at"] == job["created_at"] < job["updated_at"]


def test_an_operation_changes_the_document(stage: Pipeline) -> None:
    item_id = created(stage, order())
    refused = failed(stage.do("POST", f"/orders/{item_id}/ship", {"carrier": "dhl"}))
    assert (refused["type"], refused["status"]) == ("urn:jobpipe:problem:orders:not-paid", 409)
    assert refused["detail"] == "Only a paid order can be shipped."
    result_of(stage.do("POST", f"/orders/{item_id}/pay", {"invoice": 17}))
    raw = {"operation": "ship", "collection": "orders", "item_id": item_id, "carrier": "dhl", "note": "fast"}
    shipped = stage.do("POST", "/jobs", raw)
    assert result_of(shipped) | {"status": "shipped", "carrier": "dhl", "note": "fast"} == result_of(shipped)
    assert shipped["operation"] == "ship"
    stage.check_consistent()


def test_an_operation_calculates_exactly(stage: Pipeline) -> None:
    item_id = created(stage, order())
    members = {"sku": "peg", "quantity": 3, "price": 0.1}
    assert result_of(stage.do("POST", f"/orders/{item_id}/add-line", members))["total"] == 40.28


@pytest.mark.parametrize(
    ("path", "members", "status", "detail"),
    [
        ("ship", {"carrier": ""}, 400, "at least 1 character"),
        ("ship", {}, 400, "`carrier` is required"),
        ("ship", {"carrier": "dhl", "colour": "red"}, 400, "colour"),
        ("ship", [], 400, "must be a JSON object"),
        ("ship", {"carrier": "dhl", "item_id": "x"}, 400, "item_id"),
        ("fly", {}, 404, "no operation 'fly'"),
    ],
)
def test_a_wrong_operation_is_refused(stage: Pipeline, path: str, members: Any, status: int, detail: str) -> None:
    before = stage.state()
    answer = stage.request("POST", f"/orders/8f14e45f-ceea-467f-a8d0-3f5e0c9d1b2a/{path}", members)
    assert (answer.status, detail in answer.text) == (status, True), answer.text
    assert stage.state() == before


def test_an_upsert_creates_or_sets(stage: Pipeline) -> None:
    raw = {"operation": "upsert", "collection": "orders", "item": order("A-9", note="first")}
    created_by_it = result_of(stage.do("POST", "/jobs", raw))
    raw["item"] = order("A-9", customer="bob")
    changed = result_of(stage.do("POST", "/jobs", raw))
    assert changed == {**created_by_it, "customer": "bob"}, "the other fields stay"
    assert stage.request("GET", "/orders?number=A-9").json == [changed]
    stage.check_consistent()


def test_an_upsert_needs_a_key(stage: Pipeline) -> None:
    raw = {"operation": "upsert", "collection": "subscriptions", "item": subscription()}
    answer = stage.request("POST", "/jobs", raw)
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "#/operation")


def test_callers_see_only_what_they_created_where_access_is_own(stage: Pipeline) -> None:
    mine = created(stage, subscription(), "subscriptions", owner="alice")
    theirs = created(stage, subscription(), "subscriptions", owner="bob")
    assert mine != theirs, "a taken seat of another caller shows nothing"
    for method, target in (("GET", ""), ("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/renew")):
        body = {"plan": "team"} if method in {"PUT", "PATCH"} else None
        answer = stage.request(method, f"/subscriptions/{mine}{target}", body, owner="bob")
        if answer.status == 202:
            stage.drain()
            assert failed(stage.request("GET", f"/jobs/{answer.json['id']}", owner="bob").json)["status"] == 404
        else:
            assert answer.status == 404
    assert [each["id"] for each in stage.request("GET", "/subscriptions", owner="bob").json] == [theirs]
    for query in ("plan=free", "seat=a-1"):
        assert [each["id"] for each in stage.request("GET", f"/subscriptions?{query}").json] == [mine]
    assert failed(stage.do("POST", "/subscriptions", subscription(), owner="bob"))["existing"] == theirs
    stage.check_consistent()


def test_a_batch_has_commands_of_several_collections(stage: Pipeline) -> None:
    commands = [
        {"operation": "create", "collection": "orders", "item": order()},
        {"operation": "create", "collection": "orders", "item": order("nonsense")},
        {"operation": "create", "item": {"name": "tent", "description": "for two"}},
        {"operation": "upsert", "collection": "orders", "item": order(note="again")},
        {"operation": "create", "collection": "subscriptions", "item": subscription()},
        {"operation": "create", "collection": "planets", "item": {}},
    ]
    answer = stage.request("POST", "/batches", {"commands": commands})
    assert answer.status == 202, answer.text
    stage.drain()
    batch = stage.request("GET", f"/batches/{answer.json['id']}").json
    assert batch["counts"] | {"succeeded": 4, "refused": 2} == batch["counts"]
    assert [each["job"]["collection"] for each in batch["entries"] if "job" in each] == [
        *("orders", "items", "orders", "subscriptions"),
    ]
    stage.check_consistent()


def test_a_removed_operation_or_collection_fails_the_job_with_a_reason(stage: Pipeline) -> None:
    item_id = created(stage, order())
    accepted = stage.request("POST", f"/orders/{item_id}/pay", {"invoice": 3})
    older = Pipeline(jobs=stage.jobs, queue=stage.queue, documents=stage.documents, parked=stage.parked)
    older.drain()
    job = stage.request("GET", f"/jobs/{accepted.json['id']}").json
    assert failed(job)["detail"] == "This release has no collection 'orders'."
    assert not stage.parked.messages
    assert stage.request("POST", f"/jobs/{job['id']}/retry").status == 202
    stage.drain()
    assert result_of(stage.request("GET", f"/jobs/{job['id']}").json)["status"] == "paid"


def test_the_same_idempotency_key_is_the_same_job(stage: Pipeline) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = stage.request("POST", "/subscriptions", subscription(), headers=headers).json
    stage.drain()
    assert stage.request("POST", "/subscriptions", subscription(), headers=headers).json["id"] == first["id"]
    assert stage.request("POST", "/subscriptions", subscription("b"), headers=headers).status == 422
    # The same body for another collection is another command.
    assert stage.request("POST", "/orders", order(), headers=headers).status == 422


def test_the_service_lists_its_collections(stage: Pipeline) -> None:
    links = stage.request("GET", "/").json["links"]
    assert [links[each] for each in ("items", "orders", "subscriptions")] == ["/items", "/orders", "/subscriptions"]
    described = stage.request("GET", "/openapi.json").json["x-jobpipe-collections"]
    assert list(described) == ["items", "orders", "subscriptions"]
    assert described["orders"]["operations"]["ship"]["description"] == "Ship a paid order."
    assert stage.request("GET", "/docs").status == 200


def test_the_violations_of_a_failed_job_fit_its_row(stage: Pipeline) -> None:
    item_id = created(stage, order())
    name = "\u00e9" * 80
    unknown = {f"{n}{name}": {name: {name: 1}} for n in range(30)}
    error = failed(stage.do("PATCH", f"/orders/{item_id}", unknown))
    assert 1 <= len(error["errors"]) <= 20
    assert len(json.dumps(error)) < 8000
    stage.check_consistent()


def test_the_reasons_of_operations_are_counted_as_one(stage: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    """An operation may make its slug of a document's values, and each reason is a metric that has a price."""
    item_id = created(stage, order())
    capsys.readouterr()
    assert failed(stage.do("POST", f"/orders/{item_id}/ship", {"carrier": "dhl"}))["type"].endswith("not-paid")
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert {line["reason"] for line in written if "reason" in line} == {"operation-refused"}


def test_an_operation_gets_whole_numbers_as_ints(stage: Pipeline) -> None:
    """1.0 is an integer for a schema, and Python's timedelta takes no Decimal."""
    item_id = created(stage, subscription(), "subscriptions")
    for text in ("1.0", "1e0", "10E-1"):
        accepted = stage.request("POST", f"/subscriptions/{item_id}/postpone", raw=f'{{"days": {text}}}')
        assert accepted.status == 202, accepted.text
    stage.drain()
    assert stage.request("GET", f"/subscriptions/{item_id}").json["starts_on"] == "2026-12-02"


def test_a_command_that_is_too_slow_by_itself_is_charged(stage: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the death of a worker, calls begin only while time is left: it would be an outage forever."""
    item_id = created(stage, order())
    accepted = stage.request("POST", f"/orders/{item_id}/pay", {"invoice": 5})
    stage.queue.receive()  # a worker has died

    def slow(*_: Any) -> Any:
        time.sleep(0.02)
        raise DeadlineNear("Too little time is left to go on.")

    monkeypatch.setattr("worker_lambda.chalicelib.execute.apply_command", slow)
    for _ in range(6):
        stage.work()
    assert failed(stage.request("GET", f"/jobs/{accepted.json['id']}").json)["type"].endswith("attempts-spent")


def test_a_command_that_waited_for_aws_is_not_charged(stage: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    item_id = created(stage, order())
    accepted = stage.request("POST", f"/orders/{item_id}/pay", {"invoice": 5})
    stage.queue.receive()

    def waits(*_: Any, **__: Any) -> Any:
        with aws_call("The table"):
            time.sleep(0.3)  # a busy machine may add some time to the attempt
        raise DeadlineNear("Too little time is left to go on.")

    monkeypatch.setattr("worker_lambda.chalicelib.execute.apply_command", waits)
    for _ in range(3):
        stage.work()
    job = stage.request("GET", f"/jobs/{accepted.json['id']}").json
    assert (job["status"], job["attempts"]) == ("retrying", 0)
