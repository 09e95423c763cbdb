"""Faults at the calls of a stage with Events=on: P10, receivers are notified of each end of a job, in order."""

from __future__ import annotations

import pytest

from tests.faults.scenarios import events
from tests.faults.scenarios.parts import scenarios_in
from tests.faults.schedules.crash_points import check_faults
from tests.faults.schedules.schedule import Runner
from tests.faults.schedules.tally import Tally

NAMES = scenarios_in(events)


@pytest.mark.parametrize("name", NAMES)
def test_faults(name: str, running: Runner, tally: Tally) -> None:
    check_faults(name, NAMES, running, tally)
