"""A form from a schema writes exactly the document that it shows, and shows errors at its inputs."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NewConsole
from tests.browser.console import Console
from tests.browser.shop import Shop
from tests.browser.test_accessibility import findings
from tests.browser.test_collections import CARD, LINES, order, texts

BIG = "12345678901234567890123456789"


def at(page: Page, label: str, group: str | None = None) -> Locator:
    within = page.get_by_role("group", name=group, exact=True) if group else page.locator("#document-form")
    return within.get_by_label(label, exact=True)


def sent_body(shop: Shop) -> Any:
    return json.loads(shop.writes[-1][2], parse_float=Decimal)


def test_a_document_with_lines_is_created(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop_console.open_with_key("send/orders")
    assert texts(shop_console, "#ops label") == [
        "Create",
        "Upsert",
        "Read",
        "Set",
        "Merge",
        "Delete",
        "Cancel",
        "Ship",
    ]
    shop_console.send()
    expect(at(page, "number")).to_be_focused()
    for label, group in (("number", None), ("customer", None), ("sku", "lines 1"), ("price", "lines 1")):
        expect(at(page, label, group)).to_have_attribute("aria-required", "true")
        expect(at(page, label, group)).to_have_accessible_description(re.compile("This is needed."))
    assert shop.writes == []

    at(page, "number").fill("1001")
    at(page, "invoice").fill(BIG)
    at(page, "customer").fill("Zoë")
    at(page, "total").fill("49.80")
    at(page, "sku", "lines 1").fill("kettle")
    at(page, "quantity", "lines 1").fill("2")
    at(page, "price", "lines 1").fill("24.90")
    page.get_by_role("group", name="lines", exact=True).get_by_role("button", name="Add to lines").click()
    expect(at(page, "sku", "lines 2")).to_be_focused()
    at(page, "sku", "lines 2").fill("mug")
    page.get_by_role("button", name="Remove lines 1").click()
    expect(page.get_by_role("button", name="Remove lines 1")).to_be_focused()
    at(page, "quantity", "lines 1").fill("1")
    at(page, "price", "lines 1").fill("0.10")
    at(page, "null").check()
    at(page, "extra").fill('{"n": 1.50}')
    at(page, "street", "address").fill("1 Road")
    shop_console.send()
    expect(at(page, "city", "address")).to_be_focused()
    at(page, "city", "address").fill("Umeå")
    shop_console.send()
    shop_console.expect_status("succeeded")
    method, path, body = shop.writes[-1]
    assert (method, path) == ("POST", "/orders")
    assert body == (
        f'{{"number": "1001", "invoice": {BIG}, "customer": "Zoë", "status": "open", "total": 49.80, "note": null, '
        '"address": {"street": "1 Road", "city": "Umeå"}, "lines": [{"sku": "mug", "quantity": 1, "price": 0.10}], '
        '"extra": {"n": 1.50}}'
    )
    expect(page.locator("#say")).to_have_text("create 1001: succeeded")


@pytest.mark.parametrize(
    ("label", "text", "error"),
    [
        ("invoice", "1.5", "A whole number is needed"),
        ("total", "12,95", "A number is needed"),
        ("total", "0x1", "A number is needed"),
        ("extra", "{", "This is not JSON"),
    ],
)
def test_the_form_refuses_what_cannot_be_sent(
    shop_console: Console, shop: Shop, label: str, text: str, error: str
) -> None:
    page = shop_console.page
    shop.add("orders", order(1))
    shop_console.open_with_key("send/orders/set/orders-1")
    expect(at(page, "customer")).to_have_value("alice")
    at(page, label).fill(text)
    shop_console.send()
    expect(at(page, label)).to_be_focused()
    expect(at(page, label)).to_have_accessible_description(re.compile(error))
    at(page, label).fill("")
    expect(at(page, label)).not_to_have_attribute("aria-invalid", "true")
    assert shop.writes == []


def test_violations_are_shown_at_their_inputs(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop_console.expected.add(400)
    shop_console.open_with_key("send/orders")
    at(page, "number").fill("A1")
    at(page, "customer").fill("x" * 81)
    at(page, "total").fill("0.001")
    for label, text in (("sku", "mug"), ("quantity", "0"), ("price", "1")):
        at(page, label, "lines 1").fill(text)
    for operation in ("Create", "Upsert"):
        shop_console.choose(operation)
        shop_console.send()
        for label, group, error in (
            ("number", None, "does not match"),
            ("customer", None, "too long"),
            ("total", None, "not a multiple"),
            ("quantity", "lines 1", "less than the minimum"),
        ):
            expect(at(page, label, group)).to_have_accessible_description(re.compile(error))
        expect(at(page, "number")).to_be_focused()
    page.get_by_role("radio", name="JSON").check()
    shop_console.send()
    document = page.get_by_label("Document", exact=True)
    expect(document).to_be_focused()
    expect(document).to_have_accessible_description(re.compile("#/item/lines/0/quantity: "))


def test_what_is_missing_is_shown_at_its_input(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    name = shop.add("subscriptions", {"email": "a@b.c", "plan": "small", "starts": "2026-01-31", "payment": CARD})
    shop_console.open_with_key(f"send/subscriptions/set/{name}")
    page.get_by_role("button", name="Add to renewals").click()
    page.keyboard.type("2027-01-31")
    shop_console.send()
    shop_console.expect_status("failed")
    expect(at(page, "seats")).to_have_accessible_description(re.compile("`seats` is required."))
    expect(page.locator("#form-error")).to_be_hidden()


def test_a_taken_value_is_shown_at_its_input_with_the_other_document(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop.add("orders", order(1))
    shop.add("orders", order(2))
    shop_console.open_with_key("send/orders/set/orders-2")
    expect(at(page, "invoice")).to_have_value("7002")
    at(page, "invoice").fill("7001")
    shop_console.send()
    shop_console.expect_status("failed")
    expect(at(page, "invoice")).to_have_accessible_description(re.compile("Another document has this invoice."))
    page.locator("#sent-link").click()
    page.locator("#job-failure").get_by_role("link", name="The other order").click()
    expect(page.locator("#item-facts")).to_contain_text("orders-1")


def test_upsert_is_offered_where_there_is_a_key(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop_console.open_with_key("send/subscriptions")
    expect(page.get_by_role("radio", name="Pause")).to_be_visible()
    expect(page.get_by_role("radio", name="Upsert")).to_have_count(0)
    shop_console.open("send/orders/upsert")
    at(page, "number").fill("5")
    at(page, "customer").fill("c")
    page.get_by_role("radio", name="JSON").check()
    document = page.get_by_label("Document", exact=True)
    document.fill(json.dumps({**order(5), "total": None, "lines": []}, default=str).replace('"total": null, ', ""))
    shop_console.expected.add(400)
    shop_console.send()
    expect(document).to_have_accessible_description(re.compile("#/item/lines: "))
    document.fill(
        '{"number": "5", "customer": "c", "status": "open", "lines": [{"sku": "s", "quantity": 1, "price": 1.10}]}'
    )
    page.get_by_role("radio", name="Form").check()
    expect(at(page, "price", "lines 1")).to_have_value("1.10")
    shop_console.send()
    shop_console.expect_status("succeeded")
    assert sent_body(shop) == {
        "operation": "upsert",
        "collection": "orders",
        "item": {
            "number": "5",
            "customer": "c",
            "status": "open",
            "lines": [{"sku": "s", "quantity": 1, "price": Decimal("1.10")}],
        },
    }


def test_an_edit_sends_what_has_changed_exactly(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop.add("orders", order(1, invoice=int(BIG), total=Decimal("1.50"), note="two\r\nlines \u202e", gift=True))
    shop_console.open_with_key("collections/orders/orders-1")
    page.get_by_role("button", name="Edit").click()
    expect(at(page, "invoice")).to_have_value(BIG)
    shop_console.send()
    expect(page.locator("#form-error")).to_have_text("Nothing is changed yet.")
    at(page, "customer").fill("bob")
    at(page, "price", "lines 1").fill("0.30")
    shop_console.send()
    shop_console.expect_status("succeeded")
    assert shop.writes[-1][2] == ('{"customer": "bob", "lines": [{"sku": "kettle", "quantity": 1, "price": 0.30}]}')
    stored = shop.documents["orders"]["orders-1"]
    assert (stored["note"], stored["invoice"]) == ("two\r\nlines \u202e", int(BIG))


def test_set_leaves_and_merge_removes_what_is_emptied(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop.add("orders", order(1, note="n", address={"street": "s", "city": "c", "zip": "z"}))
    shop_console.open_with_key("send/orders/set/orders-1")
    expect(at(page, "note")).to_have_value("n")
    at(page, "note").fill("")
    at(page, "zip", "address").fill("")
    shop_console.send()
    expect(page.locator("#form-error")).to_have_text(
        "Set would leave note as it is. To remove a field, choose Merge."
    )
    shop_console.choose("Merge")
    shop_console.send()
    shop_console.expect_status("succeeded")
    assert shop.writes[-1][0] == "PATCH"
    assert sent_body(shop) == {"address": {"zip": None}, "note": None}
    assert "note" not in shop.documents["orders"]["orders-1"]

    shop_console.open("collections/orders/orders-1")
    page.get_by_role("button", name="Edit").click()
    expect(at(page, "zip", "address")).to_have_value("")
    expect(at(page, "street", "address")).to_have_value("s")
    at(page, "null").check()
    shop_console.choose("Merge")
    shop_console.send()
    expect(page.locator("#form-error")).to_contain_text("Merge would remove note")


def test_a_part_of_a_document_is_set_without_the_rest(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    name = shop.add("subscriptions", {"email": "a@b.c", "plan": "small", "starts": "2026-01-31", "payment": CARD})
    shop_console.open_with_key("send/subscriptions")
    shop_console.choose("Set")
    page.get_by_label("Subscription id").fill(name)
    shop_console.send()
    expect(page.locator("#form-error")).to_have_text("At least one field is needed.")
    at(page, "plan").select_option('"large"')
    shop_console.send()
    shop_console.expect_status("succeeded")
    assert sent_body(shop) == {"plan": "large"}


def test_alternatives_are_a_choice(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop_console.open_with_key("send/subscriptions")
    payment = at(page, "payment")
    assert payment.locator("option").all_inner_texts() == ["\u2013", "transfer", "card"]
    at(page, "email").fill("a@example.com")
    at(page, "plan").select_option(label="large")
    at(page, "starts").fill("2026-12-31")
    at(page, "holder").fill("A. Example")
    expect(at(page, "iban")).to_be_visible()
    payment.select_option(label="card")
    expect(at(page, "iban")).to_have_count(0)
    expect(at(page, "holder"), "both alternatives have it").to_have_value("A. Example")
    at(page, "last4").fill("12")
    shop_console.expected.add(400)
    shop_console.send()
    expect(page.locator("#view-send")).to_contain_text("is not valid under any of the given schemas")
    at(page, "last4").fill("1234")
    shop_console.send()
    shop_console.expect_status("succeeded")
    payment_sent = {"kind": "card", "last4": "1234", "holder": "A. Example"}
    assert sent_body(shop) == {
        "email": "a@example.com",
        "plan": "large",
        "starts": "2026-12-31",
        "payment": payment_sent,
    }

    (name,) = shop.documents["subscriptions"]
    shop_console.open(f"send/subscriptions/set/{name}")
    expect(at(page, "last4")).to_have_value("1234")
    expect(payment).to_have_value("1")


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


def seed(shop: Shop) -> dict[str, str]:
    long = "W" * 80
    shop.add(
        "orders", order(1, customer=long, total=Decimal(BIG), address={"street": long, "city": long}, tags=["a"])
    )
    name = shop.add("subscriptions", {"email": long, "plan": "small", "starts": "2026-01-31", "payment": CARD})
    return {
        "collections/orders": "#items tbody tr",
        "collections/orders/orders-1": "#item-json",
        "send/orders": "#document-form input",
        "send/orders/set/orders-1": "#document-form button",
        "send/orders/ship/orders-1": "#document-form input",
        f"send/subscriptions/set/{name}": ".branch input",
        "collections/none": "#collection-text",
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_collections(new_shop_console: NewConsole, shop: Shop, scheme: str) -> None:
    console = new_shop_console(color_scheme=scheme)
    page = console.page
    console.open_with_key()
    found = {}
    for view, loaded in seed(shop).items():
        console.open(view)
        expect(page.locator(loaded).first).to_be_visible()
        found[view] = findings(page)
        if view == "send/orders":
            console.send()
            expect(page.locator("[aria-invalid=true]").first).to_be_focused()
            found["errors"] = findings(page)
            page.get_by_role("radio", name="JSON").check()
            found["JSON"] = findings(page)
    assert {view: each for view, each in found.items() if each} == {}


@pytest.mark.parametrize("width", [320, 390, 1920])
def test_no_collection_is_wider_than_the_screen(new_shop_console: NewConsole, shop: Shop, width: int) -> None:
    console = new_shop_console(width=width)
    page = console.page
    console.open_with_key()
    widths = {}
    for view, loaded in seed(shop).items():
        console.open(view)
        expect(page.locator(loaded).first).to_be_visible()
        widths[view] = page.evaluate("document.documentElement.scrollWidth")
    assert widths == dict.fromkeys(widths, width)


def test_a_document_is_created_with_the_keyboard_alone(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop_console.open_with_key("send/orders/ship/orders-1")
    shop.add("orders", order(1, lines=LINES))
    places = []
    page.locator("#send-collection").focus()
    for _ in range(12):
        page.keyboard.press("Tab")
        places.append(
            page.evaluate("document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent")
        )
        if places[-1] == "carrier":
            page.keyboard.type("dhl")
        if places[-1] == "insured":
            page.keyboard.press("ArrowDown")
        if places[-1] == "Send":
            page.keyboard.press("Enter")
            break
    assert places[:6] == ["Ship", "Order id", "Form", "carrier", "note", "insured"]
    shop_console.expect_status("succeeded")
    assert sent_body(shop) == {"carrier": "dhl", "insured": True}
