"""A form from a schema sends what was entered, exactly, and shows errors at its inputs."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from tests.browser.console import Console
from tests.browser.shop import Shop
from tests.browser.shop_forms import BIG, at, sent_body
from tests.browser.test_collections import CARD, order, texts


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
    expect(at(page, "invoice")).to_have_accessible_description(re.compile("Another document has the invoice"))
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
