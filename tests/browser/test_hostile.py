"""Text of other callers is shown as text: it runs nothing, loads nothing, and does not reverse its surroundings."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console import Console
from tests.helpers.deployed import WAIT, Stage, unique

TEXTS = [
    '<img src=x onerror="window.hacked=1">',
    '"><script>window.hacked=1</script>',
    "<svg/onload=window.hacked=1>",
    "javascript:window.hacked=1",
    "{{style}}{{script}}</style></script>",
    "'-window.hacked=1-'",
]


def check_harmless(page: Page) -> None:
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main script, main iframe, [onerror], [onload]").count() == 0


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_text_is_shown_and_not_run(console: Console, page: Page, stage: Stage, text: str) -> None:
    name = unique(text)
    body = {"name": name, "description": text, text: [text]}
    item = stage.request("POST", "/items", body, headers=WAIT).json()
    batch = stage.client.submit_batch(
        [
            {"operation": "create", "item": {"name": name, "description": text}},
            {"operation": "delete", "item_id": text},
            {"operation": "create", "item": {"name": f"\u202e{text}", "description": text}},
        ]
    )
    for entry in batch.entries:
        if entry.job_id is not None:
            stage.client.wait(stage.client.job(entry.job_id))
    console.open_with_key(f"items/{item['id']}")
    expect(page.locator("#item-facts").get_by_text(name, exact=True)).to_be_visible()
    check_harmless(page)

    page.get_by_role("button", name="Edit").click()
    expect(page.locator("#name")).to_have_value(name)
    console.choose("Create")
    console.fill(if_match="") if page.locator("#f-if_match:not([hidden])").count() else None
    console.send()
    console.expect_status("failed")
    expect(console.error_of("name")).to_contain_text(text[:20])
    check_harmless(page)
    page.locator("#sent-link").click()
    expect(page.locator("#job-failure")).to_contain_text(text[:20])
    check_harmless(page)

    for view, shown in (
        ("jobs", "#mine"),
        ("jobs", "#listed"),
        (f"batches/{batch.id}", "#entries"),
    ):
        console.open(view)
        expect(page.locator(shown)).to_contain_text(text[:20])
        check_harmless(page)
    console.open("items")
    expect(page.locator("#items")).to_be_visible()
    check_harmless(page)


def test_text_that_changes_direction_is_isolated(console: Console, page: Page, stage: Stage) -> None:
    reversing = "abc\u202edcba\u2066x"
    item = stage.request(
        "POST",
        "/items",
        {"name": unique("Reversed"), "description": reversing, "more": reversing},
        headers=WAIT,
    ).json()
    console.open_with_key(f"items/{item['id']}")
    shown = page.locator("#item-json")
    expect(shown).to_contain_text("abc\\u202edcba\\u2066x")
    assert "\u202e" not in (shown.text_content() or "")
    console.open("items")
    page.get_by_role("link", name="Documents", exact=True).click()
    expect(page.locator("#items")).to_be_visible()
    isolated = "all => all.map(each => getComputedStyle(each).unicodeBidi)"
    assert set(page.locator("#items bdi").evaluate_all(isolated)) == {"isolate"}
    # An edit of another field leaves the text unchanged.
    console.open(f"items/{item['id']}")
    page.get_by_role("button", name="Edit").click()
    console.fill(fields=page.locator("#fields").input_value().replace("abc", "ABC"))
    console.send()
    console.expect_status("succeeded")
    changed = stage.client.get_item(item["id"])
    assert (changed["description"], changed["more"]) == (reversing, reversing.replace("abc", "ABC"))


def test_hostile_ids_in_the_address_are_harmless(console: Console, page: Page) -> None:
    console.expected.update({400, 403, 404})
    console.open_with_key()
    for item_id in ("%3Cimg%20src=x%20onerror=window.hacked=1%3E", "..%2F..%2Fitems", "%", "constructor", "%2E%2E"):
        for view in ("jobs", "items", "batches", "webhooks"):
            console.open(f"{view}/{item_id}")
            problems = ("#job-problem", "#item-problem", "#batch-error", "#hook-problem")
            error = page.locator(", ".join(f"{each}:visible" for each in problems))
            expect(error).to_contain_text("no")
            check_harmless(page)
    for view in ("nope", "__proto__", "toString", "job", "key"):
        console.open(view)
        expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
