"""The form sends each command once, shows its job until the end, and shows errors at their fields."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.console import TIMEOUT, Console
from tests.helpers.deployed import Stage, unique

BIG = "12345678901234567890123456789"
PRECISE = "0.12345678901234567890123456789"


def test_a_command_is_sent_and_its_job_succeeds(console: Console, page: Page, stage: Stage) -> None:
    name = unique("Trail tent")
    console.open_with_key("send")
    console.fill(name=name, description="For two", fields='{"price": 12.95}')
    console.send()
    console.expect_status("succeeded")
    expect(page.locator("#say")).to_have_text(f"create {name}: succeeded")

    page.get_by_role("link", name="Jobs", exact=True).click()
    row = page.locator("#mine tbody tr").filter(has_text=name)
    expect(row.get_by_text("succeeded")).to_be_visible()
    row.get_by_role("link").click()
    timeline = page.get_by_role("region", name="Timeline").get_by_role("listitem")
    expect(timeline).to_contain_text(["Accepted", "Succeeded"])
    expect(page.locator("#job-result")).to_contain_text('"price": 12.95')

    item_id = stage.client.job(page.url.rpartition("/")[2]).item_id
    assert stage.client.get_item(item_id)["name"] == name


def test_sending_a_command_several_times_creates_one_job(console: Console, page: Page) -> None:
    console.open_with_key("send")
    console.fill(name=unique("Twice"), description="d")
    page.get_by_role("button", name="Send", exact=True).dblclick()
    console.expect_status("succeeded")
    first = page.locator("#sent-link").get_attribute("href")
    with page.expect_response(lambda answer: answer.url.endswith("/items")) as answered:
        console.send()
    assert f"#/jobs/{answered.value.json()['id']}" == first
    key = page.locator("#idem").input_value()

    console.fill(description="another")
    assert page.locator("#idem").input_value() != key, "a changed command gets another key"
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.locator("#mine tbody tr")).to_have_count(1)


def test_the_error_about_a_taken_name_is_shown_at_the_name(console: Console, page: Page, stage: Stage) -> None:
    name = unique("Taken")
    stage.client.sync.create({"name": name, "description": "d"})
    console.open_with_key("send")
    console.fill(name=name, description="d")
    console.send()
    console.expect_status("failed")
    expect(console.error_of("name")).to_contain_text("Another item is named")
    expect(page.locator("#name")).to_have_attribute("aria-invalid", "true")


@pytest.mark.parametrize(
    ("fields", "at", "message"),
    [
        ({"name": "zero\u200bwidth"}, "name", "invisible character U+200B"),
        ({"name": "n", "fields": '{"a": {"b": "\\u0000"}}'}, "fields", "#/a/b: Text must not have a NUL"),
        ({"name": "n", "fields": '{"a": 1e999}'}, "fields", "#/a: The number 1e999 cannot be stored"),
    ],
    ids=["name", "nested field", "number that cannot be stored"],
)
def test_an_error_of_the_service_is_shown_at_the_field_of_its_pointer(
    console: Console, page: Page, fields: dict[str, str], at: str, message: str
) -> None:
    console.expected.add(400)
    console.open_with_key("send")
    console.fill(description="d", **fields)
    console.send()
    if at == "form-error":
        expect(page.locator("#form-error")).to_contain_text(message)
    else:
        expect(console.error_of(at)).to_contain_text(message)
        expect(page.locator(f"#{at}")).to_be_focused()
    expect(page.locator("#sent")).to_be_hidden()


def test_all_errors_of_the_service_are_shown_at_once(console: Console, page: Page) -> None:
    console.expected.add(400)
    console.open_with_key("send")
    console.fill(name="zero\u200bwidth\u0007", description="d", fields='{"a": 1e999, "b": ["\\u0000"]}')
    console.send()
    expect(console.error_of("name")).to_have_text(
        "The name must not have control characters. The name must not have the invisible character U+200B."
    )
    expect(console.error_of("fields")).to_contain_text("#/a: The number 1e999")
    expect(console.error_of("fields")).to_contain_text("#/b/0: Text must not have a NUL")
    expect(page.locator("#sent")).to_be_hidden()


@pytest.mark.parametrize(
    ("operation", "fields", "at", "message"),
    [
        ("Create", {"description": "d"}, "name", "needs a name"),
        ("Create", {"name": "n", "fields": '{"a": 1,}'}, "fields", "not JSON"),
        ("Create", {"name": "n", "fields": "[1]"}, "fields", "must be an object"),
        ("Create", {"name": "n", "fields": '{"name": "m"}'}, "fields", "field for the name above"),
        ("Read", {}, "item_id", "id of the item is needed"),
        ("Set", {"item_id": "i"}, "fields", "At least one field"),
        ("Delete", {"item_id": "i", "if_match": "é"}, "if_match", "entity tag"),
        ("Delete", {"item_id": "i", "idem": "a b"}, "idem", "visible ASCII"),
    ],
)
def test_the_form_does_not_send_an_invalid_command(
    console: Console, page: Page, operation: str, fields: dict[str, str], at: str, message: str
) -> None:
    console.open_with_key("send")
    writes: list[str] = []

    def record(request: Request) -> None:
        if request.method != "GET":
            writes.append(request.url)

    page.on("request", record)
    console.choose(operation)
    console.fill(**fields)
    console.send()
    expect(console.error_of(at)).to_contain_text(message)
    expect(page.locator(f"#{at}")).to_be_focused()
    assert writes == []


def test_a_failed_job_can_be_retried(console: Console, page: Page) -> None:
    console.open_with_key("send")
    console.choose("Read")
    console.fill(item_id="no-such-item")
    console.send()
    console.expect_status("failed")

    page.get_by_role("link", name="Jobs", exact=True).click()
    page.locator("#mine").get_by_role("link", name="no-such-item").click()
    expect(page.locator("#job-failure")).to_contain_text("There is no item no-such-item")
    expect(page.locator("#job-retry"), "a retry would fail again").not_to_contain_class("primary")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("region", name="Timeline").get_by_role("listitem")).to_contain_text(
        ["Accepted", "Failed", "Queued again", "Failed"]
    )
    expect(page.locator("#view-job h1"), "the focus moves when its button disappears").to_be_focused()


def test_a_waiting_job_can_be_cancelled(
    console: Console, page: Page, stage: Stage, worker_stopped: Callable[[], AbstractContextManager[None]]
) -> None:
    name = unique("Never")
    console.open_with_key("send")
    with worker_stopped():
        console.fill(name=name, description="d")
        console.send()
        console.expect_status("queued")
        page.locator("#sent-link").click()
        expect(page.get_by_text("Waiting in the queue")).to_be_visible()
        page.get_by_role("button", name="Cancel this job").click()
        expect(page.locator("#job-badge")).to_have_text("cancelled")
        expect(page.get_by_text("The command had no effect.")).to_be_visible()
    stage.client.sync.create({"name": name, "description": "free"})


def test_the_curl_command_sends_the_same_request(console: Console, page: Page, stage: Stage) -> None:
    """It has the same Idempotency-Key, so it gets the same job if its command is exactly the same."""
    console.open_with_key("send")
    console.fill(
        name=unique('it\'s "quoted" $HOME `id` \\ !'),
        description="two\nlines",
        fields=f'{{"n": {BIG}, "text": "\u202e\' end"}}',
    )
    line = page.locator("#curl").text_content() or ""
    console.send()
    console.expect_status("succeeded")

    environment = {"JOBPIPE_API_KEY": stage.deployment.api_key, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, check=True)
    assert page.locator("#sent-link").get_attribute("href") == f"#/jobs/{json.loads(done.stdout)['id']}"
    assert stage.deployment.api_key not in line


def test_numbers_beyond_a_floats_precision_are_exact(console: Console, page: Page, stage: Stage) -> None:
    body = (
        f'{{"name": "{unique("Exact")}", "description": "d", "n": {BIG}, "deep": [{{"f": {PRECISE}}}], "gone": 1}}'
    )
    created = stage.request("POST", "/items", raw=body.encode(), headers={"Prefer": "wait=10"})
    item_id = created.json()["id"]
    console.open_with_key(f"items/{item_id}")
    for number in (BIG, PRECISE):
        expect(page.locator("#item-json")).to_contain_text(number)

    page.get_by_role("button", name="Edit").click()
    console.fill(
        description="changed", fields=page.locator("#fields").input_value().replace('"gone": 1', '"new": 2')
    )
    console.send()
    expect(console.error_of("fields")).to_contain_text("Set would leave gone as it is")
    console.choose("Merge")
    assert BIG not in (page.locator("#curl").text_content() or ""), "unchanged fields are not sent"
    console.send()
    console.expect_status("succeeded")

    text = stage.request("GET", f"/items/{item_id}").text
    assert re.search(rf'"n": ?{BIG}\b', text)
    assert re.search(rf'"f": ?{PRECISE}\b', text)
    shown = json.loads(text)
    assert (shown["description"], shown["new"], "gone" in shown) == ("changed", 2, False)

    console.open(f"items/{item_id}")
    expect(page.locator("#item-json")).to_contain_text('"new": 2')
    page.get_by_role("button", name="Edit").click()
    console.fill(fields=page.locator("#fields").input_value().replace(BIG, f"{BIG}1"))
    console.send()
    console.expect_status("succeeded")
    assert f"{BIG}1" in stage.request("GET", f"/items/{item_id}").text


def test_a_version_mismatch_is_shown_at_if_match(console: Console, page: Page, stage: Stage) -> None:
    item = stage.client.sync.create({"name": unique("Moving"), "description": "d"})
    console.open_with_key(f"items/{item.id}")
    page.get_by_role("button", name="Edit").click()
    stage.client.sync.update(item.id, {"meanwhile": 1})
    console.fill(description="mine")
    console.send()
    console.expect_status("failed")
    expect(console.error_of("if_match")).not_to_be_empty()
    assert stage.client.get_item(item.id)["description"] == "d"


def test_an_item_is_deleted_only_after_confirmation(console: Console, page: Page, stage: Stage) -> None:
    item = stage.client.sync.create({"name": unique("Old"), "description": "d"})
    console.open_with_key(f"items/{item.id}")
    delete = page.get_by_role("button", name="Delete…")
    delete.click()
    page.get_by_role("button", name="Keep it").click()
    expect(delete).to_be_focused()
    delete.press("Enter")
    expect(page.get_by_role("dialog", name="Delete this item?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(delete).to_be_focused()
    assert stage.client.get_item(item.id) == item

    delete.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#job-badge")).to_have_text("succeeded", timeout=TIMEOUT)
    assert stage.request("GET", f"/items/{item.id}").status_code == 404


def test_a_command_can_be_sent_again_after_a_network_failure(console: Console, page: Page) -> None:
    console.open_with_key("send")
    console.fill(name=unique("Patient"), description="d")
    console.set_offline(True)
    console.send()
    expect(page.locator("#form-error")).to_contain_text("Send it again unchanged")
    console.set_offline(False)
    console.send()
    console.expect_status("succeeded")
