"""Hostile requests for collections: each is refused without a trace, or its values are exactly what was sent."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.documents.field_values import INTEGER, STRING, canonical, derived_id, value_key
from jobpipe.domain.errors import InvalidRequest, UndecodableMessage
from jobpipe.domain.jobs.message_decoding import decode_message
from tests.helpers.hostile import STRINGS
from tests.helpers.hostile_names import NO_COLLECTIONS, NO_OPERATIONS
from tests.helpers.pipeline import Answer, Pipeline
from tests.helpers.shop import order, shop, subscription


@pytest.fixture
def stage() -> Pipeline:
    return Pipeline(registry=shop())


def refused_cleanly(stage: Pipeline, method: str, target: str, body: Any, **options: Any) -> Answer:
    before = stage.state()
    answer = stage.request(method, target, body, **options)
    assert answer.status in {400, 404, 413}, answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.text) < 10_000
    assert stage.state() == before
    return answer


@pytest.mark.parametrize("name", NO_COLLECTIONS, ids=lambda name: repr(name)[:20])
def test_no_other_name_is_a_collection(stage: Pipeline, name: Any) -> None:
    answer = refused_cleanly(stage, "POST", "/jobs", {"operation": "create", "collection": name, "item": order()})
    assert answer.json["errors"][0]["pointer"] == "#/collection"


@pytest.mark.parametrize("operation", NO_OPERATIONS, ids=lambda name: repr(name)[:20])
def test_no_other_name_is_an_operation(stage: Pipeline, operation: Any) -> None:
    item_id = stage.do("POST", "/orders", order())["item_id"]
    raw = {"operation": operation, "collection": "orders", "item_id": item_id}
    answer = refused_cleanly(stage, "POST", "/jobs", raw)
    assert answer.json["errors"][0]["pointer"] == "#/operation"
    if isinstance(operation, str) and operation.isalpha() and len(operation) < 100:
        refused_cleanly(stage, "POST", f"/orders/{item_id}/{operation}", {})


@pytest.mark.parametrize("item_id", [None, 7, "", [], "x" * 129, "\0", "\u202e"], ids=lambda each: repr(each)[:20])
def test_an_operation_needs_an_id(stage: Pipeline, item_id: Any) -> None:
    raw = {"operation": "renew", "collection": "subscriptions", "item_id": item_id}
    assert refused_cleanly(stage, "POST", "/jobs", raw).json["errors"][0]["pointer"] == "#/item_id"


@pytest.mark.parametrize("member", ["item", "set", "merge", "id", "at", "self", "order", "__proto__", "carrier\0"])
def test_an_operation_takes_no_other_member(stage: Pipeline, member: str) -> None:
    item_id = stage.do("POST", "/orders", order())["item_id"]
    refused_cleanly(stage, "POST", f"/orders/{item_id}/ship", {"carrier": "dhl", member: "x"})
    raw = {"operation": "ship", "collection": "orders", "item_id": item_id, "carrier": "dhl", member: {}}
    refused_cleanly(stage, "POST", "/jobs", raw)


@pytest.mark.parametrize(
    "body", ["", "null", "[]", '"x"', "{}", "\ufeff{}", "{" * 5000, '{"operation":"upsert","collection":"orders"}']
)
def test_a_command_that_is_none_is_refused(stage: Pipeline, body: str) -> None:
    before = stage.state()
    assert stage.request("POST", "/jobs", raw=body).status == 400
    assert stage.state() == before
    with pytest.raises(UndecodableMessage):
        decode_message(body)


# --- values of key, unique and indexed fields ---


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a#b", "a/b"),
        ("a", "A"),
        ("a", " a"),
        ("s#a", "a"),
        ("1", "01"),
        ("caf\u00e9", "cafe"),
        ("\u2126x", "\u03c9x"),
    ],
)
def test_different_texts_are_different_values(stage: Pipeline, one: str, other: str) -> None:
    ids = [stage.do("POST", "/subscriptions", subscription(seat))["item_id"] for seat in (one, other)]
    assert len(set(ids)) == 2
    for seat, item_id in zip((one, other), ids, strict=True):
        assert canonical(seat, STRING) != canonical(f"{seat}#", STRING)
        job = stage.do("POST", "/subscriptions", subscription(seat))
        assert (job["status"], job["error"]["existing"]) == ("failed", item_id)
    stage.check_consistent()


@pytest.mark.parametrize(("one", "other"), [("caf\u00e9", "cafe\u0301"), ("\u212b", "\u00c5")])
def test_equal_texts_are_one_value(stage: Pipeline, one: str, other: str) -> None:
    first = stage.do("POST", "/subscriptions", subscription(one))
    assert stage.do("POST", "/subscriptions", subscription(other))["error"]["existing"] == first["item_id"]
    for seat in (one, other):
        [found] = stage.request("GET", f"/subscriptions?seat={seat}").json
        assert found["id"] == first["item_id"]
        assert found["seat"] == one, "the document is as it was sent"


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("x" * 255, True),
        ("x" * 256, False),
        ("\U0001f9ca" * 255, True),
        ("", False),
        ("\u0958" * 128, False),  # its NFC has two characters
        ("e\u0301" * 127, True),
        ("e\u0301" * 128, False),
    ],
)
def test_a_value_has_at_most_255_characters(text: str, fits: bool) -> None:
    if fits:
        assert canonical(text, STRING) is not None
    else:
        with pytest.raises(InvalidRequest):
            canonical(text, STRING)


@pytest.mark.parametrize(
    ("literal", "status"),
    [
        ("1", 202),
        ("1.0", 202),
        ("1e0", 202),
        ("10e-1", 202),
        ("1e23", 202),
        ("1e37", 202),
        ("9" * 38, 202),
        ("1" + "0" * 37 + ".0", 202),
        ("9" * 39, 400),
        ("1" + "0" * 38, 400),
        ("1e38", 400),
        ("1e125", 400),
        ("1e400", 400),
        ("1e999999999", 400),
        ("1.5", 400),
        ("1e-130", 400),
        ("true", 400),
        ('"1"', 400),
        ("[1]", 400),
        ("0", 400),
        ("-0", 400),
    ],
)
def test_a_whole_number_has_one_form(stage: Pipeline, literal: str, status: int) -> None:
    text = json.dumps(order("A-1", invoice=0)).replace('"invoice": 0', f'"invoice": {literal}')
    started = time.monotonic()
    before = stage.state()
    answer = stage.request("POST", "/orders", raw=text)
    assert time.monotonic() - started < 1
    assert answer.status == status, answer.text
    if status == 400:
        assert stage.state() == before
        return
    stage.drain()
    job = stage.do("POST", "/orders", order("A-2", invoice=int(Decimal(literal))))
    assert job["status"] == "failed", "the same number is the same value"
    assert job["error"]["type"] == "urn:jobpipe:problem:not-unique"


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.decimals()))
def test_each_value_has_one_canonical_form_or_none(value: Any) -> None:
    for kind in (STRING, INTEGER):
        try:
            text = canonical(value, kind)
        except InvalidRequest:
            continue
        assert (text is None) == (value is None)
        assert kind != INTEGER or not isinstance(value, bool)
        if text is not None and kind == INTEGER:
            assert canonical(int(text[2:]), kind) == text


def test_a_value_is_found_under_its_collection_scope_field_and_type_only() -> None:
    places = [
        value_key(collection, scope, field, text)
        for collection in ("orders", "orders-s")
        for scope in ("", "alice", "bob", "s")
        for field in ("a", "a#s", "a#s#1", "s", "#", "%23")
        for text in ("s#1", "i#1", "s#s#1", "s#a#s#1")
    ]
    assert len(set(places)) == len(places)
    ids = {derived_id(name, scope, text) for name in ("a", "a-a") for scope in ("", "a") for text in ("s#1", "i#1")}
    assert len(ids) == 8


@pytest.mark.parametrize("value", [text for text in STRINGS if text])
def test_a_look_up_of_any_text_is_answered(stage: Pipeline, value: str) -> None:
    for field in ("number", "invoice", "customer"):
        answer = stage.request("GET", f"/orders?{field}={quote(value, safe='', errors='replace')}")
        assert answer.status in {200, 400}, answer.text
        assert answer.status == 400 or answer.json == []
