"""Failed jobs are grouped by reason, retried, dismissed, and changed and sent again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from infra.deployment.readiness import wait_for_key
from jobpipe_client import Client, Job
from tests.browser.conftest import NewConsole
from tests.browser.console import TIMEOUT
from tests.helpers.deployed import Stage, unique


@dataclass
class Caller:
    """A caller of one test, whose failed jobs are those of the test."""

    key: str
    client: Client

    def failed(self, command: dict[str, Any]) -> Job:
        job = self.client.wait(self.client.submit(command))
        assert job.status == "failed"
        return job


@pytest.fixture
def caller(stage: Stage) -> Iterator[Caller]:
    key = stage.api_keys.add(unique("failing").replace(" ", "").replace("-", "").lower()[:20])
    assert wait_for_key(stage.deployment.base_url, key.value, accepted=True)
    yield Caller(key.value, Client(stage.deployment.base_url, key.value, request_timeout=30))
    stage.api_keys.revoke(key)


@pytest.fixture
def new_console(caller: Caller, new_console: NewConsole) -> NewConsole:
    """The tabs are closed before the key ends, with which they go on reading."""
    return new_console


def absent(n: int) -> dict[str, Any]:
    return {"operation": "read", "item_id": f"no-such-item-{n}"}


def row(page: Page, text: str) -> Locator:
    return page.locator("#failures tbody tr").filter(has_text=text)


def dismiss_all(page: Page, title: str) -> None:
    page.get_by_role("button", name=f"Dismiss all: {title}").click()
    page.get_by_role("dialog").get_by_role("button", name="Dismiss", exact=True).click()


def test_failed_jobs_are_grouped_and_dismissed_for_every_browser(new_console: NewConsole, caller: Caller) -> None:
    name = unique("Taken")
    caller.client.sync.create({"name": name, "description": "d"})
    create = {"operation": "create", "item": {"name": name, "description": "again"}}
    taken = [caller.failed(create) for _ in range(2)]
    missing = [caller.failed(absent(n)) for n in range(7)]
    console = new_console()
    page = console.page
    console.open_with_key(key=caller.key)
    expect(page.locator("#failed-note")).to_have_text(
        "9 jobs failed: There is no such resource (7), Another item has this name (2)", timeout=TIMEOUT
    )
    page.get_by_role("link", name="9 jobs failed").click()
    expect(page.locator("#failures strong")).to_have_text(
        ["There is no such resource", "Another item has this name"]
    )
    expect(page.get_by_role("button", name="Retry all: Another item has this name")).to_have_count(0)
    rows = page.locator("#failures tbody tr")
    expect(rows).to_have_count(4)  # two groups, and the jobs of the small one
    expect(page.get_by_role("link", name=f"create {name}")).to_have_count(2)
    expect(page.get_by_role("button", name=f"Dismiss: create {name}")).to_have_count(2)
    fold = page.get_by_role("button", name="7 jobs: There is no such resource")
    fold.click()
    expect(rows).to_have_count(11)
    expect(fold).to_be_focused()
    expect(row(page, "no-such-item-3")).to_be_visible()
    fold.click()
    expect(rows).to_have_count(4)

    row(page, "is named").first.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#failures-outcome")).to_have_text("1 of 1 job dismissed.")
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="Dismiss all: There is no such resource").click()
    expect(page.get_by_role("dialog")).to_contain_text("Dismiss 7 jobs?")
    page.get_by_role("button", name="Keep it").click()
    expect(rows).to_have_count(3)
    dismiss_all(page, "There is no such resource")
    expect(page.locator("#failures-outcome")).to_have_text("7 of 7 jobs dismissed.", timeout=TIMEOUT)
    expect(rows).to_have_count(2)

    left = {job.id for job in caller.client.jobs("failed")}
    assert len(left) == 1
    assert left < {job.id for job in taken}
    assert all(caller.client.job(job.id).dismissed_at is not None for job in missing)
    other = new_console()
    other.open_with_key("failed", key=caller.key)
    expect(other.page.locator("#failures tbody tr")).to_have_count(2)


def test_a_group_is_retried(new_console: NewConsole, caller: Caller) -> None:
    jobs = [caller.failed(absent(n)) for n in range(5)]
    console = new_console()
    page = console.page
    console.open_with_key("failed", key=caller.key)
    expect(page.locator("#failures tbody tr")).to_have_count(6, timeout=TIMEOUT)
    page.get_by_role("button", name="Retry all").click()
    expect(page.locator("#failures-outcome")).to_have_text("5 of 5 jobs queued again.", timeout=TIMEOUT)
    assert {caller.client.wait(caller.client.job(job.id)).retries for job in jobs} == {1}
    expect(page.locator("#failures tbody tr")).to_have_count(6, timeout=2 * TIMEOUT)  # they have failed again


def test_what_cannot_be_dismissed_is_said(new_console: NewConsole, caller: Caller) -> None:
    jobs = [caller.failed(absent(n)) for n in range(3)]
    console = new_console()
    page = console.page
    console.expected.add(409)
    console.open_with_key("failed", key=caller.key)
    expect(page.locator("#failures tbody tr")).to_have_count(4, timeout=TIMEOUT)
    answer = '{"type": "urn:jobpipe:problem:job-not-failed", "status": 409, "detail": "It is queued."}'
    page.route(f"**/jobs/{jobs[1].id}/dismiss", lambda route: route.fulfill(status=409, body=answer))
    dismiss_all(page, "There is no such resource")
    expect(page.locator("#failures-outcome")).to_have_text("2 of 3 jobs dismissed. 1 not: It is queued.")
    expect(page.locator("#failures tbody tr")).to_have_count(2)


def test_a_refused_create_is_shown_changed_and_sent_again(new_console: NewConsole, caller: Caller) -> None:
    name = unique("Twice")
    caller.client.sync.create({"name": name, "description": "d"})
    job = caller.failed({"operation": "create", "item": {"name": name, "description": "another", "price": 12.95}})
    console = new_console()
    page = console.page
    console.open_with_key(f"jobs/{job.id}", key=caller.key)
    expect(page.locator("h1:visible")).to_have_text(f"Create {name}")
    expect(page).to_have_title(f"Create {name} · jobpipe console")
    expect(page.locator("#job-failure")).to_contain_text("Another item has this name")
    assert page.locator("#job-failure").inner_text().count("is named") == 1, "the reason is said once"
    expect(page.locator('#job-facts a[href^="#/items/"]'), "nothing was created").to_have_count(0)
    expect(page.locator("#job-command")).to_contain_text('"price": 12.95')
    expect(page.get_by_role("button", name="Retry", exact=True)).to_be_hidden()
    above, below = (page.locator(name).bounding_box() for name in ("#job-failed", "#job-actions"))
    assert above is not None
    assert below is not None
    assert above["y"] < below["y"]
    page.get_by_role("button", name="Edit and send again").click()
    expect(page.locator("#name")).to_have_value(name)
    expect(page.locator("#name-error")).to_contain_text("name")
    expect(page.locator("#fields")).to_have_value('{\n  "price": 12.95\n}')
    console.fill(name=f"{name} 2")
    console.send()
    console.expect_status("succeeded")

    console.open(f"jobs/{job.id}")
    page.get_by_role("button", name="Dismiss", exact=True).click()
    expect(page.locator("#job-facts")).to_contain_text("Dismissed")
    expect(page.get_by_role("button", name="Dismiss", exact=True)).to_be_hidden()
    assert list(caller.client.jobs("failed")) == []


def test_an_outdated_change_is_sent_again_without_its_version(new_console: NewConsole, caller: Caller) -> None:
    item = caller.client.sync.create({"name": unique("Versions"), "description": "d"})
    caller.client.sync.update(item.id, {"price": 1})
    job = caller.client.wait(caller.client.merge(item.id, {"price": 2}, if_match=item.etag))
    console = new_console()
    page = console.page
    console.open_with_key(f"jobs/{job.id}", key=caller.key)
    expect(page.locator("h1:visible")).to_have_text(f"Update {item['name']}")
    expect(page.get_by_role("button", name="Edit and send again")).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_role("button", name="Retry", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Edit and send again").click()
    expect(page.get_by_role("radio", name="Merge")).to_be_checked()
    expect(page.locator("#item_id")).to_have_value(item.id)
    expect(page.locator("#fields")).to_have_value('{\n  "price": 2\n}')
    expect(page.locator("#if_match")).to_have_value("")
    console.send()
    console.expect_status("succeeded")
    assert caller.client.get_item(item.id)["price"] == 2


def test_a_failed_job_of_another_program_is_named_in_every_list(new_console: NewConsole, caller: Caller) -> None:
    item = caller.client.sync.create({"name": unique("Named"), "description": "d"})
    create = {"operation": "create", "item": {"name": item["name"], "description": "again"}}
    delete = {"operation": "delete", "item_id": item.id, "if_match": '"ff"'}
    batch = caller.client.submit_batch([create, delete])
    deleted = caller.client.wait(caller.client.job(str(batch.entries[1].job_id)))
    console = new_console()
    page = console.page
    console.open_with_key("failed", key=caller.key)
    for command in ("create", "delete"):
        expect(page.locator("#failures").get_by_role("link", name=f"{command} {item['name']}")).to_have_count(1)
    console.open("jobs")
    expect(page.locator("#live, #listed").get_by_role("link", name=f"delete {item['name']}")).not_to_have_count(0)
    console.open(f"batches/{batch.id}")
    expect(page.locator("main a:visible").filter(has_text=f"create {item['name']}")).to_have_count(1)
    console.open(f"jobs/{deleted.id}")
    expect(page.locator("h1:visible")).to_have_text(f"Delete {item['name']}")


def test_there_may_be_no_failed_job(new_console: NewConsole, caller: Caller) -> None:
    console = new_console()
    console.open_with_key("failed", key=caller.key)
    expect(console.page.locator("#failures-text")).to_contain_text("No job has failed")
    console.open("jobs")
    expect(console.page.locator("#failed-note")).to_be_hidden()
