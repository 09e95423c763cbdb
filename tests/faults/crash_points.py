"""P1 to P8 at every crash point of a scenario: each kind of fault at each AWS call, then the whole state.

The files test_faults_in_*.py share the scenarios out, so that several processes can run them. `make faults` runs
pairs of faults.
"""

from __future__ import annotations

from tests.faults.schedules import Runner, describe
from tests.faults.tally import Tally

_SHOWN = 3


def check_every_fault_at_every_call(name: str, running: Runner, tally: Tally) -> None:
    faultless = running.run(name)
    assert not faultless.wrong, describe(name, [], faultless)
    assert faultless.clean
    runs = {fault: running.run(name, [fault]) for fault in running.singles(name)}
    tally.add(1 + len(runs))
    failures = [describe(name, [fault], run) for fault, run in runs.items() if run.wrong]
    assert not failures, "\n\n".join([f"{len(failures)} of {len(runs)}", *failures[:_SHOWN]])
