"""`python -m tests.browser.screenshots`: the pictures in docs/images, of a stage of their own."""

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
from tests.browser.console import ENDS, Console
from tests.browser.terminal import picture as terminal_picture
from tests.chaos.poison import Mapping
from tests.helpers.commands import clean_environment
from tests.helpers.deployed import Stage
from tests.helpers.embedded import embedded

FOLDER = ROOT / "docs" / "images"
SAMPLE = ROOT / "scripts" / "demo" / "sample_items.jsonl"
THERE, NEW = 12, 4  # items of the sample that are stored before, and that the page sends
LARGEST = 200_000  # bytes, of one picture
DESKTOP, PHONE = {"width": 1180, "height": 940}, {"width": 390, "height": 844}
LOOKS = 4  # of the page at the queue, so that there is something to plot
ENDED = re.compile("succeeded|failed")

Item = dict[str, Any]


def main() -> None:
    """Makes them anew."""
    FOLDER.mkdir(exist_ok=True)
    lines = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    # Not every machine has the letters of every script.
    items = [
        line["item"] for line in lines if line["operation"] == "create" and max(line["item"]["name"]) < "\u0250"
    ]
    items = items[: THERE + NEW]
    there, new = items[:THERE], items[THERE:]
    with tempfile.TemporaryDirectory() as state, embedded(Path(state)) as (target, here):
        stage = Stage(Deployer(target, LOCAL_STAGE, here, Progress(), {}).deploy())
        for item in there:
            stage.client.wait(stage.client.create(item), timeout=120)
        command_line(Path(state))
        with chromium() as browser:
            with tab(browser, stage, DESKTOP, "light") as console:
                overview(console, [there[0], *new])
            with tab(browser, stage, DESKTOP, "dark") as console:
                send(console, there[1])
                picture(console, "console-dark.png")
            with tab(browser, stage, PHONE, "light") as console:
                send(console, there[2])
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
    """An import of which some rows fail, what became of those, and the queue; the folder has the stage's file."""
    (folder / "kitchen.csv").write_text(ROWS)
    env = clean_environment(JOBPIPE_STATE_DIR=str(folder))
    commands = (("import", "kitchen.csv"), ("failed",), ("stats",))
    terminal_picture(FOLDER / "cli.svg", commands, env, folder)


@contextmanager
def tab(browser: Browser, stage: Stage, size: Any, scheme: Any) -> Iterator[Console]:
    """A tab with the key given; OperatorError if it complained of something."""
    context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce", locale="en-GB")
    console = Console(context.new_page(), stage)
    console.enter()
    yield console
    context.close()
    if console.complaints:
        raise OperatorError(f"the page complains: {console.complaints[0]}")


def overview(console: Console, items: list[Item]) -> None:
    """Jobs that have ended, one that failed, and one that waits."""
    page, stage = console.page, console.stage
    for item in items[:-1]:
        send(console, item)
    with Mapping(stage.aws("lambda"), stage.resources["worker_function"]).disabled():
        send(console, items[-1], ends=False)
        page.get_by_role("link", name="Jobs", exact=True).click()
        for _ in range(LOOKS):
            page.wait_for_event("response", lambda answer: answer.url.endswith("/stats"))
        expect(page.locator("#now-waiting")).to_have_text("1", timeout=ENDS)
        expect(page.locator("#listed tbody tr").first).to_be_visible()
        picture(console, "console-light.png")


def send(console: Console, item: Item, *, ends: bool = True) -> None:
    """The item by the form, with some of its fields; seen to its end, if it ends."""
    console.page.get_by_role("link", name="Send", exact=True).click()
    some = {name: item[name] for name in ("sku", "price", "tags", "stock")}
    text = json.dumps(some, ensure_ascii=False, indent=2)
    console.fill(name=item["name"], description=item["description"], fields=text)
    console.send()
    expect(console.page.locator("#sent")).to_be_visible()
    if ends:
        expect(console.page.locator("#sent-badge")).to_have_text(ENDED, timeout=ENDS)


def picture(console: Console, name: str) -> None:
    """What the tab shows now; OperatorError if it is too large to be kept."""
    path = FOLDER / name
    console.page.evaluate("document.activeElement.blur(); document.querySelector('#fields').scrollTop = 0")
    path.write_bytes(console.page.screenshot())
    if path.stat().st_size > LARGEST:
        raise OperatorError(f"{name} has {path.stat().st_size} bytes")
    sys.stdout.write(f"{path.relative_to(ROOT)} {path.stat().st_size // 1024} KB\n")


if __name__ == "__main__":
    sys.exit(run("screenshots", main))
