"""Faults at the calls of a stage with TaskTokens: P10, each task that waits for a job is answered."""

from __future__ import annotations

import pytest

from tests.faults.scenarios import tasks
from tests.faults.scenarios.parts import scenarios_in
from tests.faults.schedules.crash_points import check_faults
from tests.faults.schedules.schedule import Runner
from tests.faults.schedules.tally import Tally

NAMES = scenarios_in(tasks)


@pytest.mark.parametrize("name", NAMES)
def test_faults(name: str, running: Runner, tally: Tally) -> None:
    check_faults(name, NAMES, running, tally)
