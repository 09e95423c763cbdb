"""Inject each fault at each AWS call of a scenario, and check the whole state after each (all promises except P9).

The files test_faults_in_*.py divide the scenarios, so that several processes can run them. `make faults` runs
every kind of fault at every call, and pairs of faults.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.scenarios import commands, shop, waiting
from tests.faults.scenarios.parts import scenarios_in
from tests.faults.schedules.schedule import Runner, describe
from tests.faults.schedules.tally import Tally

_SHOWN = 3
AT_EVERY_CALL = frozenset(
    {
        *scenarios_in(commands, shop, waiting),
        *("cancel_before_the_put", "cancel_before_the_commit", "cancel_after_the_commit"),
        *("cancel_between_deliveries", "creates_of_two_items", "creates_of_one_name"),
        *("changes_of_several_items", "renames_through_other_names", "life_of_an_item_in_one_batch"),
        *("tell_of_a_created_item", "tell_of_failed_and_cancelled_commands", "tell_of_a_redelivered_command"),
        *("cancelled_while_it_waits", "deliver_after_a_failure", "give_up_and_go_on"),
        *("replay_the_head_of_a_line", "resume_a_webhook_once", "give_another_token_before_the_end"),
        "give_another_token_while_the_job_ends",
    }
)
"""The scenarios of which --faults=calls tries the faults of OFTEN at every call."""


def check_faults(name: str, names: Sequence[str], running: Runner, tally: Tally) -> None:
    """Try every kind of fault once at each call site of the scenarios `names`; with --faults=calls, try more."""
    faultless = running.run(name)
    assert not faultless.failure, describe(name, [], faultless)
    assert faultless.clean
    before = names[: names.index(name)]
    if tally.at_more_calls:
        faults = running.essentials(name, before, at_every_call=name in AT_EVERY_CALL)
    else:
        faults = running.at_new_sites(name, before)
    runs = {fault: running.run(name, [fault]) for fault in faults}
    tally.add(1 + len(runs))
    failures = [describe(name, [fault], run) for fault, run in runs.items() if run.failure]
    assert not failures, "\n\n".join([f"{len(failures)} of {len(runs)}", *failures[:_SHOWN]])
