"""A small run of the live chaos. CI runs one of 500 jobs as well (.ci/run); `make chaos` is the long one."""

from __future__ import annotations

import io
import secrets
from pathlib import Path

import pytest
from rich.console import Console

from tests.chaos import killer
from tests.chaos.faults import Rates
from tests.chaos.report import print_report
from tests.chaos.run import Plan, run

JOBS = 120
ENDED = 110  # the others were sent once, without a key, and may never have been accepted
FAULTS = Rates(refuse=0.01, drop=0.004, lose=0.006, kill=0.006, unlucky=50)
SECONDS = 300  # a bound for slow machines, not an aim


@pytest.mark.timeout(1200)
@pytest.mark.skipif(not killer.AVAILABLE, reason="only Linux tells which process holds a connection (/proc)")
def test_nothing_accepted_is_lost_and_nothing_takes_effect_twice(tmp_path: Path) -> None:
    plan = Plan(
        secrets.randbelow(1_000_000), jobs=JOBS, seconds=SECONDS, settle=240, callers=6, storm_every=6, rates=FAULTS
    )
    verdict = run(plan, tmp_path, say=lambda _: None)
    report = io.StringIO()
    print_report(Console(file=report, width=120), verdict)
    print(report.getvalue())  # noqa: T201  # pytest shows it where the test fails
    assert verdict.passed, {name: found[:3] for name, found in verdict.checks.items() if found}
    assert sum(command.end is not None for command in verdict.world.commands) >= ENDED
    assert verdict.lab.kills.counts().total() > 0
    assert verdict.poison is not None
