"""Runs with one fault: every kind at every call of a scenario."""

from __future__ import annotations

from tests.faults.schedules.processes import Report, process_runner
from tests.faults.schedules.schedule import describe


def run_scenario(name: str) -> Report:
    runner = process_runner()
    runs = [(fault, runner.run(name, [fault])) for fault in runner.singles(name)]
    return Report(
        possible=len(runs),
        run=len(runs),
        unclean=sum(not run.clean and not run.failure for _, run in runs),
        failures=[describe(name, [fault], run) for fault, run in runs if run.failure],
    )
