"""Collections and their forms are used with the keyboard alone, fit each screen, and have no finding of axe."""

from __future__ import annotations

from decimal import Decimal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewConsole
from tests.browser.console import Console
from tests.browser.shop import Shop
from tests.browser.shop_forms import BIG, sent_body
from tests.browser.test_accessibility import findings
from tests.browser.test_collections import CARD, LINES, order


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
