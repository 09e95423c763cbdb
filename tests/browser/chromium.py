"""Start the installed Chromium for the tests and the screenshots."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from infra.errors import OperatorError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Without a sandbox it also runs as root and in containers. It opens only the pages of the stage.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def chromium_path() -> str:
    """Return the path of Chromium; raise OperatorError if it is not installed, or CHROMIUM is not a program."""
    named = os.environ.get("CHROMIUM")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise OperatorError(
            f"CHROMIUM={named} cannot be run" if named else "chromium is missing: apt-get install chromium"
        )
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser without a window during the block."""
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()
