"""Faults at every call of a stage with Events=on: P10, each end of a job is told, in order."""

from __future__ import annotations

import pytest

from tests.faults.crash_points import check_faults_at_every_call
from tests.faults.scenarios import events
from tests.faults.scenarios.parts import scenarios_in
from tests.faults.schedules import Runner
from tests.faults.tally import Tally

NAMES = scenarios_in(events)


@pytest.mark.parametrize("name", NAMES)
def test_faults_at_every_call(name: str, running: Runner, tally: Tally) -> None:
    check_faults_at_every_call(name, NAMES, running, tally)
