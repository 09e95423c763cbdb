"""Fixtures of the browser tests: tabs, which fail their test if the page logs an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, Page, expect

from api_lambda.chalicelib.http.callers import Role
from infra.deployment.readiness import wait_for_key
from infra.errors import OperatorError
from jobpipe_client import Client
from tests.browser.chromium import chromium
from tests.browser.console import TIMEOUT, Console
from tests.browser.owner import Owner
from tests.browser.shop import Shop, serving
from tests.helpers.deployed import Stage
from tests.helpers.event_source import EventSourceMapping
from tests.helpers.receiver import Receiver, receiver

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
def new_console(request: pytest.FixtureRequest, browser: Browser, stage: Stage) -> Iterator[NewConsole]:
    """Return a function that opens tabs of separate users; no tab may have errors at the end."""
    if "owner" in request.fixturenames:
        request.getfixturevalue("owner")  # so that the tabs are closed before its webhooks are deleted
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


@pytest.fixture(scope="module")
def hook_owner(stage: Stage) -> Iterator[Owner]:
    keys = [stage.api_keys.add("hookowner", role) for role in (Role.WRITER, Role.READER)]
    for key in keys:
        assert wait_for_key(stage.deployment.base_url, key.value, accepted=True)
    writer, reader = (key.value for key in keys)
    yield Owner(writer, reader, Client(stage.deployment.base_url, writer, request_timeout=30))
    for key in keys:
        stage.api_keys.revoke(key)


@pytest.fixture
def owner(hook_owner: Owner) -> Iterator[Owner]:
    yield hook_owner
    for left in hook_owner.client.webhooks.list():
        hook_owner.client.webhooks.delete(left.id)


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as state:
        yield state
