"""`python -m tests.browser.screenshots`: make the pictures in docs/images from a separate stage."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect

from infra.cli.command_line import run
from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.errors import OperatorError
from infra.settings import LOCAL_STAGE, ROOT
from tests.browser.chromium import chromium
from tests.browser.console import TIMEOUT, Console
from tests.browser.terminal import picture as terminal_picture
from tests.helpers.commands import clean_environment
from tests.helpers.deployed import Stage
from tests.helpers.embedded import embedded
from tests.helpers.event_source import EventSourceMapping

FOLDER = ROOT / "docs" / "images"
SAMPLE = ROOT / "scripts" / "demo" / "sample_items.jsonl"
STORED, NEW = 12, 4  # items of the sample that are stored at first, and that the page sends
LARGEST = 200_000  # bytes of one picture
DESKTOP, PHONE = {"width": 1180, "height": 940}, {"width": 390, "height": 844}
POINTS = 4  # in the plot of the queue
ENDED = re.compile("succeeded|failed")

Item = dict[str, Any]


def main() -> None:
    """Replace all pictures."""
    FOLDER.mkdir(exist_ok=True)
    lines = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    # Some machines have no fonts for other scripts.
    items = [
        line["item"] for line in lines if line["operation"] == "create" and max(line["item"]["name"]) < "\u0250"
    ]
    items = items[: STORED + NEW]
    stored, new = items[:STORED], items[STORED:]
    with tempfile.TemporaryDirectory() as state, embedded(Path(state)) as (target, settings):
        stage = Stage(Deployer(target, LOCAL_STAGE, settings, Progress(), {}).deploy())
        for item in stored:
            stage.client.wait(stage.client.create(item), timeout=120)
        command_line(Path(state))
        with chromium() as browser:
            with tab(browser, stage, DESKTOP, "light") as console:
                overview(console, [stored[0], *new])
            with tab(browser, stage, DESKTOP, "dark") as console:
                send(console, stored[1])
                picture(console, "console-dark.png")
            with tab(browser, stage, PHONE, "light") as console:
                send(console, stored[2])
                console.page.locator("#sent-link").click()
                expect(console.page.locator("#job-failure")).to_be_visible()
                picture(console, "console-phone.png")


ROWS = """name,description,price:number
Fjäll kettle,Enamel,24.90
Fjäll mug,Enamel,9.50
Fjäll pot,,31
Fjäll mug,The same name again,9.50
Fjäll pan,Steel,unknown
Fjäll ladle,Beech,6
"""


def command_line(folder: Path) -> None:
    """Show an import with rows that fail, the failed jobs, and the queue; the folder has the stage file."""
    (folder / "kitchen.csv").write_text(ROWS)
    env = clean_environment(JOBPIPE_STATE_DIR=str(folder))
    commands = (("import", "kitchen.csv"), ("failed",), ("stats",))
    terminal_picture(FOLDER / "cli.svg", commands, env, folder)


@contextmanager
def tab(browser: Browser, stage: Stage, size: Any, scheme: Any) -> Iterator[Console]:
    """Open a tab with the key; raise OperatorError if its page logs an error."""
    context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce", locale="en-GB")
    console = Console(context.new_page(), stage)
    console.open_with_key()
    yield console
    context.close()
    if console.errors:
        raise OperatorError(f"the page has an error: {console.errors[0]}")


def overview(console: Console, items: list[Item]) -> None:
    """Show jobs that have succeeded, one that failed, and one that waits."""
    page, stage = console.page, console.stage
    for item in items[:-1]:
        send(console, item)
    with EventSourceMapping(stage.aws("lambda"), stage.resources["worker_function"]).disabled():
        send(console, items[-1], ends=False)
        page.get_by_role("link", name="Jobs", exact=True).click()
        for _ in range(POINTS):
            page.wait_for_event("response", lambda answer: answer.url.endswith("/stats"))
        expect(page.locator("#now-waiting")).to_have_text("1", timeout=TIMEOUT)
        expect(page.locator("#listed tbody tr").first).to_be_visible()
        picture(console, "console-light.png")


def send(console: Console, item: Item, *, ends: bool = True) -> None:
    """Send the item, with some of its fields, and wait for the end of its job if `ends`."""
    console.open("send")
    some = {name: item[name] for name in ("sku", "price", "tags", "stock")}
    text = json.dumps(some, ensure_ascii=False, indent=2)
    console.fill(name=item["name"], description=item["description"], fields=text)
    console.send()
    expect(console.page.locator("#sent")).to_be_visible()
    if ends:
        expect(console.page.locator("#sent-badge")).to_have_text(ENDED, timeout=TIMEOUT)


def picture(console: Console, name: str) -> None:
    """Save a screenshot; raise OperatorError if it is too large."""
    path = FOLDER / name
    console.page.evaluate("document.activeElement.blur(); document.querySelector('#fields').scrollTop = 0")
    path.write_bytes(console.page.screenshot())
    if path.stat().st_size > LARGEST:
        raise OperatorError(f"{name} has {path.stat().st_size} bytes")
    sys.stdout.write(f"{path.relative_to(ROOT)} {path.stat().st_size // 1024} KB\n")


if __name__ == "__main__":
    sys.exit(run("screenshots", main))
