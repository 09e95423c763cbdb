"""The page of a webhook shows what became of each event, replays events, and shows failures until they are over."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta

from playwright.sync_api import Page, Route, expect

from tests.browser.console import Console
from tests.browser.owner import Owner
from tests.browser.test_late_answers import delayed, wait_for_request
from tests.browser.webhook_page import button, observe, open_webhook, rows
from tests.helpers.deployed import unique
from tests.helpers.receiver import Receiver, receiver


def test_a_test_tells_what_the_receiver_answered(console: Console, page: Page, owner: Owner) -> None:
    with receiver(204, 500) as hook:
        webhook = owner.webhook(hook.url)
        open_webhook(console, owner, webhook)
        expect(page.locator("#deliveries-text")).to_contain_text("no event")
        outcome = page.locator("#hook-outcome")
        button(page, "Test").click()
        expect(outcome).to_have_text(re.compile(r"is delivered\. The receiver answered 204 in \d+ ms\."))
        expect(page.locator("#say")).to_contain_text("answered 204")
        button(page, "Test").click()
        expect(outcome).to_have_text(re.compile(r"is not delivered\. The receiver answered 500 in \d+ ms\."))
        assert len(hook.of(webhook.id)) == 2
    button(page, "Test").click()
    expect(outcome).to_have_text(re.compile(r"no answer: the connection was refused after \d+ ms\."))
    expect(rows(page)).to_have_count(3)


def test_deliveries_lead_to_their_job_and_item_and_are_replayed(console: Console, page: Page, owner: Owner) -> None:
    with receiver(204, 204, 500) as hook:
        webhook = owner.webhook(hook.url, "job.ended", "item.changed")
        job = owner.client.wait(owner.client.create({"name": unique("Told"), "description": "d"}))
        hook.wait_for(1, of=job.id)
        hook.wait_for(1, of=job.item_id)
        open_webhook(console, owner, webhook)
        of_job, of_item = (rows(page).filter(has_text=each) for each in ("job.ended", "item.changed"))
        for row in (of_job, of_item):
            expect(row).to_contain_text("delivered")
            expect(row).to_contain_text(re.compile(r"204 in \d+ ms"))
        hook.before = lambda _: time.sleep(2)  # the page must not take the earlier attempt for the outcome
        page.get_by_role("button", name=f"Replay job.ended of jobs/{job.id}").click()
        expect(page.locator("#hook-outcome")).to_contain_text("is not delivered. The receiver answered 500")
        first, second = hook.wait_for(2, of=job.id)
        assert first.event["id"] == second.event["id"]
        of_job.get_by_text("2 attempts").click()
        expect(of_job.get_by_role("listitem")).to_have_count(2)
        expect(of_job.get_by_role("listitem").last).to_contain_text("asked for")
        expect(of_job).to_contain_text("delivered")
        expect(of_item).to_contain_text("1 attempt")
        of_job.get_by_role("link").click()
        expect(page.locator("#job-facts")).to_contain_text(job.id)
        page.go_back()
        of_item.get_by_role("link").click()
        expect(page.locator("#item-json")).to_contain_text("Told")


def test_all_events_since_a_time_are_replayed(console: Console, page: Page, owner: Owner, hook: Receiver) -> None:
    webhook = owner.webhook(hook.url)
    jobs = [owner.client.wait(owner.client.read("no-such-item")) for _ in range(2)]
    for job in jobs:
        hook.wait_for(1, of=job.id)
    open_webhook(console, owner, webhook)
    button(page, "Replay all").click()
    expect(page.locator("#replay-error")).to_have_text("A date and a time are needed.")
    since = page.get_by_label("Replay all events since")
    expect(since).to_be_focused()
    since.fill((datetime.now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M"))  # noqa: DTZ005  # the page's zone
    button(page, "Replay all").click()
    expect(page.locator("#hook-outcome")).to_contain_text("once more")
    expect(page.locator("#replay-error")).to_be_empty()
    since.fill((datetime.now() - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M"))  # noqa: DTZ005  # the page's zone
    button(page, "Replay all").click()
    for job in jobs:
        assert len(hook.wait_for(2, of=job.id)) == 2


def test_further_deliveries_are_shown_when_asked_for(
    console: Console, page: Page, owner: Owner, hook: Receiver
) -> None:
    webhook = owner.webhook(hook.url)
    for _ in range(41):
        owner.client.webhooks.test(webhook.id)
    open_webhook(console, owner, webhook)
    for count in (20, 40, 41):
        expect(rows(page)).to_have_count(count)
        if count < 41:
            button(page, "Show more").click()
    expect(button(page, "Show more")).to_be_hidden()


def test_a_failure_is_shown_until_it_is_over(console: Console, page: Page, owner: Owner) -> None:
    webhook = owner.webhook()
    console.expected.add(503)

    def fail(route: Route) -> None:
        problem = '{"title": "Unavailable", "detail": "The store does not answer."}'
        route.fulfill(status=503, body=problem, content_type="application/problem+json")

    console.open_with_key("jobs", owner.key)
    for view, problem, body in (
        ("webhooks", "#hooks-problem", "#hooks"),
        (f"webhooks/{webhook.id}", "#hook-problem", "#hook-body"),
    ):
        page.route("**/webhooks*/**", fail)
        page.route("**/webhooks", fail)
        console.open(view)
        expect(page.locator(problem)).to_have_text("The store does not answer.")
        expect(page.locator("#hooks-empty")).to_be_hidden()
        page.unroute("**/webhooks*/**")
        page.unroute("**/webhooks")
        expect(page.locator(body)).to_be_visible()
        expect(page.locator(problem)).to_be_hidden()


def test_a_late_error_of_another_webhook_is_not_shown(console: Console, page: Page, owner: Owner) -> None:
    webhook, missing = owner.webhook(), "0" * 32
    console.expected.add(404)
    console.open_with_key("jobs", owner.key)
    with delayed(page, f"**/webhooks/{missing}") as waiting:
        console.open(f"webhooks/{missing}")
        wait_for_request(page, waiting)
        console.open(f"webhooks/{webhook.id}")
        observe(page, "hook-problem")
    expect(page.locator("#hook-facts")).to_contain_text(webhook.url)
    assert "".join(page.evaluate("window.seen")) == ""
