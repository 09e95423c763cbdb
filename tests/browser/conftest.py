"""What the tests in a browser share: a tab that must not complain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from infra.errors import OperatorError
from tests.browser.chromium import chromium
from tests.browser.console import ENDS, Console
from tests.chaos.poison import Mapping
from tests.helpers.deployed import Stage

HEIGHT = 900
NewConsole = Callable[..., Console]
expect.set_options(timeout=ENDS)  # a loaded machine answers late, and the page asks every five seconds


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
    """Makes tabs of people who have nothing to do with each other; in the end none of them may have complained."""
    made: list[Console] = []

    def make(width: int = 1200, **options: Any) -> Console:
        context = browser.new_context(viewport={"width": width, "height": HEIGHT}, **options)
        made.append(Console(context.new_page(), stage))
        return made[-1]

    yield make
    for each in made:
        each.page.context.close()
    assert [complaint for each in made for complaint in each.complaints] == []


@pytest.fixture
def console(new_console: NewConsole) -> Console:
    return new_console()


@pytest.fixture
def page(console: Console) -> Page:
    return console.page


@pytest.fixture
def nobody_receives(stage: Stage) -> Callable[[], AbstractContextManager[None]]:
    """For the time of a block jobs wait."""
    return Mapping(stage.aws("lambda"), stage.resources["worker_function"]).disabled
