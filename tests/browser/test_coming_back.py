"""The page shows no number as current that was read before its view was left."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.console import Console
from tests.browser.sender import Sender
from tests.browser.shop import KEY, serving
from tests.browser.test_late_answers import delayed, wait_for_request
from tests.browser.test_states import colour

READING = re.compile(r"/jobs\?limit=100")
TIME = re.compile(r"\d\d:\d\d:\d\d")
PAUSE = 5  # seconds; a quiet page is read every ten
OLD = ("#rates-now dd", "#live td a", "#running td a")


@pytest.fixture
def shop() -> Iterator[Sender]:
    sender = Sender()
    with serving(sender):
        yield sender


@pytest.fixture
def page(shop_console: Console) -> Page:
    return shop_console.page


def go(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Console").get_by_role("link", name=name).click()


def read_at(page: Page) -> str:
    found = TIME.search(page.locator("#rates-at").inner_text())
    assert found
    return found[0]


def hold(page: Page) -> list[Route]:
    """Hold each reading back, and return the list in which it comes."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(READING, keep)
    return held


def colours(page: Page) -> list[str]:
    return [colour(page, each) for each in OLD]


def test_numbers_are_grey_until_they_are_read_again(shop_console: Console, shop: Sender, page: Page) -> None:
    shop.accept(5, ago=20)
    shop_console.open_with_key(key=KEY)
    number = page.locator("#rates-now .accepted dd").first
    expect(number).to_have_text("5")
    current, dim = colours(page), colour(page, "#rates-at")
    assert dim not in current
    assert page.locator(".axis span").last.inner_text() == read_at(page)
    go(page, "Webhooks")
    expect(page.locator("#view-webhooks")).to_be_visible()
    shop.accept(2)
    with delayed(page, READING) as waiting:
        go(page, "Jobs")
        wait_for_request(page, waiting)
        expect(number).to_have_text("5")
        assert colours(page) == [dim] * len(OLD)
        assert page.locator(".axis span").last.inner_text() == read_at(page)
    expect(number).to_have_text("7")
    expect(page.locator("#view-jobs")).not_to_have_class("old")
    assert colours(page) == current


def test_a_reading_from_before_is_not_taken_for_current(shop_console: Console, shop: Sender, page: Page) -> None:
    """The next reading begins at once, although no job was accepted for a long time."""
    shop.accept(5, ago=100)
    shop_console.open_with_key(key=KEY)
    expect(page.locator("#rates-now .accepted dd").last).to_contain_text("5")
    view, held = page.locator("#view-jobs"), hold(page)
    wait_for_request(page, held)
    before = read_at(page)
    go(page, "Webhooks")
    go(page, "Jobs")
    held.pop().continue_()
    expect(page.locator("#rates-at")).not_to_contain_text(before)
    released = time.monotonic()
    wait_for_request(page, held)
    assert time.monotonic() - released < PAUSE
    expect(view).to_have_class("old")
    assert colour(page, "#rates-now dd") == colour(page, "#rates-at")
    page.unroute(READING)  # and let it go on
    expect(view).not_to_have_class("old")


def test_a_page_that_was_hidden_is_grey_until_it_is_read_again(
    shop_console: Console, shop: Sender, page: Page
) -> None:
    page.add_init_script("Object.defineProperty(document, 'hidden', {get: () => Boolean(window.isHidden)})")
    shop.accept(5, ago=20)
    shop_console.open_with_key(key=KEY)
    expect(page.locator("#rates-now .accepted dd").first).to_have_text("5")
    change = "is => { window.isHidden = is; document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(change, True)
    page.wait_for_load_state("networkidle")
    held = hold(page)
    page.evaluate(change, False)
    wait_for_request(page, held)
    assert colour(page, "#rates-now dd") == colour(page, "#rates-at")
    page.unroute(READING)  # and let it go on
    expect(page.locator("#view-jobs")).not_to_have_class("old")
