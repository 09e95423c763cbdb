"""The console as its user has it: a page in a browser, on a deployed stage."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

from tests.helpers.deployed import Stage

_REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")
SECONDS = 1000
ENDS = 20 * SECONDS
"""How long a job may take to its end, on a machine that does much else."""


@dataclass
class Console:
    """One tab; what goes wrong in it is noted."""

    page: Page
    stage: Stage
    complaints: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)  # statuses, which the browser tells of as of errors

    def __post_init__(self) -> None:
        self.page.set_default_timeout(ENDS)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))

    def _note(self, message: ConsoleMessage) -> None:
        refused = _REFUSED.match(message.text)
        if message.type in {"error", "warning"} and not (refused and int(refused[1]) in self.expected):
            self.complaints.append(f"{message.type}: {message.text}")

    def visit(self, view: str = "jobs") -> None:
        """Opens or goes to a view; without a key it asks for that first."""
        self.page.goto(f"{self.stage.deployment.base_url}/console#/{view}")

    def give(self, key: str = "") -> None:
        self.page.get_by_label("API key", exact=True).fill(key or self.stage.deployment.api_key)
        self.page.get_by_role("button", name="Continue").click()

    def enter(self, view: str = "jobs", key: str = "") -> None:
        """The view, with the key given."""
        self.visit(view)
        self.give(key)
        expect(self.page.get_by_role("navigation", name="Console")).to_be_visible()

    def choose(self, operation: str) -> None:
        self.page.get_by_role("radio", name=operation, exact=True).check()

    def fill(self, **fields: str) -> None:
        """The form's fields, by the ids of their inputs."""
        for name, text in fields.items():
            self.page.locator(f"#{name}").fill(text)

    def send(self) -> None:
        self.page.get_by_role("button", name="Send", exact=True).click()

    def ends(self, status: str) -> None:
        """The job of the form gets there."""
        expect(self.page.locator("#sent-badge:visible")).to_have_text(status, timeout=ENDS)

    def error_of(self, name: str) -> Locator:
        """What stands at an input of the form."""
        described = self.page.locator(f"#{name}").get_attribute("aria-describedby")
        return self.page.locator(f"#{described}")

    def stored(self) -> dict[str, Any]:
        """What the tab's session storage holds."""
        kept: dict[str, Any] = self.page.evaluate("({...sessionStorage})")
        return kept
