"""The page of a stage that is empty, of one in use, and of one that cannot be reached."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewConsole
from tests.browser.console import TIMEOUT, Console
from tests.browser.sender import IMPORT, Sender
from tests.browser.shop import KEY, serving
from tests.browser.test_accessibility import findings

OPERATOR = "operatorO" + "0" * 32


@pytest.fixture
def shop() -> Iterator[Sender]:
    sender = Sender()
    with serving(sender):
        yield sender


def send(shop: Sender) -> None:
    """Send an import of two batches, and a batch that has not ended."""
    for number in range(2):
        shop.end(shop.accept(60, ago=20 - number, key=f"{IMPORT}-{number}", refused=2), failed=3)
    shop.accept(10)


def colour(page: Page, selector: str) -> str:
    found: str = page.locator(selector).first.evaluate("each => getComputedStyle(each).color")
    return found


def test_an_outage_is_said_once_and_old_numbers_are_grey(shop_console: Console, shop: Sender) -> None:
    console, page = shop_console, shop_console.page
    send(shop)
    shop.scheduled = 7
    console.open_with_key(key=KEY)
    number, caption = page.locator("#rates-now .accepted dd").first, page.locator("#stats-at")
    expect(number).to_have_text("130")
    expect(page.locator("#now-scheduled")).to_have_text("7")
    expect(page.locator("#down")).to_be_hidden()
    black, dim = colour(page, "#now-scheduled"), colour(page, "#plot-scheduled")
    page.evaluate(
        "new MutationObserver((each) => { window.said = (window.said ?? 0) + each.length; })"
        ".observe(document.querySelector('#down'), {childList: true})"
    )
    console.set_offline(True)
    alert = page.get_by_role("alert").filter(has_text="The service cannot be reached.")
    expect(alert).to_contain_text(
        re.compile(r"no answer since \d\d:\d\d:\d\d\. .* the page tries again every 5 seconds\.$"), timeout=TIMEOUT
    )
    shown, unchanged = caption.inner_text(), page.locator("#plot-scheduled").inner_text()
    assert re.fullmatch(r"as of \d\d:\d\d:\d\d", shown)
    assert re.fullmatch(r"of your jobs, as of \d\d:\d\d:\d\d", page.locator("#rates-at").inner_text())
    assert black != dim
    for each in ("#now-scheduled", "#rates-now dd", "#live td a"):
        assert colour(page, each) == dim, each
    for _ in range(2):
        page.wait_for_event("requestfailed", lambda request: request.url.endswith("/stats"), timeout=TIMEOUT)
    expect(alert).to_have_count(1)
    expect(page.locator("#live-error")).to_be_empty()
    assert page.evaluate("window.said") == 1
    assert caption.inner_text() == shown
    assert page.locator("#plot-scheduled").inner_text() == unchanged
    console.set_offline(False)
    expect(page.locator("#down")).to_be_hidden(timeout=TIMEOUT)
    assert colour(page, "#now-scheduled") == black


def test_an_empty_stage_says_so_in_sentences(shop_console: Console) -> None:
    page = shop_console.page
    shop_console.open_with_key(key=KEY)
    expect(page.locator("#tiles-zero")).to_have_text("Nothing is waiting.")
    expect(page.locator("#rates-none")).to_have_text("No job was accepted or ended in the last 5 minutes.")
    expect(page.locator("#rates-body")).to_be_hidden()
    expect(page.locator("#live-text")).to_have_text("You have no jobs yet. Send a command")
    page.locator("#live-text").get_by_role("link", name="Send a command").click()
    expect(page.locator("#send-collection")).to_have_value("orders")


def test_send_and_documents_open_on_the_stages_own_collection(shop_console: Console) -> None:
    page = shop_console.page
    navigation = page.get_by_role("navigation", name="Console")
    shop_console.open_with_key(key=KEY)
    navigation.get_by_role("link", name="Documents").click()
    expect(page.locator("#items-collection")).to_have_value("orders")
    navigation.get_by_role("link", name="Send").click()
    expect(page.locator("#send-collection")).to_have_value("orders")
    page.locator("#send-collection").select_option("items")
    navigation.get_by_role("link", name="Jobs").click()
    navigation.get_by_role("link", name="Send").click()
    expect(page.locator("#send-collection")).to_have_value("items")


def test_the_name_of_a_role_is_said_once(shop_console: Console) -> None:
    page = shop_console.page
    page.route("**/jobs?**", lambda route: route.fulfill(json=[]))
    page.route("**/stats", lambda route: route.fulfill(status=409, json={}))
    shop_console.expected.add(409)
    shop_console.open_with_key(key=OPERATOR)
    expect(page.locator("#owner")).to_have_text("operator")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_axe_finds_nothing_in_any_state(
    new_shop_console: NewConsole, shop: Sender, scheme: str, width: int
) -> None:
    console = new_shop_console(width=width, color_scheme=scheme)
    page = console.page
    console.open_with_key(key=KEY)
    expect(page.locator("#live-text")).to_contain_text("no jobs yet")
    found = {"empty": findings(page)}
    send(shop)
    expect(page.locator("#running tbody tr")).to_have_count(2, timeout=TIMEOUT)
    found["in use"] = findings(page)
    console.set_offline(True)
    expect(page.locator("#down")).to_be_visible(timeout=TIMEOUT)
    found["unreachable"] = findings(page)
    assert {state: each for state, each in found.items() if each} == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= width
