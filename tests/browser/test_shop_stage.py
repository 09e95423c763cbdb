"""The console with a deployed stage of two collections: what the service checks and runs, the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.settings import LOCAL_STAGE
from tests.browser.console import TIMEOUT, Console
from tests.conftest import warm_up
from tests.helpers.deployed import Stage
from tests.helpers.embedded import embedded
from tests.helpers.shop import SHOP


@pytest.fixture(scope="module")
def shop_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage with orders and subscriptions."""
    with embedded(tmp_path_factory.mktemp("shop")) as (target, settings):
        here = replace(settings, collections=SHOP)
        stage = Stage(Deployer(target, LOCAL_STAGE, here, Progress(), {}).deploy())
        warm_up(stage)
        yield stage


@pytest.fixture
def stage_console(browser: Browser, shop_stage: Stage) -> Iterator[Console]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    console = Console(context.new_page(), shop_stage)
    yield console
    context.close()
    assert console.errors == []


def at(page: Page, label: str) -> Locator:
    return page.locator("#document-form").get_by_label(label, exact=True)


def fill(page: Page, **texts: str) -> None:
    for label, text in texts.items():
        at(page, label).fill(text)


def test_an_order_is_created_paid_shipped_and_edited(stage_console: Console) -> None:
    console, page = stage_console, stage_console.page
    console.expected.add(400)
    console.open_with_key("send/orders")
    fill(page, number="A-1", customer="Zoë & co", sku="mug", quantity="2", price="12.345", total="24.90")
    console.send()
    expect(at(page, "price")).to_be_focused()
    expect(at(page, "price")).to_have_attribute("aria-invalid", "true")
    fill(page, price="12.45")
    console.send()
    console.expect_status("succeeded")

    console.open("collections/orders")
    page.locator("#look-up-field").select_option("number")
    page.get_by_label("Value", exact=True).fill("A-1")
    page.get_by_role("button", name="Look up").click()
    row = page.locator("#items tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Zoë & co")
    row.get_by_role("link").click()
    operations = page.get_by_role("region", name="Operations")
    expect(operations.get_by_role("link")).to_have_text(["Pay", "Ship", "Add line"])
    operations.get_by_role("link", name="Ship").click()
    fill(page, carrier="dhl")
    console.send()
    console.expect_status("failed")
    expect(page.locator("#form-error")).to_have_text("Only a paid order can be shipped.")
    console.choose("Pay")
    fill(page, invoice="77")
    console.send()
    console.expect_status("succeeded")
    console.choose("Ship")
    console.send()
    console.expect_status("succeeded")
    page.locator("#sent-link").click()
    expect(page.locator("#job-result")).to_contain_text('"status": "shipped"')
    page.locator("#job-facts").get_by_role("link").last.click()
    page.get_by_role("button", name="Edit").click()
    expect(at(page, "customer")).to_have_value("Zoë & co")
    fill(page, customer="Ada")
    console.send()
    console.expect_status("succeeded")

    console.open("jobs")
    for table in ("#mine", "#listed"):
        failed = page.locator(f"{table} tbody tr").filter(has_text="ship A-1").filter(has_text="failed")
        expect(failed).to_contain_text(re.compile(r"ship A-1\s*orders"), timeout=TIMEOUT)


def test_an_upsert_with_a_taken_invoice_leads_to_the_other_order(stage_console: Console, shop_stage: Stage) -> None:
    console, page = stage_console, stage_console.page
    lines = [{"sku": "mug", "quantity": 1, "price": 1}]
    other = {"number": "B-1", "invoice": 501, "customer": "c", "status": "paid", "lines": lines, "total": 1}
    shop_stage.request("POST", "/orders", other, headers={"Prefer": "wait=20"})
    console.open_with_key("send/orders/upsert")
    fill(page, number="B-2", customer="d", invoice="501", sku="mug", quantity="1", price="1", total="1")
    console.send()
    console.expect_status("failed")
    expect(at(page, "invoice")).to_have_accessible_description(re.compile("has the invoice 501"))
    page.locator("#document-form").get_by_role("link", name="The other order").click()
    expect(page.locator("#item-facts")).to_contain_text("B-1")


def test_a_subscription_has_its_alternatives_and_is_deleted(stage_console: Console) -> None:
    console, page = stage_console, stage_console.page
    console.expected.add(400)
    console.open_with_key("send/subscriptions")
    fill(page, seat="a-1", starts_on="2026-01-31", renewals="0")
    at(page, "plan").select_option(label="team")
    at(page, "active").select_option("true")
    console.send()
    expect(at(page, "payment")).to_have_accessible_description(re.compile("`payment` is required."))
    at(page, "payment").select_option(label="card")
    fill(page, last_four="12")
    console.send()
    expect(at(page, "last_four")).to_be_focused()
    fill(page, last_four="1234")
    console.send()
    console.expect_status("succeeded")
    page.get_by_role("link", name="Documents", exact=True).click()
    console.open("collections/subscriptions")
    page.locator("#items tbody").get_by_role("link", name="a-1").click()
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog", name="Delete this subscription?")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator("#job-badge")).to_have_text("succeeded", timeout=TIMEOUT)
