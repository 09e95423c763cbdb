"""The page shows each collection with its own columns, finds documents, and runs operations."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import expect

from jobpipe.domain.jobs.scheduled import MOST_COUNTED
from tests.browser.console import TIMEOUT, Console
from tests.browser.shop import READER, Shop

LINES = [{"sku": "kettle", "quantity": 1, "price": Decimal("24.90")}]
CARD = {"kind": "card", "last4": "4242"}


def order(number: int, **more: Any) -> dict[str, Any]:
    known = {
        "invoice": number + 7000,
        "customer": "alice",
        "status": "paid",
        "total": Decimal("24.90"),
        "lines": LINES,
    }
    return {"number": str(number), **known, **more}


def texts(console: Console, selector: str) -> list[str]:
    found: list[str] = console.page.locator(selector).all_inner_texts()
    return found


def test_the_chooser_is_hidden_while_there_are_items_only(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    served = json.loads(shop.openapi())
    served["x-jobpipe-collections"] = {"items": {"title": "Item"}}
    page.route("**/openapi.json", lambda route: route.fulfill(json=served))
    with page.expect_response("**/openapi.json"):
        shop_console.open_with_key("items")
    expect(page.locator("#items-text")).to_have_text("There is no item yet.")
    expect(page.get_by_label("Collection", exact=True)).to_have_count(3)
    expect(page.locator(".chooser:visible, #look-up:visible")).to_have_count(0)
    links = page.get_by_role("navigation").get_by_role("link")
    expect(links).to_have_text(["Jobs", "Send", "Items", "Batches", "Webhooks"])


def test_a_collection_is_a_table_of_its_own_fields(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop.add("orders", order(7, total=Decimal("12345678901234567890.10")))
    shop.add("subscriptions", {"email": "a@example.com", "plan": "small", "starts": "2026-01-31", "payment": CARD})
    shop_console.open_with_key("items")
    chooser = page.locator("#items-collection")
    chooser.focus()
    chooser.select_option("orders")
    expect(page.locator("#items tbody tr")).to_have_count(1)
    expect(chooser, "the focus stays with the chooser").to_be_focused()
    assert texts(shop_console, "#items thead th") == ["number", "invoice", "customer", "status", "total", "Id"]
    assert texts(shop_console, "#items tbody td") == [
        "7",
        "7007",
        "alice",
        "paid",
        "12345678901234567890.10",
        "orders-7",
    ]
    assert page.title() == "Orders · jobpipe console"

    chooser.select_option("subscriptions")
    expect(page.locator("#items tbody")).to_contain_text("a@example.com")
    assert texts(shop_console, "#items thead th") == ["email", "plan", "starts", "seats", "Id"]
    row = texts(shop_console, "#items tbody td")
    assert row[:4] == ["a@example.com", "small", "2026-01-31", ""]
    assert re.fullmatch("[0-9a-f]{8}…", row[4])

    chooser.select_option("items")
    expect(page.locator("#items-title")).to_have_text("Items")
    assert page.url.endswith("#/items")


def test_a_reload_stays_with_the_collection_the_look_up_and_the_document(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    for n in range(1, 4):
        shop.add("orders", order(n, customer="bob" if n == 2 else "alice"))
    shop_console.open_with_key("collections/orders?customer=bob")
    for _ in range(2):
        expect(page.locator("#items tbody tr")).to_have_count(1)
        expect(page.locator("#look-up-field")).to_have_value("customer")
        expect(page.locator("#look-up-value")).to_have_value("bob")
        page.reload()
    page.locator("#items tbody a").click()
    for _ in range(2):
        expect(page.locator("#item-json")).to_contain_text('"customer": "bob"')
        expect(page.get_by_role("heading", name="Order", exact=True)).to_be_visible()
        page.reload()
    page.get_by_role("button", name="Edit").click()
    for _ in range(2):
        expect(page.get_by_label("customer", exact=True)).to_have_value("bob")
        expect(page.get_by_role("radio", name="Set", exact=True)).to_be_checked()
        page.reload()
    page.go_back()
    expect(page.locator("#item-facts")).to_contain_text("orders-2")
    page.locator("#item-crumb").click()
    expect(page.locator("#items tbody tr")).to_have_count(3)


def test_documents_are_found_by_key_unique_and_indexed_fields(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    for n in range(1, 45):
        shop.add("orders", order(n, customer="carol & co" if n % 2 else "dora"))
    shop_console.open_with_key("collections/orders")
    assert texts(shop_console, "#look-up-field option") == ["number", "invoice", "customer", "id"]

    def look_up(field: str, value: str) -> None:
        page.locator("#look-up-field").select_option(field)
        page.get_by_label("Value", exact=True).fill(value)
        page.get_by_role("button", name="Look up").click()

    look_up("invoice", "7009")
    expect(page.locator("#items tbody tr")).to_have_count(1)
    expect(page.locator("#items tbody")).to_contain_text("orders-9")
    look_up("invoice", "x")
    expect(page.locator("#look-up-error")).to_have_text("invoice is a whole number.")
    expect(page.locator("#look-up-value")).to_be_focused()
    look_up("customer", "carol & co")
    expect(page.locator("#items tbody tr")).to_have_count(20)
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#items tbody tr")).to_have_count(2)
    expect(page.locator("#view-items h1")).to_be_focused()
    look_up("number", "none")
    expect(page.locator("#items-text")).to_have_text("No order has this value.")
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#items tbody tr")).to_have_count(20)
    look_up("id", "orders-3")
    expect(page.locator("#item-facts")).to_contain_text("orders-3")


def test_documents_that_cannot_be_read_have_rows_and_a_look_up_that_is_being_built_says_so(
    shop_console: Console, shop: Shop
) -> None:
    page = shop_console.page
    page.route(
        "**/orders?limit=*", lambda route: route.fulfill(json=[], headers={"Unreadable-Items": f"lost, {'9' * 32}"})
    )
    building = {
        "type": "urn:jobpipe:problem:index-building",
        "title": "t",
        "detail": "It is being built.",
        "status": 409,
    }
    page.route("**/orders?customer=*", lambda route: route.fulfill(status=409, json=building))
    shop_console.expected.add(409)
    shop_console.open_with_key("collections/orders")
    rows = page.locator("#items tbody tr")
    expect(rows).to_have_count(2)
    assert rows.nth(0).get_by_role("cell").all_inner_texts()[-1] == "lost"
    expect(rows.nth(1)).to_contain_text("99999999…")
    expect(rows.nth(1).get_by_role("link", name="(cannot be read)")).to_have_attribute(
        "href", f"#/collections/orders/{'9' * 32}"
    )
    shop_console.open("collections/orders?customer=a%20b")
    expect(page.locator("#items-text")).to_have_text("It is being built.")
    expect(rows).to_have_count(0)


def test_an_operation_is_a_form_of_its_members(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop.add("orders", order(1))
    shop_console.open_with_key("collections/orders/orders-1")
    operations = page.get_by_role("region", name="Operations")
    expect(operations.get_by_role("link")).to_have_text(["Cancel", "Ship"])
    operations.get_by_role("link", name="Ship").click()
    expect(page.locator("#op-help")).to_have_text("Ship a paid order.")
    expect(page.get_by_label("Order id")).to_have_value("orders-1")
    page.reload()
    shop_console.send()
    carrier = page.get_by_label("carrier", exact=True)
    expect(carrier).to_be_focused()
    expect(carrier).to_have_attribute("aria-invalid", "true")
    expect(carrier).to_have_accessible_description("Who brings it. This is needed.")
    assert shop.writes == []

    carrier.fill("dhl")
    page.get_by_label("note", exact=True).fill("x" * 21)
    shop_console.expected.add(400)
    shop_console.send()
    expect(page.get_by_label("note", exact=True)).to_be_focused()
    expect(page.get_by_label("note", exact=True)).to_have_accessible_description(re.compile("is too long"))
    page.get_by_label("note", exact=True).fill("")
    page.get_by_label("insured", exact=True).select_option("true")
    shop_console.send()
    shop_console.expect_status("succeeded")
    assert shop.writes[-1] == ("POST", "/orders/orders-1/ship", '{"carrier": "dhl", "insured": true}')

    page.locator("#advanced summary").click()
    page.get_by_role("button", name="New").click()
    shop_console.send()
    shop_console.expect_status("failed")
    expect(page.locator("#form-error")).to_have_text("Only a paid order can be shipped.")

    page.get_by_role("radio", name="Cancel", exact=True).check()
    expect(page.locator("#f-document")).to_be_hidden()
    shop_console.send()
    shop_console.expect_status("succeeded")
    assert shop.writes[-1] == ("POST", "/orders/orders-1/cancel", "{}")


def test_an_operation_may_have_any_name_and_refuse_in_any_words(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop.add("orders", order(1))
    served = json.loads(shop.openapi())
    constructor = {"description": "Build it.", "takes": {}, "optional": {}}
    served["x-jobpipe-collections"]["orders"]["operations"]["constructor"] = constructor
    page.route("**/openapi.json", lambda route: route.fulfill(json=served))
    refusal = {
        "type": "urn:jobpipe:problem:orders:not-found",
        "title": "Refused",
        "detail": "No parts.",
        "status": 409,
    }
    page.route("**/orders/orders-1/constructor", lambda route: route.fulfill(status=409, json=refusal))
    shop_console.expected.add(409)
    shop_console.open_with_key("send/orders/constructor/orders-1")
    expect(page.locator("#op-help")).to_have_text("Build it.")
    shop_console.send()
    expect(page.locator("#form-error")).to_have_text("No parts.")


def test_clearing_the_form_begins_a_new_document(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop.add("orders", order(1))
    shop_console.open_with_key("send/orders/set/orders-1")
    expect(page.get_by_label("customer", exact=True)).to_have_value("alice")
    page.get_by_role("button", name="Clear the form").click()
    expect(page.get_by_role("radio", name="Create", exact=True)).to_be_checked()
    expect(page.get_by_label("customer", exact=True)).to_have_value("")
    expect(page.get_by_label("number", exact=True)).to_be_focused()
    assert page.url.endswith("#/send/orders")


def test_an_operation_that_is_added_appears_by_itself(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop.add("orders", order(1))
    served = json.loads(shop.openapi())
    weigh = {"description": "Weigh.", "takes": {"grams": {"type": "integer"}}, "optional": {}}
    served["x-jobpipe-collections"]["orders"]["operations"]["weigh-again"] = weigh
    page.route("**/openapi.json", lambda route: route.fulfill(json=served))
    shop_console.open_with_key("collections/orders/orders-1")
    page.get_by_role("link", name="Weigh again").click()
    expect(page.get_by_role("radio", name="Weigh again")).to_be_checked()
    expect(page.get_by_label("grams", exact=True)).to_be_visible()


def test_jobs_show_their_collection_and_lead_to_its_documents(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop.add("orders", order(1, status="open"))
    shop_console.open_with_key("collections/orders/orders-1")
    page.get_by_role("link", name="Ship").click()
    page.get_by_label("carrier", exact=True).fill("dhl")
    shop_console.send()
    shop_console.expect_status("failed")
    page.get_by_role("link", name="Jobs", exact=True).click()
    for table in ("#mine", "#listed"):
        expect(page.locator(f"{table} tbody tr")).to_contain_text(re.compile(r"ship 1\s*orders"))
    page.reload()
    page.locator("#mine tbody a").click()
    facts = page.locator("#job-facts")
    expect(facts.get_by_role("link")).to_have_text(["orders", "orders-1"])
    expect(facts.get_by_role("term")).to_contain_text(["Operation", "Job", "Collection", "Order"])
    facts.get_by_role("link", name="orders-1").click()
    expect(page.locator("#item-json")).to_contain_text('"status": "open"')

    shop_console.open(f"batches/batch-{'0' * 32}")
    expect(page.locator("#entries tbody tr")).to_contain_text(re.compile(r"ship 1\s*orders"))


def test_a_document_is_deleted_after_confirmation(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop.add("orders", order(1))
    shop_console.open_with_key("collections/orders/orders-1")
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog", name="Delete this order?")
    expect(dialog).to_contain_text("1 will be deleted if it has not changed meanwhile.")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator("#job-badge")).to_have_text("succeeded")
    assert shop.documents["orders"] == {}


@pytest.mark.parametrize("view", ["collections/none", "send/none", "collections/none/1", "collections/__proto__"])
def test_a_collection_that_does_not_exist_is_an_error(shop_console: Console, view: str) -> None:
    shop_console.open_with_key(view)
    expect(shop_console.page.locator("#collection-text")).to_contain_text("The service has no collection")


def test_collections_that_cannot_be_read_are_an_error_and_read_again(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop.add("orders", order(1))
    shop_console.expected.add(503)
    page.route("**/openapi.json", lambda route: route.fulfill(status=503))
    shop_console.open_with_key("collections/orders")
    expect(page.locator("#collection-text")).to_have_text("The collections cannot be read from the service.")
    page.unroute("**/openapi.json")
    shop_console.open("jobs")
    shop_console.open("collections/orders")
    expect(page.locator("#items tbody tr")).to_have_count(1)


def test_a_refusal_by_the_role_of_the_key_does_not_forget_the_key(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop.add("orders", order(1))
    shop_console.expected.add(403)
    shop_console.open_with_key("send/orders/cancel/orders-1", READER)
    expect(page.locator("#owner")).to_have_text("bob, reader")
    shop_console.send()
    expect(page.locator("#form-error")).to_contain_text("The role of this key, reader")
    shop_console.open("jobs")
    expect(page.locator("#stats-at")).to_have_text("shown to operators' keys only")
    expect(page.locator("#tiles")).to_be_hidden()
    expect(page.locator("#listed-text")).to_have_text(re.compile("No failed job is listed"))
    expect(page.get_by_role("navigation", name="Console")).to_be_visible()


def test_scheduled_commands_are_counted(shop_console: Console, shop: Shop) -> None:
    page, tile = shop_console.page, shop_console.page.locator("#tile-scheduled")
    shop_console.open_with_key("jobs")
    expect(tile).to_contain_text("Scheduled")
    for number, shown in ((0, "0"), (999, "999"), (MOST_COUNTED, "1,000+")):
        shop.scheduled = number
        expect(page.locator("#now-scheduled")).to_have_text(shown, timeout=TIMEOUT)
    expect(tile.get_by_role("img", name=re.compile(r"Scheduled: now 1,000\+, highest in"))).to_be_visible()


def test_a_paused_stage_is_said_to_be_paused_on_every_view(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    shop_console.open_with_key("jobs")
    expect(page.locator("#stats-at")).to_contain_text("as of")
    expect(page.locator("#paused")).to_be_hidden()
    shop.paused_at = "2026-11-29T23:10:43.120Z"
    shop_console.open("send/orders/create")
    expect(page.locator("#paused")).to_contain_text("The stage was paused by an operator", timeout=TIMEOUT)
    expect(page.locator("#paused time")).to_have_attribute("datetime", shop.paused_at)
    shop.paused_at = None
    expect(page.locator("#paused")).to_be_hidden(timeout=TIMEOUT)


def test_hostile_names_and_values_are_text(shop_console: Console, shop: Shop) -> None:
    page = shop_console.page
    hostile = "<img src=x onerror=window.hacked=1>"
    served = json.loads(shop.openapi())
    schema = served["components"]["schemas"]["Orders"]
    schema["properties"][hostile] = {"type": "string", "description": hostile, "maxLength": 5}
    schema["properties"]["status"] = {"enum": [hostile, "open"]}
    served["x-jobpipe-collections"]["orders"]["operations"]["ship"]["description"] = hostile
    page.route("**/openapi.json", lambda route: route.fulfill(json=served))
    shop.add("orders", order(1, customer=hostile, status=hostile))
    shop_console.open_with_key("collections/orders")
    for view, shown in (
        ("collections/orders", "#items"),
        ("send/orders/set/orders-1", "#send"),
        ("send/orders/ship/x", "#send"),
    ):
        shop_console.open(view)
        expect(page.locator(shown)).to_contain_text(hostile)
        assert page.evaluate("window.hacked") is None
        assert page.locator("main img, [onerror]").count() == 0
