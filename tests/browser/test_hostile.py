"""What others wrote is shown as text: nothing of it runs, loads, or turns the text around it."""

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


def unharmed(page: Page) -> None:
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main script, main iframe, [onerror], [onload]").count() == 0


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_text_is_shown_and_does_nothing(console: Console, page: Page, stage: Stage, text: str) -> None:
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
    console.enter(f"items/{item['id']}")
    expect(page.locator("#item-facts").get_by_text(name, exact=True)).to_be_visible()
    unharmed(page)

    page.get_by_role("button", name="Edit").click()
    expect(page.locator("#name")).to_have_value(name)
    console.choose("Create")
    console.fill(if_match="") if page.locator("#if_match").is_visible() else None
    console.send()
    console.ends("failed")
    expect(console.error_of("name")).to_contain_text(text[:20])
    unharmed(page)
    page.locator("#sent-link").click()
    expect(page.locator("#job-failure")).to_contain_text(text[:20])
    unharmed(page)

    for view, shown in (
        ("jobs", "#mine"),
        ("jobs", "#listed"),
        (f"batches/{batch.id}", "#entries"),
    ):
        console.visit(view)
        expect(page.locator(shown)).to_contain_text(text[:20])
        unharmed(page)
    console.visit("items")
    expect(page.locator("#items")).to_be_visible()
    unharmed(page)


def test_text_that_turns_direction_turns_only_itself(console: Console, page: Page, stage: Stage) -> None:
    turning = "abc\u202edcba\u2066x"
    item = stage.request(
        "POST", "/items", {"name": unique("Turning"), "description": turning, "more": turning}, headers=WAIT
    ).json()
    console.enter(f"items/{item['id']}")
    shown = page.locator("#item-json")
    expect(shown).to_contain_text("abc\\u202edcba\\u2066x")
    assert "\u202e" not in (shown.text_content() or "")
    console.visit("items")
    page.get_by_role("link", name="Items", exact=True).click()
    expect(page.locator("#items")).to_be_visible()
    isolated = "all => all.map(each => getComputedStyle(each).unicodeBidi)"
    assert set(page.locator("#items bdi").evaluate_all(isolated)) == {"isolate"}
    # Edited without a change of it, it is what it was.
    console.visit(f"items/{item['id']}")
    page.get_by_role("button", name="Edit").click()
    console.fill(fields=page.locator("#fields").input_value().replace("abc", "ABC"))
    console.send()
    console.ends("succeeded")
    changed = stage.client.get_item(item["id"])
    assert (changed["description"], changed["more"]) == (turning, turning.replace("abc", "ABC"))


def test_hostile_ids_in_the_address_go_nowhere(console: Console, page: Page) -> None:
    console.expected.update({400, 403, 404})
    console.enter()
    for evil in ("%3Cimg%20src=x%20onerror=window.hacked=1%3E", "..%2F..%2Fitems", "%", "constructor", "%2E%2E"):
        for view in ("jobs", "items", "batches"):
            console.visit(f"{view}/{evil}")
            told = page.locator("#job-problem:visible, #item-problem:visible, #batch-error:visible")
            expect(told).to_contain_text("no")
            unharmed(page)
    for nonsense in ("nope", "__proto__", "toString", "job", "key"):
        console.visit(nonsense)
        expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
