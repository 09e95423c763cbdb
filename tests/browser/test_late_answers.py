"""A view is correct despite late answers, double clicks, and changes of the form while it is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.console import TIMEOUT, Console
from tests.helpers.deployed import Stage, unique

MANY = 45  # more than two pages


@contextmanager
def delayed(page: Page, url: str | re.Pattern[str], method: str = "GET") -> Iterator[list[Route]]:
    """Delay matching requests until the end of the block."""
    waiting: list[Route] = []

    def delay(route: Route) -> None:
        if route.request.method == method:
            waiting.append(route)
        else:
            route.continue_()

    page.route(url, delay)
    yield waiting
    for route in waiting:
        with page.expect_response(route.request.url):
            route.continue_()
    page.unroute(url)


def wait_for_request(page: Page, waiting: list[Route]) -> None:
    """Wait until the page has sent a delayed request."""
    while not waiting:
        page.wait_for_timeout(20)


def test_a_second_edit_sends_all_fields_that_are_shown(console: Console, page: Page, stage: Stage) -> None:
    item = stage.client.sync.create({"name": unique("Again"), "description": "d", "price": 10})
    console.open_with_key(f"items/{item.id}")
    page.get_by_role("button", name="Edit").click()
    console.fill(fields='{"price": 11}')
    console.send()
    console.expect_status("succeeded")
    console.fill(fields='{"price": 10}', description="D2", if_match="")
    console.send()
    console.expect_status("succeeded")
    now = stage.client.get_item(item.id)
    assert (now["price"], now["description"]) == (10, "D2")


def test_a_nested_field_that_merge_would_not_delete_is_an_error(console: Console, page: Page, stage: Stage) -> None:
    item = stage.client.sync.create({"name": unique("Nested"), "description": "d", "size": {"a": 1, "b": {"c": 2}}})
    console.open_with_key(f"items/{item.id}")
    page.get_by_role("button", name="Edit").click()
    console.choose("Merge")
    console.fill(fields='{"size": {"a": 1, "b": {}}}')
    console.send()
    expect(console.error_of("fields")).to_contain_text("Merge would leave size.b.c as it is")
    console.fill(fields='{"size": {"a": 1, "b": {"c": null}}}')
    console.send()
    console.expect_status("succeeded")
    assert stage.client.get_item(item.id)["size"] == {"a": 1, "b": {}}


def test_a_form_that_changes_while_it_is_sent_becomes_another_command(
    console: Console, page: Page, stage: Stage
) -> None:
    first, second = unique("First"), unique("Second")
    console.open_with_key("send")
    console.fill(name=first, description="d")
    key = page.locator("#idem").input_value()
    with delayed(page, "**/items", "POST") as waiting:
        console.send()
        wait_for_request(page, waiting)
        console.fill(name=second)
    expect(page.locator("#say")).to_have_text(re.compile("accepted|succeeded"))
    assert page.locator("#idem").input_value() != key
    expect(page.locator("#sent")).to_be_hidden()
    console.send()
    console.expect_status("succeeded")
    names = [item["name"] for item in stage.client.iter_items(page_size=100)]
    assert (names.count(first), names.count(second)) == (1, 1)


def test_a_double_click_moves_one_page(console: Console, page: Page, stage: Stage) -> None:
    run = unique("Page")
    list(
        stage.client.submit_many(
            {"operation": "create", "item": {"name": f"{run} {n}", "description": "d"}} for n in range(MANY)
        )
    )
    stage.client.sync.create({"name": f"{run} last", "description": "d"})
    console.open_with_key("items")
    for label, at in (("Next", "Page 2"), ("Previous", "Page 1")):
        page.get_by_role("button", name=label).dblclick()
        expect(page.locator("#items-page")).to_have_text(at)
        expect(page.locator("#items tbody tr")).to_have_count(20)
        expect(page.get_by_role("button", name="Next")).to_be_visible()


def test_many_small_values_are_shown(console: Console, page: Page, stage: Stage) -> None:
    item = stage.client.sync.create({"name": unique("Wide"), "description": "d", "a": [1] * 49_000})
    console.open_with_key(f"items/{item.id}")
    expect(page.get_by_role("button", name="Edit")).to_be_visible()
    assert json.loads(page.locator("#item-json").text_content() or "")["a"] == [1] * 49_000


@pytest.mark.parametrize("view", ["items", "batches"])
def test_a_late_error_of_another_view_is_not_shown(console: Console, page: Page, stage: Stage, view: str) -> None:
    if view == "items":
        existing, missing = (
            stage.client.sync.create({"name": unique("Existing"), "description": "d"}).id,
            "no-such-item",
        )
        problem, body = "#item-problem", "#item-body"
    else:
        command = {"operation": "create", "item": {"name": unique("Existing"), "description": "d"}}
        existing, missing = stage.client.submit_batch([command]).id, f"batch-{'0' * 32}"
        problem, body = "#batch-error", "#batch-body"
    console.expected.add(404)
    console.open_with_key("jobs")
    with delayed(page, f"**/{view}/{missing}") as waiting:
        console.open(f"{view}/{missing}")
        wait_for_request(page, waiting)
        console.open(f"{view}/{existing}")
        if view == "items":  # batches are requested in sequence
            expect(page.locator(body)).to_be_visible(timeout=TIMEOUT)
    expect(page.locator(body)).to_be_visible(timeout=TIMEOUT)
    expect(page.locator(problem)).to_be_empty()
    if view == "batches":
        expect(page.locator("#batch-badge")).to_have_text("ended", timeout=TIMEOUT)


def test_refreshing_a_deleted_item_shows_an_error_only(console: Console, page: Page, stage: Stage) -> None:
    item = stage.client.sync.create({"name": unique("Deleted"), "description": "d"})
    console.open_with_key(f"items/{item.id}")
    expect(page.get_by_role("button", name="Edit")).to_be_visible()
    stage.client.sync.delete(item.id)
    console.expected.add(404)
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#item-problem")).to_contain_text("no item")
    expect(page.locator("#say")).not_to_have_text("The item is up to date.")
    expect(page.locator("#view-item h1")).to_be_focused()


def test_the_focus_stays_on_its_row_when_rows_are_added(console: Console, page: Page, stage: Stage) -> None:
    name = unique("Busy")
    stage.client.sync.create({"name": name, "description": "d"})
    taken = {"name": name, "description": "again"}
    job = stage.client.wait(stage.client.create(taken))
    console.open_with_key()
    row = page.locator(f'#listed tr[data-id="{job.id}"]')
    row.get_by_role("link").focus()
    other = stage.client.wait(stage.client.create(taken))
    expect(page.locator(f'#listed tr[data-id="{other.id}"]')).to_be_visible(timeout=TIMEOUT)
    expect(row.get_by_role("link")).to_be_focused()
