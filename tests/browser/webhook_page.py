"""The console's page of a webhook: its buttons, its deliveries, and the texts that it shows."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from jobpipe_client import Webhook
from tests.browser.console import Console
from tests.browser.owner import Owner


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def rows(page: Page) -> Locator:
    return page.locator("#deliveries tbody tr")


def open_webhook(console: Console, owner: Owner, webhook: Webhook) -> None:
    console.open_with_key(f"webhooks/{webhook.id}", owner.key)
    expect(console.page.locator("#hook-body")).to_be_visible()


def observe(page: Page, element: str) -> None:
    """Let the page record each text that the element has from now on, in `seen`."""
    page.evaluate(
        """id => { const e = document.getElementById(id); window.seen = [];
        new MutationObserver(() => window.seen.push(e.textContent)).observe(e, { childList: true }); }""",
        element,
    )
