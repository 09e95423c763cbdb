"""The page shows the queue, failed and retrying jobs, and batches, and polls as seldom as the service asks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from itertools import pairwise

from playwright.sync_api import Locator, Page, Request, expect

from tests.browser.console import TIMEOUT, Console
from tests.helpers.deployed import Stage, lost, unique

WorkerStopped = Callable[[], AbstractContextManager[None]]


def test_the_queue_is_plotted_while_it_grows_and_empties(
    console: Console, page: Page, stage: Stage, worker_stopped: WorkerStopped
) -> None:
    waiting = page.locator("#now-waiting")
    console.open_with_key()
    expect(waiting).to_have_text("0", timeout=TIMEOUT)
    with worker_stopped():
        for _ in range(3):
            stage.client.create({"name": unique("Waiting"), "description": "d"})
        expect(waiting).to_have_text("3", timeout=TIMEOUT)
        plot = page.get_by_role("img", name=re.compile("Waiting: now 3, highest in"))
        expect(plot).to_be_visible()
    expect(waiting).to_have_text("0", timeout=TIMEOUT)
    expect(page.get_by_role("img", name=re.compile(r"Waiting: now 0, highest 3, \d+.* s ago"))).to_be_visible()
    expect(page.locator("#tiles-zero")).to_contain_text("dead letters, parked")
    for name in ("Dead letters", "Parked"):
        expect(page.locator(".tile").filter(has_text=name)).to_be_hidden()


def test_a_failed_job_is_listed_until_it_is_retried(console: Console, page: Page, stage: Stage) -> None:
    name = unique("In the way")
    item = stage.client.sync.create({"name": name, "description": "d"})
    job = stage.client.wait(stage.client.create({"name": name, "description": "second"}))
    console.open_with_key()
    row = page.locator(f'#listed tr[data-id="{job.id}"]')
    expect(row).to_contain_text("is named", timeout=TIMEOUT)
    stage.client.sync.delete(item.id)
    stage.client.retry(job.id)
    expect(row).to_have_count(0, timeout=TIMEOUT)
    page.get_by_role("radio", name="Retrying").check()
    expect(page.locator("#listed-text")).to_have_text("No job is between two attempts.")


def test_a_batch_is_shown_until_its_end(
    console: Console, page: Page, stage: Stage, worker_stopped: WorkerStopped
) -> None:
    def count(name: str) -> Locator:
        return page.locator("#batch-counts .tile").filter(has_text=name).locator("dd")

    valid = {"name": unique("In a batch"), "description": "d"}
    with worker_stopped():
        batch = stage.client.submit_batch(
            [
                {"operation": "create", "item": valid},
                {"operation": "delete", "item_id": "no-such-item"},
                {"operation": "create", "item": {**valid, "name": " ", "id": "mine"}},
            ]
        )
        console.open_with_key()
        page.get_by_label("Open a job or a batch by its id").fill(f"  {batch.id.upper()} ")
        page.keyboard.press("Enter")
        expect(page.locator("#batch-badge")).to_have_text("running")
        expect(count("queued")).to_have_text("2")
        expect(count("refused")).to_have_text("1")
    expect(page.locator("#batch-badge")).to_have_text("ended", timeout=TIMEOUT)
    expect(count("succeeded")).to_have_text("1")
    expect(count("failed")).to_have_text("1")
    rows = page.locator("#entries tbody tr")
    expect(rows).to_contain_text(["succeeded", "There is no item no-such-item", "must not be blank"])
    expect(rows.last).to_contain_text("#/item/id: The id is assigned by the service")
    rows.first.get_by_role("link").click()
    expect(page.locator("#job-badge")).to_have_text("succeeded")


def test_a_batch_is_cancelled_and_retried(
    console: Console, page: Page, stage: Stage, worker_stopped: WorkerStopped
) -> None:
    def count(name: str) -> Locator:
        return page.locator("#batch-counts .tile").filter(has_text=name).locator("dd")

    command = {"operation": "delete", "item_id": "no-such-item"}
    badge = page.locator("#batch-badge")
    with worker_stopped():
        batch = stage.client.submit_batch([command, command])
        console.open_with_key(f"batches/{batch.id}")
        expect(page.get_by_role("button", name="Retry what has failed")).to_be_hidden()
        page.get_by_role("button", name="Cancel what has not ended").click()
        expect(badge).to_have_text("ended")
        expect(count("cancelled")).to_have_text("2")
        expect(page.get_by_role("button", name="Cancel what has not ended")).to_be_hidden()
    failed = stage.client.submit_batch([command, command])
    console.open(f"batches/{failed.id}")
    expect(count("failed")).to_have_text("2", timeout=TIMEOUT)
    with worker_stopped():
        page.get_by_role("button", name="Retry what has failed").click()
        expect(badge).to_have_text("running")
        expect(count("queued")).to_have_text("2")
    expect(count("failed")).to_have_text("2", timeout=TIMEOUT)
    assert {stage.client.job(entry.job_id or "").retries for entry in failed.entries} == {1}


def test_a_job_shows_its_time_limit(console: Console, page: Page, stage: Stage) -> None:
    command = {"operation": "read", "item_id": "no-such-item"}
    limited, other = stage.client.submit(command, before=timedelta(days=1)), stage.client.submit(command)
    console.open_with_key(f"jobs/{limited.id}")
    expect(page.locator("#job-facts")).to_contain_text("Not after")
    console.open(f"jobs/{other.id}")
    expect(page.locator("#job-facts")).to_contain_text(other.id)
    expect(page.locator("#job-facts")).not_to_contain_text("Not after")


def test_an_item_that_cannot_be_read_is_in_the_list(console: Console, page: Page, stage: Stage) -> None:
    console.expected.add(503)  # for a recent item, since S3 may find its document later
    item = stage.client.sync.create({"name": unique("Lost"), "description": "x" * 5_000})
    with lost(stage, item.id):
        console.open_with_key("items")
        row = page.locator(f'#items tr[data-id="{item.id}"]')
        expect(page.locator("#items tbody tr").first).to_be_visible()
        while not row.count():
            before = page.locator("#items-page").inner_text()
            page.get_by_role("button", name="Next").click()
            expect(page.locator("#items-page")).not_to_have_text(before)
        expect(row).to_contain_text("cannot be read")
        row.get_by_role("link").click()
        expect(page.locator("#item-problem")).to_contain_text("The document of item")


def test_an_unknown_id_is_an_error(console: Console, page: Page) -> None:
    console.expected.add(404)
    console.open_with_key()
    page.get_by_label("Open a job or a batch by its id").fill("x")
    page.get_by_role("button", name="Open").click()
    expect(page.locator("#find-error")).to_contain_text("no id")
    page.get_by_label("Open a job or a batch by its id").fill("0" * 32)
    page.get_by_role("button", name="Open").click()
    expect(page.locator("#job-problem")).to_contain_text("no such job")
    console.open("batches")
    page.get_by_label("Watch a batch by its id").fill(f"batch-{'0' * 32}")
    page.get_by_role("button", name="Watch").click()
    expect(page.locator("#batch-error")).to_contain_text("no such batch")


def test_a_waiting_job_is_polled_no_sooner_than_the_service_asks(
    console: Console, page: Page, worker_stopped: WorkerStopped
) -> None:
    times: list[float] = []

    def record(request: Request) -> None:
        if "/jobs/" in request.url:
            times.append(time.monotonic())

    console.open_with_key("send")
    with worker_stopped():
        page.on("request", record)
        console.fill(name=unique("Paced"), description="d")
        console.send()
        for _ in range(3):
            page.wait_for_event("response", lambda answer: "/jobs/" in answer.url)
    pauses = [after - before for before, after in pairwise(times)]
    assert len(pauses) >= 2
    assert all(pause >= 1 for pause in pauses), pauses


def test_a_hidden_tab_does_not_poll(console: Console, page: Page, worker_stopped: WorkerStopped) -> None:
    """It is silent for half an hour of the page's clock, and polls at once when it is visible again."""
    page.add_init_script("Object.defineProperty(document, 'hidden', {get: () => Boolean(window.isHidden)})")
    page.clock.install()
    with worker_stopped():
        console.open_with_key("send")
        console.fill(name=unique("Hidden"), description="d")
        console.send()
        console.expect_status("queued")
        with page.expect_response(lambda answer: "/stats" in answer.url):
            page.clock.run_for(6_000)
        page.evaluate("window.isHidden = true; document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_load_state("networkidle")
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.clock.run_for(30 * 60_000)
        assert requests == []
    page.evaluate("window.isHidden = false; document.dispatchEvent(new Event('visibilitychange'))")
    with page.expect_response(lambda answer: "/jobs/" in answer.url):
        page.clock.run_for(1_000)
    assert any("/stats" in url for url in requests)


def test_a_reloaded_page_still_shows_a_jobs_end(
    console: Console, page: Page, worker_stopped: WorkerStopped
) -> None:
    name = unique("Reloaded")
    with worker_stopped():
        console.open_with_key("send")
        console.fill(name=name, description="d")
        console.send()
        console.expect_status("queued")
        page.reload()
    console.open("jobs")
    expect(page.locator("#mine tbody tr").filter(has_text=name)).to_contain_text("succeeded", timeout=TIMEOUT)
    page.get_by_role("button", name="Clear ended jobs").click()
    expect(page.locator("#mine")).to_be_hidden()
