"""The fixtures of the runs, which share one emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobpipe.runtime.telemetry import logger
from tests.faults.schedules.schedule import Runner
from tests.faults.schedules.tally import Tally


@pytest.fixture
def tally(pytestconfig: pytest.Config) -> Tally:
    return Tally(pytestconfig)


@pytest.fixture(scope="session")
def runner() -> Runner:
    return Runner()


@pytest.fixture
def running(runner: Runner) -> Iterator[Runner]:
    with runner.running():
        yield runner


@pytest.fixture(autouse=True)
def _nothing_stays_replaced() -> Iterator[None]:
    """Fail a test after which methods of the logger are still replaced, as they are while histories run."""
    yield
    assert not {"error", "exception", "info", "log", "warning"} & vars(logger).keys()
