"""Faults at every call for commands that wait for their time."""

from __future__ import annotations

import pytest

from tests.faults.crash_points import check_faults_at_every_call
from tests.faults.scenarios import waiting
from tests.faults.scenarios.parts import scenarios_in
from tests.faults.schedules import Runner
from tests.faults.tally import Tally

NAMES = scenarios_in(waiting)


@pytest.mark.parametrize("name", NAMES)
def test_faults_at_every_call(name: str, running: Runner, tally: Tally) -> None:
    check_faults_at_every_call(name, NAMES, running, tally)
