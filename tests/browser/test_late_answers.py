"""What a view shows is its own: answers come late, buttons are pressed twice, a form goes on while it is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.console import ENDS, Console
from tests.helpers.deployed import Stage, unique

MANY = 45  # more than two pages


@contextmanager
def held(page: Page, url: str, method: str = "GET") -> Iterator[list[Route]]:
    """For the block, requests of this kind wait; then they go on."""
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == method:
            waiting.append(route)
        else:
            route.continue_()

    page.route(url, hold)
    yield waiting
    for route in waiting:
        with page.expect_response(route.request.url):
            route.continue_()
    page.unroute(url)


def asked(page: Page, waiting: list[Route]) -> None:
    """Until the page has asked."""
    while not waiting:
        page.wait_for_timeout(20)


def test_what_is_shown_is_what_is_sent_also_after_a_command(console: Console, page: Page, stage: Stage) -> None:
    item = stage.client.sync.create({"name": unique("Again"), "description": "d", "price": 10})
    console.enter(f"items/{item.id}")
    page.get_by_role("button", name="Edit").click()
    console.fill(fields='{"price": 11}')
    console.send()
    console.ends("succeeded")
    console.fill(fields='{"price": 10}', description="D2", if_match="")
    console.send()
    console.ends("succeeded")
    now = stage.client.get_item(item.id)
    assert (now["price"], now["description"]) == (10, "D2")


def test_a_nested_field_that_merging_would_leave_is_told(console: Console, page: Page, stage: Stage) -> None:
    item = stage.client.sync.create({"name": unique("Nested"), "description": "d", "size": {"a": 1, "b": {"c": 2}}})
    console.enter(f"items/{item.id}")
    page.get_by_role("button", name="Edit").click()
    console.choose("Merge")
    console.fill(fields='{"size": {"a": 1, "b": {}}}')
    console.send()
    expect(console.error_of("fields")).to_contain_text("Merge would leave size.b.c as it is")
    console.fill(fields='{"size": {"a": 1, "b": {"c": null}}}')
    console.send()
    console.ends("succeeded")
    assert stage.client.get_item(item.id)["size"] == {"a": 1, "b": {}}


def test_a_form_that_changes_while_it_is_sent_is_another_command(
    console: Console, page: Page, stage: Stage
) -> None:
    first, second = unique("First"), unique("Second")
    console.enter("send")
    console.fill(name=first, description="d")
    key = page.locator("#idem").input_value()
    with held(page, "**/items", "POST") as waiting:
        console.send()
        asked(page, waiting)
        console.fill(name=second)
    expect(page.locator("#say")).to_have_text(re.compile("accepted|succeeded"))
    assert page.locator("#idem").input_value() != key
    expect(page.locator("#sent")).to_be_hidden()
    console.send()
    console.ends("succeeded")
    names = [item["name"] for item in stage.client.iter_items(page_size=100)]
    assert (names.count(first), names.count(second)) == (1, 1)


def test_pages_are_turned_once_for_a_double_click(console: Console, page: Page, stage: Stage) -> None:
    run = unique("Page")
    list(
        stage.client.submit_many(
            {"operation": "create", "item": {"name": f"{run} {n}", "description": "d"}} for n in range(MANY)
        )
    )
    stage.client.sync.create({"name": f"{run} last", "description": "d"})
    console.enter("items")
    for label, at in (("Next", "Page 2"), ("Previous", "Page 1")):
        page.get_by_role("button", name=label).dblclick()
        expect(page.locator("#items-page")).to_have_text(at)
        expect(page.locator("#items tbody tr")).to_have_count(20)
        expect(page.get_by_role("button", name="Next")).to_be_visible()


def test_many_small_values_are_shown(console: Console, page: Page, stage: Stage) -> None:
    item = stage.client.sync.create({"name": unique("Wide"), "description": "d", "a": [1] * 49_000})
    console.enter(f"items/{item.id}")
    expect(page.get_by_role("button", name="Edit")).to_be_visible()
    assert json.loads(page.locator("#item-json").text_content() or "")["a"] == [1] * 49_000


@pytest.mark.parametrize("view", ["items", "batches"])
def test_an_error_of_what_was_left_is_not_told_of_what_is_open(
    console: Console, page: Page, stage: Stage, view: str
) -> None:
    if view == "items":
        there, none = stage.client.sync.create({"name": unique("There"), "description": "d"}).id, "no-such-item"
        problem, body = "#item-problem", "#item-body"
    else:
        command = {"operation": "create", "item": {"name": unique("There"), "description": "d"}}
        there, none = stage.client.submit_batch([command]).id, f"batch-{'0' * 32}"
        problem, body = "#batch-error", "#batch-body"
    console.expected.add(404)
    console.enter("jobs")
    with held(page, f"**/{view}/{none}") as waiting:
        console.visit(f"{view}/{none}")
        asked(page, waiting)
        console.visit(f"{view}/{there}")
        if view == "items":  # batches are asked for one after the other
            expect(page.locator(body)).to_be_visible(timeout=ENDS)
    expect(page.locator(body)).to_be_visible(timeout=ENDS)
    expect(page.locator(problem)).to_be_empty()
    if view == "batches":
        expect(page.locator("#batch-badge")).to_have_text("ended", timeout=ENDS)


def test_a_refresh_of_what_is_gone_says_so_and_nothing_else(console: Console, page: Page, stage: Stage) -> None:
    item = stage.client.sync.create({"name": unique("Gone"), "description": "d"})
    console.enter(f"items/{item.id}")
    expect(page.get_by_role("button", name="Edit")).to_be_visible()
    stage.client.sync.delete(item.id)
    console.expected.add(404)
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#item-problem")).to_contain_text("no item")
    expect(page.locator("#say")).not_to_have_text("The item is up to date.")
    expect(page.locator("#view-item h1")).to_be_focused()


def test_the_focus_stays_with_its_row_when_others_come(console: Console, page: Page, stage: Stage) -> None:
    name = unique("Busy")
    stage.client.sync.create({"name": name, "description": "d"})
    taken = {"name": name, "description": "again"}
    job = stage.client.wait(stage.client.create(taken))
    console.enter()
    row = page.locator(f'#listed tr[data-id="{job.id}"]')
    row.get_by_role("link").focus()
    other = stage.client.wait(stage.client.create(taken))
    expect(page.locator(f'#listed tr[data-id="{other.id}"]')).to_be_visible(timeout=ENDS)
    expect(row.get_by_role("link")).to_be_focused()
