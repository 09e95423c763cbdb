"""The page shows all of the caller's jobs as they come, the throughput, and imports, whoever has sent them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import NewConsole
from tests.browser.console import TIMEOUT, Console
from tests.browser.shop import KEY, Shop
from tests.helpers.commands import clean_environment
from tests.helpers.deployed import Stage, unique

WorkerStopped = Callable[[], AbstractContextManager[None]]
ROWS = 250


@contextmanager
def importing(stage: Stage, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Import rows from a terminal during the block. The name of the last row is that of the first."""
    names = [unique("Row") for _ in range(ROWS - 1)]
    file = folder / "rows.csv"
    file.write_text(
        "".join(f"{name},d\n" for name in ["name", *names, names[0]]).replace("name,d", "name,description")
    )
    of_stage = {"JOBPIPE_URL": stage.deployment.base_url, "JOBPIPE_API_KEY": stage.deployment.api_key}
    command = (sys.executable, "-m", "jobpipe_client.cli", "import", str(file))
    with subprocess.Popen(command, env=clean_environment(**of_stage), stdout=subprocess.DEVNULL) as running:
        try:
            yield running
        finally:
            running.terminate()


def test_jobs_that_another_program_sends_appear_and_end(console: Console, page: Page, stage: Stage) -> None:
    console.open_with_key()
    expect(page.locator("#live-text")).not_to_have_text("Loading…")
    name = unique("Elsewhere")
    done = stage.client.create({"name": name, "description": "d"})
    row = page.locator("#live tbody tr")
    expect(row.first).to_have_attribute("data-id", done.id)
    expect(row.first).to_contain_text("succeeded", timeout=TIMEOUT)
    failed = stage.client.wait(stage.client.create({"name": name, "description": "d"}))
    expect(row.first).to_have_attribute("data-id", failed.id)
    expect(row.first).to_contain_text("is named")
    expect(page.locator("#mine-part")).to_be_hidden()
    expect(page.locator("#rates-now .accepted")).to_contain_text(re.compile(r"[1-9]\d*.*in the last"))
    expect(page.locator("#rates-now .failed")).to_contain_text("in the last")


def test_the_list_is_filtered_by_status_and_time(console: Console, page: Page, stage: Stage) -> None:
    name = unique("Filtered")
    done = stage.client.wait(stage.client.create({"name": name, "description": "d"}))
    failed = stage.client.wait(stage.client.create({"name": name, "description": "d"}))
    console.open_with_key()
    rows = page.locator("#live tbody tr")
    expect(page.locator(f'#live tr[data-id="{done.id}"]')).to_be_visible()
    page.get_by_label("Status", exact=True).select_option("failed")
    expect(page.locator(f'#live tr[data-id="{done.id}"]')).to_have_count(0)
    expect(page.locator(f'#live tr[data-id="{failed.id}"]')).to_be_visible()
    assert set(rows.locator(".badge").all_inner_texts()) == {"failed"}
    page.get_by_label("Status", exact=True).select_option("cancelled")
    page.get_by_label("Accepted", exact=True).select_option("in the last hour")
    with page.expect_request(re.compile(r"jobs\?status=cancelled&since=")):
        page.get_by_label("Accepted", exact=True).select_option("in the last 24 hours")


def test_rows_stay_where_they_are_while_the_reader_is_in_them(console: Console, page: Page, stage: Stage) -> None:
    first = stage.client.wait(stage.client.create({"name": unique("Read"), "description": "d"}))
    console.open_with_key()
    rows = page.locator("#live tbody tr")
    expect(rows.first).to_have_attribute("data-id", first.id)
    rows.first.get_by_role("link").focus()
    second = stage.client.create({"name": unique("Later"), "description": "d"})
    expect(page.locator("#live-at")).to_have_text("held while you are in it; newer ones wait")
    expect(rows.first).to_have_attribute("data-id", first.id)
    page.locator("#find-id").focus()
    expect(rows.first).to_have_attribute("data-id", second.id)


def test_an_import_from_a_terminal_is_shown_with_its_progress(
    console: Console, page: Page, stage: Stage, worker_stopped: WorkerStopped, tmp_path: Path
) -> None:
    running = page.locator("#running tbody tr")
    with ExitStack() as stack, importing(stage, tmp_path) as terminal:
        stack.enter_context(worker_stopped())
        console.open_with_key()
        expect(running.first).to_contain_text(f"{ROWS} rows sent so far", timeout=TIMEOUT)
        expect(running.first).to_contain_text(f"{ROWS} queued")
        expect(running.first).to_contain_text(".csv")
        expect(running.first.get_by_role("link")).to_have_text(["1", "2", "3"])
        expect(page.locator("#rates-now .accepted")).to_contain_text("in the last")
        stack.close()
        expect(running.first).to_contain_text(f"{ROWS - 1} succeeded, 1 failed", timeout=6 * TIMEOUT)
        assert terminal.wait(60) == 3, "one row has failed"
    console.open("batches")
    listed = page.locator("#batches tbody tr").first
    expect(listed).to_contain_text(f"{ROWS} rows")
    expect(listed.locator(".badge")).to_have_text("ended", timeout=2 * TIMEOUT)
    listed.get_by_role("link", name="2").click()
    expect(page.locator("#batch-badge")).to_have_text("ended")
    expect(page.locator("#batch-name")).to_contain_text(".csv")
    expect(page.locator("#batch-counts .tile").first).to_contain_text("100")
    expect(page.locator("#batches")).to_be_hidden()


def test_what_failed_comes_first_on_a_phone(new_console: NewConsole) -> None:
    for width, is_first in ((390, True), (1280, False)):
        console = new_console(width=width)
        console.open_with_key()
        failed, queue = (
            console.page.locator(f"#{each}").bounding_box() for each in ("listed-title", "queue-title")
        )
        assert failed is not None
        assert queue is not None
        assert (failed["y"] < queue["y"]) is is_first


def test_without_a_list_of_all_jobs_the_page_says_so(shop_console: Console, shop: Shop) -> None:
    shop.job_lists = False
    console, page = shop_console, shop_console.page
    console.expected.add(409)
    console.open_with_key(key=KEY)
    expect(page.locator("#list-off")).to_contain_text("JobLists=on")
    for part in ("all-jobs", "rates"):
        expect(page.locator(f"#{part}")).to_be_hidden()
    expect(page.get_by_text("Nothing yet.")).to_be_visible()
    console.open("batches")
    expect(page.locator("#batches-text")).to_contain_text("no list of all jobs")
