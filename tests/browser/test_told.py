"""The page of a job shows the events that were sent to each webhook, and can send them again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from jobpipe_client import Job
from tests.browser.conftest import NewConsole
from tests.browser.console import Console
from tests.browser.owner import ELSEWHERE, Owner
from tests.browser.test_late_answers import delayed, wait_for_request
from tests.helpers.deployed import unique
from tests.helpers.receiver import Receiver, receiver

NARROW = 390


def rows(page: Page) -> Locator:
    return page.locator("#told tbody tr")


def a_job(owner: Owner) -> Job:
    """Return a job that has ended without changing a document."""
    return owner.client.wait(owner.client.read("no-such-item"))


def open_job(console: Console, owner: Owner, job: Job) -> None:
    console.open_with_key(f"jobs/{job.id}", owner.key)
    expect(console.page.locator("#job-body")).to_be_visible()


def test_each_webhook_has_what_it_was_told(console: Console, page: Page, owner: Owner, hook: Receiver) -> None:
    with receiver(*[500] * 20) as failing:
        told, waiting = owner.webhook(hook.url, "job.ended", "item.changed"), owner.webhook(failing.url)
        other = owner.webhook(ELSEWHERE, "orders.shipped")
        job = owner.client.wait(owner.client.create({"name": unique("Told"), "description": "d"}))
        hook.wait_for(1, of=job.id)
        failing.wait_for(1, of=job.id)
        later = owner.webhook(f"{ELSEWHERE}/later")
        a_job(owner)  # it must not be listed
        open_job(console, owner, job)
        of_end, of_change = (rows(page).filter(has_text=each) for each in ("job.ended" + told.url, "item.changed"))
        for row in (of_end, of_change):
            expect(row).to_contain_text("delivered")
            expect(row).to_contain_text(re.compile(r"204 in \d+ ms"))
            expect(row).to_contain_text("1 attempt")
        of_failing = rows(page).filter(has_text=waiting.url)
        expect(of_failing).to_contain_text("pending")
        expect(of_failing).to_contain_text(re.compile(r"500 in \d+ ms"))
        expect(of_failing).to_contain_text("next attempt")
        of_other, of_later = (
            rows(page).filter(has=page.locator(f"a[href$='{each.id}']")) for each in (other, later)
        )
        expect(of_other).to_contain_text("not sent")
        expect(of_other).to_contain_text("It asks for orders.shipped.")
        expect(of_later).to_contain_text("It was created later.")
        expect(rows(page)).to_have_count(5)
        of_end.get_by_role("link").click()
        expect(page.locator("#hook-facts")).to_contain_text(told.id)


def test_an_event_that_was_given_up_is_replayed(console: Console, page: Page, owner: Owner) -> None:
    with receiver(410, 500) as hook:
        webhook = owner.webhook(hook.url)
        job = a_job(owner)
        hook.wait_for(1, of=job.id)
        open_job(console, owner, job)
        row, outcome = rows(page), page.locator("#told-outcome")
        expect(row).to_contain_text("given up")
        replay = page.get_by_role("button", name=f"Replay job.ended to {webhook.url}")
        replay.click()
        expect(outcome).to_contain_text("The event is not delivered. The receiver answered 500")
        expect(row).to_contain_text("given up")
        replay.click()
        expect(outcome).to_contain_text("The event is delivered. The receiver answered 204")
        expect(row).to_contain_text("delivered")
        row.get_by_text("3 attempts").click()
        expect(row.get_by_role("listitem").last).to_contain_text("asked for")
        assert len({each.event["id"] for each in hook.of(job.id)}) == 1


def test_a_replay_that_is_refused_says_why(console: Console, page: Page, owner: Owner, hook: Receiver) -> None:
    owner.webhook(hook.url)
    job = a_job(owner)
    hook.wait_for(1, of=job.id)
    open_job(console, owner, job)
    problem = {"type": "urn:jobpipe:problem:unavailable", "title": "Later", "status": 503, "detail": "Not now."}
    console.expected.add(503)
    page.route("**/replay", lambda route: route.fulfill(status=503, json=problem))
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#told-error")).to_have_text("Not now.")
    expect(page.locator("#told-outcome")).to_be_hidden()


def test_what_is_told_appears_when_the_job_ends(
    console: Console,
    page: Page,
    owner: Owner,
    hook: Receiver,
    worker_stopped: Callable[[], AbstractContextManager[None]],
) -> None:
    owner.webhook(hook.url)
    with worker_stopped():
        job = owner.client.read("no-such-item")
        open_job(console, owner, job)
        expect(page.locator("#job-badge")).to_have_text("queued")
        expect(page.locator("#job-told")).to_be_hidden()
    expect(rows(page)).to_contain_text("delivered")
    page.get_by_role("button", name="Retry").click()
    hook.wait_for(2, of=job.id)
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("1 attempt")


def test_readers_see_what_was_told_and_replay_nothing(
    console: Console, page: Page, owner: Owner, hook: Receiver
) -> None:
    owner.webhook(hook.url)
    job = a_job(owner)
    hook.wait_for(1, of=job.id)
    console.open_with_key(f"jobs/{job.id}", owner.reader)
    expect(rows(page)).to_contain_text("delivered")
    expect(page.get_by_role("button", name="Replay")).to_have_count(0)


def test_without_webhooks_nothing_is_said_of_them(console: Console, page: Page, owner: Owner) -> None:
    job = a_job(owner)
    with page.expect_response(lambda answer: answer.url.endswith("/webhooks")):
        open_job(console, owner, job)
    expect(page.locator("#job-failure")).to_be_visible()
    expect(page.locator("#job-told")).to_be_hidden()


def test_what_another_job_was_told_is_not_shown_late(
    console: Console, page: Page, owner: Owner, hook: Receiver
) -> None:
    owner.webhook(hook.url)
    first, second = a_job(owner), a_job(owner)
    for job in (first, second):
        hook.wait_for(1, of=job.id)
    with delayed(page, f"**/deliveries?job={first.id}") as waiting:
        open_job(console, owner, first)
        wait_for_request(page, waiting)
        console.open(f"jobs/{second.id}")
        expect(page.locator("#job-facts")).to_contain_text(second.id)
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("delivered")


def test_what_cannot_change_any_more_is_not_asked_for_again(
    console: Console, page: Page, owner: Owner, hook: Receiver
) -> None:
    """The job has ended an hour ago, as far as the page knows."""
    owner.webhook(hook.url)
    job = a_job(owner)
    hook.wait_for(1, of=job.id)

    def long_ago(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "updated_at": "2026-01-01T00:00:00.000Z"})

    page.route(f"**/jobs/{job.id}", long_ago)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/webhooks" in request.url else None)
    page.clock.install()
    console.open_with_key(f"jobs/{job.id}", owner.key)
    page.clock.run_for(2_000)
    expect(rows(page)).to_contain_text("delivered")
    before = len(asked)
    page.clock.run_for(60_000)
    assert len(asked) == before == 2


@pytest.mark.parametrize("width", [NARROW, 1280])
def test_an_event_is_replayed_with_the_keyboard_alone(
    new_console: NewConsole, owner: Owner, hook: Receiver, width: int
) -> None:
    console = new_console(width=width)
    page = console.page
    owner.webhook(hook.url)
    job = a_job(owner)
    hook.wait_for(1, of=job.id)
    open_job(console, owner, job)
    replay = page.get_by_role("button", name="Replay")
    expect(replay).to_be_visible()
    for _ in range(20):
        page.keyboard.press("Tab")
        if replay.evaluate("e => e === document.activeElement"):
            break
    expect(replay).to_be_focused()
    assert replay.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
    page.keyboard.press("Enter")
    expect(page.locator("#told-outcome")).to_contain_text("is delivered")
    expect(rows(page)).to_contain_text("2 attempts")
    expect(replay).to_be_focused()
    assert len(hook.of(job.id)) == 2
    assert json.loads(hook.of(job.id)[0].body) == json.loads(hook.of(job.id)[1].body)
