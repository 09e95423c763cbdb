"""Inject each fault at each AWS call of a scenario, and check the whole state after each (all promises except P9).

The files test_faults_in_*.py divide the scenarios, so that several processes can run them. `make faults` runs
every kind of fault at every call, and pairs of faults.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.schedules import Runner, describe
from tests.faults.tally import Tally

_SHOWN = 3


def check_faults_at_every_call(name: str, names: Sequence[str], running: Runner, tally: Tally) -> None:
    """Each call site of the scenarios `names`, which run together, gets every kind of fault at least once."""
    faultless = running.run(name)
    assert not faultless.failure, describe(name, [], faultless)
    assert faultless.clean
    runs = {fault: running.run(name, [fault]) for fault in running.essentials(name, names[: names.index(name)])}
    tally.add(1 + len(runs))
    failures = [describe(name, [fault], run) for fault, run in runs.items() if run.failure]
    assert not failures, "\n\n".join([f"{len(failures)} of {len(runs)}", *failures[:_SHOWN]])
