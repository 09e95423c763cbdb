"""A command that kills its worker at every attempt, in one batch with nine others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tenacity

from tests.chaos.faults import Call, Fault
from tests.chaos.history import FAILED, Command
from tests.helpers.event_source import EventSourceMapping

BATCH = 10
PLACE = 4  # of the poison command in the batch
ATTEMPTS = 5
MARKER = "poison"  # in the name of its item


def kill_on_poison(call: Call) -> Fault | None:
    """Return the fault that kills a worker before it puts the document of the poison command."""
    if call.operation == "PutObject" and MARKER.encode() in call.body:
        return Fault("killed by poison", kill=True)
    return None


@dataclass(frozen=True, slots=True)
class Batch:
    """The commands that were sent while the worker was stopped."""

    poison: Command
    others: list[Command]

    def violations(self) -> list[str]:
        """Return the violations of P8."""
        end, found = self.poison.end, []
        if end is None or (end.status, end.problem, end.attempts) != (FAILED, "attempts-spent", ATTEMPTS):
            found.append(f"the poison command did not fail after {ATTEMPTS} attempts: {end}")
        found += [f"neighbour of the poison command: {other}" for other in self.others if not other.succeeded]
        return found


def one_batch(create: Callable[..., Command], mapping: EventSourceMapping, waiting: Callable[[], int]) -> Batch:
    """Send ten creates to an empty queue, so that the worker receives them together."""
    with mapping.disabled():
        names = [f"{MARKER if place == PLACE else 'neighbour'} {place}" for place in range(BATCH)]
        commands = [create(name) for name in names]
        commands[PLACE].poisonous = True
        wait = tenacity.Retrying(
            stop=tenacity.stop_after_delay(10),
            wait=tenacity.wait_fixed(0.05),
            retry=tenacity.retry_if_result(lambda number: number < BATCH),
        )
        wait(waiting)
    return Batch(commands.pop(PLACE), commands)
