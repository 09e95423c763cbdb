"""The number of schedules, summed over the processes of a test run and reported at its end."""

from __future__ import annotations

from typing import Any

import pytest

_count = pytest.StashKey[int]()


class Tally:
    """Counts the schedules that were run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @property
    def at_more_calls(self) -> bool:
        """Return whether the option --faults asks for more than one schedule at each call site."""
        return bool(self._config.getoption("faults") == "calls")

    def add(self, schedules: int) -> None:
        self._config.stash[_count] = self._config.stash.get(_count, 0) + schedules


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # one of several processes; another reports the sum
        session.config.workeroutput["schedules"] = session.config.stash.get(_count, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    Tally(node.config).add(getattr(node, "workeroutput", {}).get("schedules", 0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if schedules := config.stash.get(_count, 0):
        terminalreporter.write_line(f"crash points: {schedules} schedules, each to its end and checked")
