"""Fixtures of the integration tests."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
import requests
import tenacity

from infra.errors import OperatorError
from infra.settings import read_settings
from infra.stage.stage_file import read_deployment
from tests.helpers.deployed import Stage

_OF_THE_SHOP = "test_collections.py"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of the shop on a stage of the user's that does not serve it, and say so."""
    if _serves_the_shop():
        return
    of_the_shop = [item for item in items if item.path.name == _OF_THE_SHOP]
    if of_the_shop:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"{_OF_THE_SHOP} is left out: the stage has no COLLECTIONS=tests/collections/shop")
        config.hook.pytest_deselected(items=of_the_shop)
        items[:] = [item for item in items if item not in of_the_shop]


def _serves_the_shop() -> bool:
    named = os.environ.get("JOBPIPE_TEST_STAGE")
    if not named:
        return True  # the tests deploy a stage of their own
    try:
        url = read_deployment(read_settings().state_dir, named).base_url
        return "orders" in requests.get(f"{url}/", timeout=10).json()["links"]
    except (OperatorError, requests.RequestException):
        return True  # the fixture `stage` says what is wrong


@tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.1), reraise=True)
def at_rest(stage: Stage) -> tuple[int, int, int]:
    """Return the counts of stored rows and messages once no message of an earlier test is queued.

    SQS's numbers are approximate: a message that is being received may be missing in one reading, and a message of
    an earlier test may be missing in both. So tests compare the stored rows when the stage is at rest again: a
    command has a row before it has a message.
    """
    counts = stage.counts()
    assert counts[2] == 0
    time.sleep(0.5)
    assert stage.counts() == counts
    return counts


@pytest.fixture
def untouched(stage: Stage) -> Iterator[None]:
    """Check that the test leaves nothing stored and nothing queued."""
    before = at_rest(stage)
    yield
    assert at_rest(stage) == before
