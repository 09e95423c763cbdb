"""Crash points of what comes after a command: its cancelling, its retry, the same request again, a look at it."""

from __future__ import annotations

import pytest

from tests.faults.crash_points import check_every_fault_at_every_call
from tests.faults.scenarios import cancels, replays, retries, stats
from tests.faults.scenarios.parts import scenarios_in
from tests.faults.schedules import Runner
from tests.faults.tally import Tally


@pytest.mark.parametrize("name", scenarios_in(cancels, replays, retries, stats))
def test_every_fault_at_every_call(name: str, running: Runner, tally: Tally) -> None:
    check_every_fault_at_every_call(name, running, tally)
