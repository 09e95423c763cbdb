"""The console is accessible: axe finds nothing, narrow screens suffice, and all works with the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewConsole
from tests.browser.console import TIMEOUT, Console
from tests.helpers.deployed import WAIT, Stage, unique
from tests.helpers.receiver import receiver

NARROW = 320
LONGEST = "W" * 242  # 255 characters with the suffix of unique()


@pytest.fixture(scope="module")
def seeded(stage: Stage) -> Iterator[dict[str, str]]:
    """Return the paths of views by their names; each view has data."""
    name = unique(LONGEST)
    item = stage.request(
        "POST",
        "/items",
        {"name": name, "description": LONGEST * 3, LONGEST: [1, None, {"x": LONGEST}]},
        headers=WAIT,
    ).json()
    failed = stage.client.wait(stage.client.create({"name": name, "description": "d"}))
    batch = stage.client.submit_batch(
        [
            {"operation": "create", "item": {"name": unique("In a batch"), "description": "d"}},
            {"operation": "delete", "item_id": "i" * 128},
            {"operation": "create", "item": {"name": " ", "description": "d"}},
        ]
    )
    done = stage.client.wait(stage.client.read(item["id"]))
    with receiver(500) as hook:
        webhook = stage.client.webhooks.create(f"{hook.url}?{LONGEST}", events=["job.ended", "item.changed"])
        changed = stage.client.wait(stage.client.create({"name": unique("Told"), "description": "d"}))
        stage.client.webhooks.test(webhook.id)
        hook.wait_for(1, of=webhook.id)
        hook.wait_for(1, of=changed.id)
    yield {
        "jobs": "jobs",
        "failed jobs": "failed",
        "a failed job": f"jobs/{failed.id}",
        "a succeeded job": f"jobs/{done.id}",
        "a job that was told": f"jobs/{changed.id}",
        "send": "send",
        "items": "items",
        "an item": f"items/{item['id']}",
        "batches": "batches",
        "a batch": f"batches/{batch.id}",
        "missing item": "items/nope",
        "webhooks": "webhooks",
        "a webhook": f"webhooks/{webhook.id}",
        "a new webhook": "webhooks/new",
        "missing webhook": "webhooks/nope",
    }
    stage.client.webhooks.delete(webhook.id)


LOADED = {
    "jobs": "#live tbody tr",
    "failed jobs": "#failures tbody tr",
    "a failed job": "#job-failure",
    "a succeeded job": "#job-result",
    "a job that was told": "#told tbody tr",
    "send": "#curl",
    "items": "#items tbody tr",
    "an item": "#item-json",
    "batches": "#batches tbody tr",
    "a batch": "#entries tbody tr",
    "missing item": "#item-problem",
    "webhooks": "#hooks tbody tr",
    "a webhook": "#deliveries tbody tr",
    "a new webhook": "#hook-url",
    "missing webhook": "#hook-problem",
}


def views(console: Console, seeded: dict[str, str]) -> Iterator[str]:
    """Open each view, and yield its name when its data is visible."""
    console.expected.update({400, 404})
    console.open_with_key("jobs")
    for name, view in seeded.items():
        console.open(view)
        expect(console.page.locator(LOADED[name]).first).to_be_visible(timeout=TIMEOUT)
        yield name


def findings(page: Page) -> list[str]:
    found = Axe().run(page).response
    return [
        f"{each['id']} ({each['impact']}): {node['target']} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(new_console: NewConsole, seeded: dict[str, str], scheme: str) -> None:
    console = new_console(color_scheme=scheme)
    page = console.page
    console.expected.add(403)
    console.open()
    console.enter_key("wrong0123456789abcdef0123456789abcdef")
    expect(page.locator("#key-error")).not_to_be_empty()
    found = {"key": findings(page)}
    for view in views(console, seeded):
        found[view] = findings(page)
        if view == "send":
            console.send()
            expect(page.locator("#name")).to_be_focused()
            found["errors in the form"] = findings(page)
            console.fill(name=unique("Checked"), description="d", fields='{"a": 1}')
            console.send()
            console.expect_status("succeeded")
            found["sent"] = findings(page)
        if view == "an item":
            page.get_by_role("button", name="Delete…").click()
            found["a confirmation"] = findings(page)
            page.keyboard.press("Escape")
            page.get_by_role("button", name="Edit").click()
            found["editing"] = findings(page)
        if view == "failed jobs":
            page.get_by_role("button", name="Dismiss all").first.click()
            found["a confirmation of dismissals"] = findings(page)
            page.keyboard.press("Escape")
        if view == "a job that was told":
            page.locator("#told summary").first.click()
            found["the attempts to tell a job"] = findings(page)
        if view == "a webhook":
            page.locator("#deliveries summary").first.click()
            page.get_by_role("button", name="Test", exact=True).click()
            expect(page.locator("#hook-outcome")).to_contain_text("no answer")
            found["the outcome of a test"] = findings(page)
            page.get_by_role("button", name="New secret…").click()
            page.get_by_role("button", name="Make a new one").click()
            expect(page.locator("#hook-secret-text")).to_contain_text("whsec_")
            found["a secret"] = findings(page)
        if view == "a new webhook":
            page.get_by_role("button", name="Create").click()
            found["errors in the form of a webhook"] = findings(page)
    assert {view: each for view, each in found.items() if each} == {}
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(15, 19, 24)") == (scheme == "dark")


def test_no_view_is_wider_than_a_narrow_screen(new_console: NewConsole, seeded: dict[str, str]) -> None:
    console = new_console(width=NARROW)
    page = console.page
    console.open()
    too_wide = """[...document.querySelectorAll("body *")].filter(e => e.checkVisibility() &&
        !e.closest(".away, .skip, svg") && e.getBoundingClientRect().right > innerWidth + 0.5)
        .map(e => e.outerHTML.slice(0, 200))"""
    widths = {"key": (page.evaluate("document.documentElement.scrollWidth"), page.evaluate(too_wide))}
    for view in views(console, seeded):
        widths[view] = (page.evaluate("document.documentElement.scrollWidth"), page.evaluate(too_wide))
        if view == "an item":
            page.get_by_role("button", name="Edit").click()
            widths["editing"] = (page.evaluate("document.documentElement.scrollWidth"), page.evaluate(too_wide))
        if view == "a job that was told":
            page.locator("#told summary").first.click()
            widths["attempts"] = (page.evaluate("document.documentElement.scrollWidth"), page.evaluate(too_wide))
        if view == "a webhook":
            page.locator("#deliveries summary").first.click()
            page.get_by_role("button", name="New secret…").click()
            page.get_by_role("button", name="Make a new one").click()
            expect(page.locator("#hook-secret-text")).to_contain_text("whsec_")
            widths["a secret"] = (page.evaluate("document.documentElement.scrollWidth"), page.evaluate(too_wide))
    assert widths == dict.fromkeys(widths, (NARROW, []))


def test_the_console_works_with_the_keyboard_alone(console: Console, page: Page, stage: Stage) -> None:
    name = unique("Typed")

    def tab_to(role: Any, label: str) -> None:
        """Press Tab until the element has the focus; the focus is always visible."""
        wanted = page.get_by_role(role, name=label, exact=True)
        for _ in range(40):
            page.keyboard.press("Tab")
            assert page.evaluate(
                """() => { const e = document.activeElement, s = (x) => x && getComputedStyle(x);
                return e === document.body || s(e).outlineStyle !== "none"
                    || e.type === "radio" && s(e.nextElementSibling).outlineStyle !== "none"; }"""
            ), page.evaluate("document.activeElement.outerHTML")
            if wanted.evaluate("e => e === document.activeElement"):
                return
        raise AssertionError(f"Tab does not lead to {role} {label}")

    console.open()
    expect(page.get_by_label("API key", exact=True)).to_be_focused()
    page.keyboard.type(stage.deployment.api_key)
    page.keyboard.press("Enter")
    expect(page.locator("#view-jobs h1")).to_be_focused()

    page.reload()
    tab_to("link", "Skip to the content")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.reload()
    expect(page.locator("#nav-send")).to_have_attribute("href", "#/send/orders")
    tab_to("link", "Send")
    page.keyboard.press("Enter")
    expect(page.locator("#view-send h1")).to_be_focused()
    tab_to("combobox", "Collection")
    page.keyboard.type("items")
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_be_visible()
    tab_to("radio", "Create")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Read", exact=True)).to_be_checked()
    page.keyboard.press("ArrowLeft")
    tab_to("textbox", "Name")
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type("By hand")
    tab_to("button", "Send")
    page.keyboard.press("Enter")
    console.expect_status("succeeded")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#sent-link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#view-job h1")).to_be_focused()
    tab_to("link", stage.client.job(page.url.rpartition("/")[2]).item_id)
    page.keyboard.press("Enter")
    expect(page.locator("#item-json")).to_contain_text(name)


@pytest.mark.parametrize("view", ["jobs", "failed", "send", "items", "batches", "webhooks", "webhooks/new"])
def test_tab_reaches_the_end_of_each_view(console: Console, page: Page, view: str) -> None:
    console.open_with_key(view)
    page.reload()
    places: list[str] = []
    while len(places) < 60 and "docs" not in places:
        page.keyboard.press("Tab")
        places.append(
            page.evaluate("document.activeElement.id || document.activeElement.getAttribute('href') || '?'")
        )
    assert places[-1] == "docs", places
    assert places[0] == "skip"


def test_reduced_motion_stops_animations(new_console: NewConsole, seeded: dict[str, str]) -> None:
    moving = "getComputedStyle(document.querySelector('#moving'), '::before').animationName"
    names = {}
    for preference in ("reduce", "no-preference"):
        console = new_console(reduced_motion=preference)
        console.open_with_key()
        console.page.evaluate(
            "const b = document.createElement('b'); b.id = 'moving'; b.className = 'badge queued';"
            "document.querySelector('main').append(b)"
        )
        names[preference] = console.page.evaluate(moving)
    assert names == {"reduce": "none", "no-preference": "p"}


def test_each_view_has_a_title_and_one_heading(console: Console, page: Page, seeded: dict[str, str]) -> None:
    titles = {}
    for view in views(console, seeded):
        expect(page.locator("h1:visible")).to_have_count(1)
        expect(page.locator("h1:visible")).to_be_focused() if view != "jobs" else None
        titles[view] = page.title()
    assert len(set(titles.values())) == 12
    assert all(title.endswith("· jobpipe console") for title in titles.values())
