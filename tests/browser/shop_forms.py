"""Forms of the shop's documents: their inputs, what they send, and a number that is exact only as text."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from playwright.sync_api import Locator, Page

from tests.browser.shop import Shop

BIG = "12345678901234567890123456789"


def at(page: Page, label: str, group: str | None = None) -> Locator:
    within = page.get_by_role("group", name=group, exact=True) if group else page.locator("#document-form")
    return within.get_by_label(label, exact=True)


def sent_body(shop: Shop) -> Any:
    return json.loads(shop.writes[-1][2], parse_float=Decimal)
