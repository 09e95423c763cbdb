"""P9 in the browser: the key is this tab's alone, and a bad one shows nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from infra.deployment.readiness import wait_for_key
from tests.browser.console import Console
from tests.helpers.deployed import Stage, unique


@pytest.mark.parametrize(
    ("key", "told"),
    [("wrong0123456789abcdef0123456789abcdef", "not accepted"), ("", "A key is needed"), ("schlüssel", "no key")],
)
def test_a_wrong_key_is_told_and_not_kept(console: Console, page: Page, key: str, told: str) -> None:
    console.expected.add(403)
    console.visit()
    page.get_by_label("API key", exact=True).fill(key)
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#key-error")).to_contain_text(told)
    expect(page.get_by_label("API key", exact=True)).to_be_focused()
    expect(page.get_by_role("navigation", name="Console")).to_be_hidden()
    assert "jobpipe.key" not in console.stored()


def test_it_is_kept_for_the_tab_and_no_other(console: Console, page: Page, stage: Stage) -> None:
    console.enter()
    page.reload()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    assert stage.deployment.api_key not in page.url
    other = Console(page.context.new_page(), stage)
    other.visit()
    expect(other.page.get_by_role("heading", name="Your API key")).to_be_visible()
    assert page.evaluate("localStorage.length") == 0
    assert page.context.cookies() == []
    assert other.complaints == []


def test_forgotten_it_leaves_nothing(console: Console, page: Page) -> None:
    name = unique("Mine")
    console.enter("send")
    console.fill(name=name, description="d")
    console.send()
    console.ends("succeeded")
    page.get_by_role("button", name="Forget key").click()
    expect(page.get_by_role("heading", name="Your API key")).to_be_visible()
    assert name not in page.content()
    assert {text for text in console.stored().values() if text != "[]"} == set()


def test_a_key_revoked_in_the_middle_costs_nothing_that_was_written(
    console: Console, page: Page, stage: Stage
) -> None:
    first, second = (stage.api_keys.add("browserowner") for _ in range(2))
    try:
        for key in (first, second):
            assert wait_for_key(stage.deployment.base_url, key.value, accepted=True)
        console.enter("send", first.value)
        sent = unique("Before")
        console.fill(name=sent, description="d")
        console.send()
        console.ends("succeeded")
        name = unique("Half written")
        console.fill(name=name)

        stage.api_keys.revoke(first)
        assert wait_for_key(stage.deployment.base_url, first.value, accepted=False)
        console.expected.add(403)
        expect(page.locator("#key-error")).to_contain_text("no longer accepted")
        expect(page.get_by_label("API key", exact=True)).to_be_focused()
        assert "jobpipe.key" not in console.stored()

        console.give(second.value)
        expect(page.locator("#name")).to_have_value(name)
        console.send()
        console.ends("succeeded")
        page.get_by_role("link", name="Jobs", exact=True).click()
        expect(page.locator("#mine")).to_contain_text(sent)
    finally:
        stage.api_keys.revoke(second)


@pytest.mark.parametrize("reloaded", [False, True], ids=["at once", "reloaded"])
def test_another_owners_key_does_not_show_this_ones_jobs(
    console: Console, page: Page, stage: Stage, other_key: str, reloaded: bool
) -> None:
    assert wait_for_key(stage.deployment.base_url, other_key, accepted=True)
    key = stage.api_keys.add("browserowner")
    assert wait_for_key(stage.deployment.base_url, key.value, accepted=True)
    name = unique("Private")
    console.enter("send", key.value)
    console.fill(name=name, description="d")
    console.send()
    console.ends("succeeded")
    console.expected.add(403)
    stage.api_keys.revoke(key)
    expect(page.locator("#key-error")).to_contain_text("no longer accepted")
    if reloaded:
        page.reload()
        expect(page.get_by_role("heading", name="Your API key")).to_be_visible()
    console.give(other_key)
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    assert name not in page.content()
