"""A form writes exactly the document that it shows, whatever its schema says."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.console import Console
from tests.browser.shop import Shop

SCHEMAS: dict[str, tuple[Any, Any]] = {
    "nested": (
        {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "integer"}}}}},
        {"a": {"b": 1}},
    ),
    "empty": (
        {
            "type": "object",
            "properties": {"a": {"type": "object", "properties": {"b": {}}}, "c": {"type": "array", "items": {}}},
        },
        {"a": {}, "c": []},
    ),
    "recursive": (
        {
            "$ref": "#/$defs/t",
            "$defs": {
                "t": {
                    "type": "object",
                    "properties": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}, "v": {"type": "string"}},
                }
            },
        },
        {"v": "", "t": [{"t": [{"t": [{"t": [{"v": "deep"}]}]}]}]},
    ),
    "a choice of documents": (
        {
            "type": "object",
            "properties": {"id2": {"type": "integer"}},
            "oneOf": [
                {"properties": {"k": {"const": 1}, "a": {"type": "string"}}, "required": ["k"]},
                {"properties": {"k": {"const": 2.50}, "b": {"type": "number"}}, "required": ["k"]},
            ],
        },
        {"id2": 4, "k": Decimal("2.50"), "b": Decimal("1.10")},
    ),
    "what no longer fits": (
        {
            "type": "object",
            "properties": {
                "a": {"type": "integer"},
                "b": {"enum": ["x"]},
                "c": {"type": "object", "properties": {"d": {}}},
                "e": {"type": "array", "items": {"type": "string"}},
            },
        },
        {"a": "text", "b": "gone", "c": "no object", "e": {"no": "array"}, "unknown": [1, None]},
    ),
    "allOf": (
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"type": "string"}}},
                {"properties": {"b": {"type": ["null", "boolean"]}}},
            ]
        },
        {"a": '\t"\\', "b": None},
    ),
    "no alternative that fits": (
        {"properties": {"p": {"oneOf": [{"properties": {"k": {"const": c}}, "required": ["k"]} for c in "ab"]}}},
        {"p": {"k": "c", "more": [1]}},
    ),
    "many entries": (
        {
            "properties": {
                "a": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}}
            }
        },
        {"a": [{"n": n} for n in range(2000)]},
    ),
    "anything": ({}, {"x": [{"y": Decimal("1.00")}], "": {"": None}}),
    "true": (True, {"x": 1}),
    "a circle": ({"$ref": "#"}, {"x": 1}),
    "several types": (
        {
            "properties": {
                "a": {"type": ["string", "integer"]},
                "b": {"prefixItems": [{}]},
                "c": {"oneOf": [{"const": 1, "title": "one"}, {"const": 2}]},
            }
        },
        {"a": 1, "b": [1], "c": 2},
    ),
    "names": (
        {"type": "object", "properties": {"a/b~c d%": {"type": "string"}, "__proto__": {"type": "integer"}}},
        {"a/b~c d%": "x", "constructor": 1},
    ),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_form_writes_the_document_that_it_shows(shop_console: Console, shop: Shop, name: str) -> None:
    """Nothing has changed for Set, and Create sends the whole document, which was shown in inputs and as JSON."""
    page = shop_console.page
    schema, document = SCHEMAS[name]
    served = json.loads(shop.openapi())
    served["components"]["schemas"]["Orders"] = schema
    served["x-jobpipe-collections"]["orders"] |= {"key": None, "unique": [], "indexes": [], "types": {}}
    page.route("**/openapi.json", lambda route: route.fulfill(json=served))
    shop.documents["orders"]["x"] = document
    shop_console.open_with_key("collections/orders")
    expect(page.locator("#items tbody tr")).to_have_count(1)
    shop_console.open("send/orders/set/x")
    expect(page.locator("#if_match")).not_to_have_value("")
    shop_console.send()
    expect(page.locator("#form-error")).to_have_text("Nothing is changed yet.")
    page.get_by_role("radio", name="JSON").check()
    text = page.get_by_label("Document", exact=True).input_value()
    assert json.loads(text, parse_float=Decimal) == document
    page.get_by_role("radio", name="Form").check()
    shop_console.choose("Create")
    body = (page.locator("#curl").text_content() or "").partition("--data-raw '")[2].rpartition("'")[0]
    assert json.loads(body, parse_float=Decimal) == document
