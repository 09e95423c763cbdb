"""Fixtures of the browser tests: tabs, which fail their test if the page logs an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, Page, expect

from infra.errors import OperatorError
from tests.browser.chromium import chromium
from tests.browser.console import TIMEOUT, Console
from tests.browser.shop import Shop, serving
from tests.helpers.deployed import Stage
from tests.helpers.event_source import EventSourceMapping

HEIGHT = 900
NewConsole = Callable[..., Console]
expect.set_options(timeout=TIMEOUT)  # a loaded machine is slow, and the page polls every five seconds


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with ExitStack() as stack:
        try:
            started = stack.enter_context(chromium())
        except OperatorError as error:
            pytest.exit(str(error), returncode=2)
        yield started


@pytest.fixture
def new_console(browser: Browser, stage: Stage) -> Iterator[NewConsole]:
    """Return a function that opens tabs of separate users; no tab may have errors at the end."""
    consoles: list[Console] = []

    def make(width: int = 1200, **options: Any) -> Console:
        context = browser.new_context(viewport={"width": width, "height": HEIGHT}, **options)
        consoles.append(Console(context.new_page(), stage))
        return consoles[-1]

    yield make
    for each in consoles:
        each.page.context.close()
    assert [error for each in consoles for error in each.errors] == []


@pytest.fixture
def console(new_console: NewConsole) -> Console:
    return new_console()


@pytest.fixture
def page(console: Console) -> Page:
    return console.page


@pytest.fixture
def worker_stopped(stage: Stage) -> Callable[[], AbstractContextManager[None]]:
    """Return a context manager during which all jobs wait."""
    return EventSourceMapping(stage.aws("lambda"), stage.resources["worker_function"]).disabled


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A service with collections of its own, for one test."""
    shop = Shop()
    with serving(shop):
        yield shop


@pytest.fixture
def new_shop_console(browser: Browser, shop: Shop) -> Iterator[NewConsole]:
    """Return a function that opens tabs of the shop's console; no tab may have errors at the end."""
    consoles: list[Console] = []

    def make(width: int = 1200, **options: Any) -> Console:
        context = browser.new_context(viewport={"width": width, "height": HEIGHT}, **options)
        consoles.append(Console(context.new_page(), cast("Stage", shop)))
        return consoles[-1]

    yield make
    for each in consoles:
        each.page.context.close()
    assert [error for each in consoles for error in each.errors] == []


@pytest.fixture
def shop_console(new_shop_console: NewConsole) -> Console:
    return new_shop_console()
