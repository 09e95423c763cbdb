"""The console's webhooks: the forms that create and change them, their list, and the states of each webhook."""

from __future__ import annotations

import re
from typing import Any

import pytest
import standardwebhooks
from playwright.sync_api import Browser, Locator, Page, Route, expect

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.deployment.readiness import wait_for_key
from infra.settings import LOCAL_STAGE
from tests.browser.conftest import NewConsole
from tests.browser.console import Console
from tests.browser.owner import ELSEWHERE, Owner
from tests.browser.test_late_answers import delayed, wait_for_request
from tests.browser.webhook_page import button, observe, open_webhook, rows
from tests.helpers.deployed import Stage, unique
from tests.helpers.embedded import embedded
from tests.helpers.receiver import Receiver, receiver

SECRET = re.compile(r"whsec_\S{20,}")


def verified(request: Any, secret: str) -> Any:
    return standardwebhooks.Webhook(secret).verify(request.body, request.headers)


def test_a_webhook_is_created_and_its_secret_is_shown_once(
    console: Console, page: Page, owner: Owner, hook: Receiver
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    console.open_with_key("webhooks", owner.key)
    expect(page.locator("#hooks-text")).to_contain_text("There is no webhook yet")
    page.get_by_role("link", name="New webhook").click()
    url = page.get_by_label("URL of the receiver")
    url.fill(hook.url)
    page.get_by_label("A document changes").check()
    button(page, "Create").click()
    secret = page.locator("#hook-secret-text")
    expect(secret).to_have_text(SECRET)
    expect(page.get_by_text("It is shown only now.")).to_be_visible()
    (made,) = owner.client.webhooks.list()
    assert (made.url, made.events, made.collections) == (hook.url, ("job.ended", "item.changed"), ())
    shown = secret.inner_text()
    button(page, "Copy the secret").click()
    expect(page.locator("#say")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == shown
    owner.client.webhooks.test(made.id)
    assert verified(hook.wait_for(1)[0], shown)["type"] == "webhook.test"

    page.get_by_role("navigation", name="Console").get_by_role("link", name="Webhooks").click()
    page.locator("#hooks").get_by_role("link", name=hook.url).click()
    expect(page.locator("#hook-body")).to_be_visible()
    expect(page.locator("#hook-secret")).to_be_hidden()
    assert shown not in page.content()
    assert shown not in str(console.session_storage())


def test_what_is_wrong_is_shown_at_its_field(console: Console, page: Page, owner: Owner) -> None:
    console.expected.add(400)
    console.open_with_key("webhooks/new", owner.key)
    button(page, "Create").click()
    url = page.get_by_label("URL of the receiver")
    expect(url).to_be_focused()
    expect(page.locator("#hook-url-error")).to_have_text("The URL is needed.")
    url.fill("http://receiver.example/")
    page.get_by_label("A job of yours ends").uncheck()
    button(page, "Create").click()
    expect(page.locator("#hook-events-error")).to_have_text("Choose at least one event.")
    expect(page.get_by_label("A job of yours ends")).to_be_focused()
    page.get_by_label("A job of yours ends").check()
    button(page, "Create").click()
    expect(page.locator("#hook-url-error")).to_contain_text("https")
    expect(url).to_be_focused()
    assert owner.client.webhooks.list() == []


def test_an_eleventh_webhook_is_refused(console: Console, page: Page, owner: Owner) -> None:
    for _ in range(10):
        owner.webhook()
    console.expected.add(409)
    console.open_with_key("webhooks/new", owner.key)
    page.get_by_label("URL of the receiver").fill(ELSEWHERE)
    button(page, "Create").click()
    expect(page.locator("#hook-form-error")).to_contain_text("10 webhooks")


def test_a_form_whose_answer_was_lost_creates_one_webhook(console: Console, page: Page, owner: Owner) -> None:
    console.expected.add(503)
    answers: list[int] = []

    def lose(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        answers.append(route.fetch().status)
        route.fulfill(status=503, body="{}", content_type="application/problem+json")

    console.open_with_key("webhooks/new", owner.key)
    page.get_by_label("URL of the receiver").fill(ELSEWHERE)
    page.route("**/webhooks", lose)
    button(page, "Create").click()
    expect(page.locator("#hook-form-error")).to_be_visible()
    page.unroute("**/webhooks")
    button(page, "Create").click()
    expect(page.locator("#hook-secret-text")).to_have_text(SECRET)
    assert answers == [201]
    assert len(owner.client.webhooks.list()) == 1


def test_the_form_of_a_revoked_key_keeps_its_contents(console: Console, page: Page, stage: Stage) -> None:
    first, second = (stage.api_keys.add("hookrevoked") for _ in range(2))
    try:
        for key in (first, second):
            assert wait_for_key(stage.deployment.base_url, key.value, accepted=True)
        console.open_with_key("webhooks/new", first.value)
        page.get_by_label("URL of the receiver").fill(ELSEWHERE)
        stage.api_keys.revoke(first)
        assert wait_for_key(stage.deployment.base_url, first.value, accepted=False)
        console.expected.add(403)
        expect(page.locator("#key-error")).to_contain_text("no longer accepted")
        console.enter_key(second.value)
        expect(page.get_by_label("URL of the receiver")).to_be_visible()
        expect(page.get_by_label("URL of the receiver")).to_have_value(ELSEWHERE)
    finally:
        stage.api_keys.revoke(second)


def test_the_list_shows_the_state_of_each_webhook(console: Console, page: Page, owner: Owner) -> None:
    with receiver(410, 500) as hook:
        gone = owner.webhook(f"{hook.url}?gone", "item.changed")
        owner.client.wait(owner.client.create({"name": unique("Gone"), "description": "d"}))
        hook.wait_for(1)
        failing = owner.webhook(f"{hook.url}?failing", "item.changed")
        owner.client.wait(owner.client.create({"name": unique("Failing"), "description": "d"}))
        hook.wait_for(2)
        active, paused = owner.webhook(), owner.webhook()  # there is no event any more
        owner.client.webhooks.change(paused.id, paused=True)
        console.open_with_key("webhooks", owner.key)
        for webhook, state in (
            (active, "active"),
            (paused, "paused"),
            (gone, "paused by failures"),
            (failing, "failingsince"),
        ):
            row = page.locator(f'#hooks tr[data-id="{webhook.id}"]')
            expect(row).to_contain_text(webhook.url)
            expect(row.locator("td").first).to_have_text(re.compile(f"^{state}( .* ago| just now)?$"))
            expect(row.locator("td.wide time")).to_be_visible()


def test_a_narrow_screen_shows_the_events_and_the_age_too(new_console: NewConsole, owner: Owner) -> None:
    owner.webhook(ELSEWHERE, "job.ended", "item.changed")
    for width, place in ((390, "small.slim"), (1280, "td.wide")):
        console = new_console(width=width)
        console.open_with_key("webhooks", owner.key)
        row = console.page.locator("#hooks tbody tr")
        expect(row.locator(f"{place}:visible").filter(has_text="job.ended, item.changed")).to_have_count(1)
        expect(row.locator("time:visible")).to_have_count(1)


def test_a_webhook_is_paused_and_resumed(console: Console, page: Page, owner: Owner, hook: Receiver) -> None:
    webhook = owner.webhook(hook.url)
    open_webhook(console, owner, webhook)
    button(page, "Pause").click()
    expect(page.locator("#hook-badge")).to_have_text("paused")
    assert owner.client.webhooks.get(webhook.id).paused
    job = owner.client.wait(owner.client.read("no-such-item"))
    expect(rows(page)).to_contain_text("not attempted yet")
    expect(rows(page)).to_contain_text("pending")
    button(page, "Resume").click()
    expect(page.locator("#hook-badge")).to_have_text("active")
    hook.wait_for(1, of=job.id)
    expect(rows(page)).to_contain_text("delivered")


def test_an_edit_sends_only_what_was_changed(console: Console, page: Page, owner: Owner, hook: Receiver) -> None:
    webhook = owner.client.webhooks.create(hook.url, events=["item.changed", "job.ended"], collections=["orders"])
    open_webhook(console, owner, webhook)
    expect(page.locator("#hook-facts")).to_contain_text("orders")
    page.get_by_role("link", name="Edit").click()
    expect(page.get_by_label("orders")).to_be_checked()
    expect(page.get_by_label("URL of the receiver")).to_have_value(hook.url)
    page.get_by_label("A document changes").uncheck()
    page.get_by_label("items").check()
    with page.expect_request(lambda request: request.method == "PATCH") as sent:
        button(page, "Save").click()
    assert sorted(sent.value.post_data_json or ()) == ["collections", "events"]
    expect(page.locator("#hook-facts")).to_contain_text("items, orders")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("URL of the receiver").fill(ELSEWHERE)
    button(page, "Save").click()
    expect(page.locator("#hook-facts")).to_contain_text(ELSEWHERE)
    now = owner.client.webhooks.get(webhook.id)
    assert (now.url, now.events, now.collections) == (ELSEWHERE, ("job.ended",), ("items", "orders"))
    expect(page.locator("#hook-secret")).to_be_hidden()


def test_a_new_secret_is_asked_for_and_shown_once(
    console: Console, page: Page, owner: Owner, hook: Receiver
) -> None:
    webhook = owner.webhook(hook.url)
    open_webhook(console, owner, webhook)
    button(page, "New secret…").click()
    button(page, "Keep it").click()
    expect(page.locator("#hook-secret")).to_be_hidden()
    button(page, "New secret…").click()
    button(page, "Make a new one").click()
    secret = page.locator("#hook-secret-text")
    expect(secret).to_have_text(SECRET)
    expect(page.locator("#hook-secret-old")).to_contain_text("the old secret signs too")
    shown = secret.inner_text()
    assert shown != webhook.secret
    button(page, "Test").click()
    (request,) = hook.wait_for(1)
    for each in (shown, webhook.secret or ""):
        assert verified(request, each)
    page.reload()
    expect(page.locator("#hook-facts")).to_contain_text("signs too until")
    assert shown not in page.content()


def test_a_webhook_is_deleted_only_after_confirmation(console: Console, page: Page, owner: Owner) -> None:
    webhook = owner.webhook()
    open_webhook(console, owner, webhook)
    button(page, "Delete…").click()
    expect(page.get_by_role("dialog", name="Delete this webhook?")).to_contain_text(ELSEWHERE)
    page.keyboard.press("Escape")
    assert owner.client.webhooks.list() == [owner.client.webhooks.get(webhook.id)]
    button(page, "Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#hooks-text")).to_be_visible()
    assert owner.client.webhooks.list() == []
    console.expected.add(404)
    console.open(f"webhooks/{webhook.id}")
    expect(page.locator("#hook-problem")).to_contain_text("no such webhook")


def test_a_readers_key_sees_all_and_no_button(console: Console, page: Page, owner: Owner, hook: Receiver) -> None:
    webhook = owner.webhook(hook.url)
    owner.client.webhooks.test(webhook.id)
    hook.wait_for(1)
    console.open_with_key("webhooks", owner.reader)
    page.locator("#hooks").get_by_role("link", name=hook.url).click()
    expect(rows(page)).to_contain_text("webhook.test")
    expect(page.locator("#view-webhook button:visible, #view-webhook input:visible")).to_have_count(0)
    expect(page.get_by_role("link", name="Edit")).to_be_hidden()
    console.open("webhooks")
    expect(page.locator("#hooks tbody tr")).to_be_visible()
    expect(page.get_by_role("link", name="New webhook")).to_be_hidden()
    for form in ("webhooks/new", f"webhooks/{webhook.id}/edit"):
        console.open(form)
        expect(page.locator("#hook-form-problem")).to_contain_text("reader")
        expect(page.locator("#hook-form")).to_be_hidden()


def test_a_late_answer_does_not_undo_a_pause(console: Console, page: Page, owner: Owner) -> None:
    webhook = owner.webhook()
    open_webhook(console, owner, webhook)
    with delayed(page, f"**/webhooks/{webhook.id}/deliveries*") as waiting:
        wait_for_request(page, waiting)
        button(page, "Pause").click()
        expect(page.locator("#hook-badge")).to_have_text("paused")
        observe(page, "hook-badge")
    while not page.evaluate("window.seen.length"):  # the page reads the webhook once more
        page.wait_for_timeout(20)
    assert page.evaluate("[...new Set(window.seen)]") == ["paused"]


def test_a_webhook_is_made_and_tested_with_the_keyboard_alone(
    console: Console, page: Page, owner: Owner, hook: Receiver
) -> None:
    def tab_to(wanted: Locator) -> None:
        for _ in range(30):
            page.keyboard.press("Tab")
            if wanted.evaluate("e => e === document.activeElement"):
                assert wanted.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
                return
        raise AssertionError(f"Tab does not lead to {wanted}")

    console.open_with_key("webhooks", owner.key)
    expect(page.locator("#hooks-text")).to_contain_text("no webhook")
    tab_to(page.get_by_role("link", name="New webhook"))
    page.keyboard.press("Enter")
    expect(page.locator("#view-webhook-form h1")).to_be_focused()
    tab_to(page.get_by_label("URL of the receiver"))
    page.keyboard.type(hook.url)
    tab_to(page.get_by_label("A document changes"))
    page.keyboard.press("Space")
    tab_to(button(page, "Create"))
    page.keyboard.press("Enter")
    expect(page.locator("#view-webhook h1")).to_be_focused()
    tab_to(button(page, "Copy the secret"))
    expect(page.locator("#hook-body")).to_be_visible()
    tab_to(button(page, "Test"))
    page.keyboard.press("Enter")
    expect(page.locator("#hook-outcome")).to_contain_text("is delivered")
    tab_to(rows(page).get_by_role("button"))
    page.keyboard.press("Enter")
    expect(page.locator("#hook-outcome")).to_contain_text("The event is delivered")
    expect(rows(page).get_by_role("button")).to_be_focused()
    assert [each.event["type"] for each in hook.received] == ["webhook.test"] * 2


def test_a_stage_without_events_says_how_to_turn_them_on(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with embedded(tmp_path_factory.mktemp("off")) as (target, settings):
        off = Stage(Deployer(target, LOCAL_STAGE, settings, Progress(), {"Events": "off"}).deploy())
        context = browser.new_context(viewport={"width": 390, "height": 900})
        console, page = Console(context.new_page(), off, expected={409}), context.pages[0]
        console.open_with_key("webhooks")
        expect(page.locator("#hooks-off")).to_contain_text("Events are off on this stage")
        expect(page.locator("#hooks-off")).to_contain_text('PARAMETERS="Events=on"')
        for hidden in ("#new-hook", "#hooks", "#hooks-empty", "#hooks-problem"):
            expect(page.locator(hidden)).to_be_hidden()
        console.open(f"webhooks/{'0' * 32}")
        expect(page.locator("#hook-problem")).to_contain_text("Events=on")
        expect(page.locator("#hook-body")).to_be_hidden()
        job = off.client.wait(off.client.read("no-such-item"))
        with page.expect_response(lambda answer: answer.url.endswith("/webhooks")):
            console.open(f"jobs/{job.id}")
        expect(page.locator("#job-failure")).to_be_visible()
        expect(page.locator("#job-told")).to_be_hidden()
        context.close()
        assert console.errors == []
