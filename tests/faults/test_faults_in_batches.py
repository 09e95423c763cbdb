"""Crash points of many commands in one request."""

from __future__ import annotations

import pytest

from tests.faults.crash_points import check_every_fault_at_every_call
from tests.faults.scenarios import batches
from tests.faults.scenarios.parts import scenarios_in
from tests.faults.schedules import Runner
from tests.faults.tally import Tally


@pytest.mark.parametrize("name", scenarios_in(batches))
def test_every_fault_at_every_call(name: str, running: Runner, tally: Tally) -> None:
    check_every_fault_at_every_call(name, running, tally)
