"""The rows of jobs and batches show whole times, and each page says the same of a job or a batch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewConsole
from tests.browser.console import Console
from tests.browser.sender import IMPORT, TOO_LONG, Sender
from tests.browser.shop import KEY, serving

# How many words of the times are on more than one line, and which cells of the last column are too narrow.
BROKEN = """tables => tables.flatMap(table => [...table.querySelectorAll("time")]).flatMap(time => {
  const text = time.firstChild, words = [...text.data.matchAll(/\\S+/g)];
  return words.filter(word => {
    const range = document.createRange();
    range.setStart(text, word.index);
    range.setEnd(text, word.index + word[0].length);
    return new Set([...range.getClientRects()].map(({ top }) => top)).size > 1;
  }).map(([word]) => word);
})"""
NARROW = """tables => tables.flatMap(table => [...table.querySelectorAll("tr > :last-child")])
  .filter(cell => cell.scrollWidth > cell.clientWidth).map(cell => cell.innerText)"""


@pytest.fixture
def shop() -> Iterator[Sender]:
    sender = Sender()
    with serving(sender):
        yield sender


@pytest.fixture
def page(shop_console: Console) -> Page:
    return shop_console.page


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_the_time_of_a_scheduled_job_is_whole(
    new_shop_console: NewConsole, shop: Sender, width: int, locale: str
) -> None:
    evening = datetime.now(UTC).replace(hour=22, minute=46, second=50)
    next_year = evening.replace(year=evening.year + 1, month=1, day=25)
    for time in (next_year, evening + timedelta(days=1)):
        shop.schedule(f"{time:%Y-%m-%dT%H:%M:%SZ}")
    console = new_shop_console(width=width, locale=locale, timezone_id="UTC")
    page = console.page
    console.open_with_key(key=KEY)
    page.get_by_role("radio", name="Scheduled").check()
    shown = re.compile(r"22:46" if locale == "de-DE" else r"10:46\sPM")
    for name in ("live", "listed"):
        expect(page.locator(f"#{name} tbody tr td:last-child")).to_have_text([shown, shown])
        expect(page.locator(f"#{name} tbody tr").last).to_contain_text(str(next_year.year))
    tables = page.locator("#live, #listed")
    assert tables.evaluate_all(NARROW) == []
    assert tables.evaluate_all(BROKEN) == []


def test_an_import_that_failed_as_a_whole_is_counted_once(shop_console: Console, shop: Sender, page: Page) -> None:
    shop.end(shop.accept(27, ago=90, key=f"{IMPORT}-0", refused=1), failed=27, ago=80)
    shop.end(shop.accept(3, ago=70), failed=2, ago=65)
    shop.end(shop.accept(1, ago=60), failed=1, ago=55)
    shop_console.open_with_key("batches", key=KEY)
    rows = page.locator("#batches tbody tr")
    expect(rows.nth(0)).to_contain_text("1 failed")
    expect(rows.nth(1)).to_contain_text("1 succeeded, 2 failed")
    expect(rows.nth(2)).to_contain_text("27 failed, 1 refused")


@pytest.mark.parametrize(("failed", "refused"), [(0, 0), (0, 2), (2, 0)])
def test_a_batch_has_one_colour(shop_console: Console, shop: Sender, page: Page, failed: int, refused: int) -> None:
    batch = shop.accept(4, ago=90, refused=refused)
    shop.end(batch, failed=failed, ago=80)
    shop_console.open_with_key("batches", key=KEY)
    listed = page.locator("#batches .badge")
    expect(listed).to_have_text("ended")
    expect(listed).to_have_class("badge failed" if failed + refused else "badge succeeded")
    kind = listed.get_attribute("class") or ""
    shop_console.open(f"batches/{batch}")
    expect(page.locator("#batch-badge .badge")).to_have_text("ended")
    expect(page.locator("#batch-badge .badge")).to_have_class(kind)


def test_no_text_denies_a_failure_that_a_number_has(shop_console: Console, shop: Sender, page: Page) -> None:
    """The list of failed jobs is a moment behind, and has none that was dismissed."""
    shop.end(shop.accept(5, ago=20), failed=2, ago=10)
    page.route("**/jobs?status=failed**", lambda route: route.fulfill(json=[]))
    shop_console.open_with_key(key=KEY)
    expect(page.locator("#rates-now .failed dd").first).to_have_text("2")
    empty = page.locator("#listed-text")
    expect(empty).to_contain_text("No failed job is listed")
    assert "No job has failed" not in page.locator("main").inner_text()


def test_a_refused_row_of_a_batch_names_its_field(shop_console: Console, shop: Sender, page: Page) -> None:
    batch = shop.accept(1, ago=20, refused=1)
    shop_console.open_with_key(f"batches/{batch}", key=KEY)
    expect(page.locator("#entries tbody tr").last).to_contain_text(f"#/item/name: {TOO_LONG}")


def test_a_failed_job_has_the_same_reason_in_each_list(shop_console: Console, shop: Sender, page: Page) -> None:
    batch = shop.accept(1, ago=20)
    shop.end(batch, failed=1, ago=10)
    shop_console.open_with_key("failed", key=KEY)
    expect(page.locator("#failures small")).to_have_text("There is no such item.")
    shop_console.open("jobs")
    for name in ("live", "listed"):
        expect(page.locator(f"#{name} small")).to_have_text("There is no such item.")
    shop_console.open(f"batches/{batch}")
    expect(page.locator("#entries small")).to_have_text("There is no such item.")
