"""The runs of this session, which share one emulator and are counted at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.schedules import Runner

_count = pytest.StashKey[int]()


class Tally:
    """Counts the schedules that were run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def add(self, schedules: int) -> None:
        self._config.stash[_count] = self._config.stash.get(_count, 0) + schedules


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


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # one of several processes: the count goes to the one that reports
        session.config.workeroutput["schedules"] = session.config.stash.get(_count, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    Tally(node.config).add(getattr(node, "workeroutput", {}).get("schedules", 0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if schedules := config.stash.get(_count, 0):
        terminalreporter.write_line(f"crash points: {schedules} schedules, each to its end and checked")
