"""A short run of live chaos. CI also does one of 500 jobs (.ci/run), and `make chaos` does a long one."""

from __future__ import annotations

import io
import secrets
from pathlib import Path

import pytest
from rich.console import Console

from tests.chaos import lambda_processes
from tests.chaos.faults import Rates
from tests.chaos.report import print_report
from tests.chaos.run import Plan, run

pytestmark = pytest.mark.slow

JOBS = 120
ENDED = 110  # the others are sent once without a key, and may not be accepted
FAULTS = Rates(refuse=0.01, drop=0.004, lose=0.006, kill=0.006, interrupt=50)
SECONDS = 300  # a limit for slow machines


@pytest.mark.timeout(1200)
@pytest.mark.skipif(
    not lambda_processes.AVAILABLE, reason="only Linux shows which process owns a connection (/proc)"
)
def test_nothing_accepted_is_lost_and_nothing_takes_effect_twice(tmp_path: Path) -> None:
    plan = Plan(
        secrets.randbelow(1_000_000),
        jobs=JOBS,
        seconds=SECONDS,
        settle=240,
        callers=6,
        outage_every=6,
        rates=FAULTS,
    )
    verdict = run(plan, tmp_path, say=lambda _: None)
    report = io.StringIO()
    print_report(Console(file=report, width=120), verdict)
    print(report.getvalue())  # noqa: T201  # pytest shows it if the test fails
    assert verdict.passed, {name: found[:3] for name, found in verdict.checks.items() if found}
    assert sum(command.end is not None for command in verdict.state.commands) >= ENDED
    assert verdict.chaos.kills.counts().total() > 0
    assert verdict.poison is not None
