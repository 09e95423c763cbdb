"""P9 in the browser: a key belongs to its tab, and a wrong key shows nothing."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from infra.deployment.readiness import wait_for_key
from tests.browser.console import Console
from tests.helpers.deployed import Stage, unique


@pytest.mark.parametrize(
    ("key", "message"),
    [("wrong0123456789abcdef0123456789abcdef", "not accepted"), ("", "A key is needed"), ("schlüssel", "no key")],
)
def test_a_wrong_key_is_an_error_and_is_not_stored(console: Console, page: Page, key: str, message: str) -> None:
    console.expected.add(403)
    console.open()
    page.get_by_label("API key", exact=True).fill(key)
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#key-error")).to_contain_text(message)
    expect(page.get_by_label("API key", exact=True)).to_be_focused()
    expect(page.get_by_role("navigation", name="Console")).to_be_hidden()
    assert "jobpipe.key" not in console.session_storage()


def test_a_key_is_stored_for_its_tab_only(console: Console, page: Page, stage: Stage) -> None:
    console.open_with_key()
    page.reload()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    assert stage.deployment.api_key not in page.url
    other = Console(page.context.new_page(), stage)
    other.open()
    expect(other.page.get_by_role("heading", name="Your API key")).to_be_visible()
    assert page.evaluate("localStorage.length") == 0
    assert page.context.cookies() == []
    assert other.errors == []


def test_forgetting_a_key_removes_all_data(console: Console, page: Page) -> None:
    name = unique("Mine")
    console.open_with_key("send")
    console.fill(name=name, description="d")
    console.send()
    console.expect_status("succeeded")
    page.get_by_role("button", name="Forget key").click()
    expect(page.get_by_role("heading", name="Your API key")).to_be_visible()
    assert name not in page.content()
    assert {text for text in console.session_storage().values() if text != "[]"} == set()


def test_the_form_is_unchanged_after_its_key_is_revoked(console: Console, page: Page, stage: Stage) -> None:
    first, second = (stage.api_keys.add("browserowner") for _ in range(2))
    try:
        for key in (first, second):
            assert wait_for_key(stage.deployment.base_url, key.value, accepted=True)
        console.open_with_key("send", first.value)
        sent = unique("Before")
        console.fill(name=sent, description="d")
        console.send()
        console.expect_status("succeeded")
        name = unique("Half written")
        console.fill(name=name)

        stage.api_keys.revoke(first)
        assert wait_for_key(stage.deployment.base_url, first.value, accepted=False)
        console.expected.add(403)
        expect(page.locator("#key-error")).to_contain_text("no longer accepted")
        expect(page.get_by_label("API key", exact=True)).to_be_focused()
        assert "jobpipe.key" not in console.session_storage()

        console.enter_key(second.value)
        expect(page.locator("#name")).to_have_value(name)
        console.send()
        console.expect_status("succeeded")
        page.get_by_role("link", name="Jobs", exact=True).click()
        expect(page.locator("#mine")).to_contain_text(sent)
    finally:
        stage.api_keys.revoke(second)


@pytest.mark.parametrize("reloaded", [False, True], ids=["same page", "reloaded page"])
def test_another_owners_key_does_not_show_the_jobs_of_the_first_owner(
    console: Console, page: Page, stage: Stage, other_key: str, reloaded: bool
) -> None:
    assert wait_for_key(stage.deployment.base_url, other_key, accepted=True)
    key = stage.api_keys.add("browserowner")
    assert wait_for_key(stage.deployment.base_url, key.value, accepted=True)
    name = unique("Private")
    console.open_with_key("send", key.value)
    console.fill(name=name, description="d")
    console.send()
    console.expect_status("succeeded")
    console.expected.add(403)
    stage.api_keys.revoke(key)
    expect(page.locator("#key-error")).to_contain_text("no longer accepted")
    if reloaded:
        page.reload()
        expect(page.get_by_role("heading", name="Your API key")).to_be_visible()
    console.enter_key(other_key)
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    assert name not in page.content()
