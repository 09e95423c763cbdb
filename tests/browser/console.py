"""The console of a deployed stage in a browser."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

from tests.helpers.deployed import Stage

_REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")
_OFFLINE = "net::ERR_INTERNET_DISCONNECTED"
SECONDS = 1000
TIMEOUT = 20 * SECONDS
"""The longest time for a job to end on a loaded machine."""


@dataclass
class Console:
    """One tab, and the errors that its page logs."""

    page: Page
    stage: Stage
    errors: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)  # statuses that the browser logs as errors
    went_offline: bool = False  # the browser also logs each request that finds no network

    def __post_init__(self) -> None:
        self.page.set_default_timeout(TIMEOUT)
        self.page.on("console", self._record)
        self.page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))

    def _record(self, message: ConsoleMessage) -> None:
        refused = _REFUSED.match(message.text)
        expected = int(refused[1]) in self.expected if refused else self.went_offline and _OFFLINE in message.text
        if message.type in {"error", "warning"} and not expected:
            self.errors.append(f"{message.type}: {message.text}")

    def set_offline(self, offline: bool) -> None:
        """Take the network away from the tab, or give it back."""
        self.went_offline = self.went_offline or offline
        self.page.context.set_offline(offline)

    def open(self, view: str = "jobs") -> None:
        """Open a view. A tab without a key shows the form for the key instead."""
        self.page.goto(f"{self.stage.deployment.base_url}/console#/{view}")

    def enter_key(self, key: str = "") -> None:
        self.page.get_by_label("API key", exact=True).fill(key or self.stage.deployment.api_key)
        self.page.get_by_role("button", name="Continue").click()

    def open_with_key(self, view: str = "jobs", key: str = "") -> None:
        """Open a view and enter the key."""
        self.open(view)
        self.enter_key(key)
        expect(self.page.get_by_role("navigation", name="Console")).to_be_visible()

    def choose(self, operation: str) -> None:
        self.page.get_by_role("radio", name=operation, exact=True).check()

    def fill(self, **fields: str) -> None:
        """Fill fields of the form, by the ids of their inputs."""
        if fields.keys() & {"if_match", "idem"}:
            self.page.locator("#advanced").evaluate("each => { each.open = true; }")
        for name, text in fields.items():
            self.page.locator(f"#{name}").fill(text)

    def send(self) -> None:
        self.page.get_by_role("button", name="Send", exact=True).click()

    def expect_status(self, status: str) -> None:
        """Wait until the job of the form has the status."""
        expect(self.page.locator("#sent-badge:visible")).to_have_text(status, timeout=TIMEOUT)

    def error_of(self, name: str) -> Locator:
        """Return the error at an input of the form."""
        described = self.page.locator(f"#{name}").get_attribute("aria-describedby")
        return self.page.locator(f"#{described}")

    def session_storage(self) -> dict[str, Any]:
        """Return the content of the tab's session storage."""
        stored: dict[str, Any] = self.page.evaluate("({...sessionStorage})")
        return stored
