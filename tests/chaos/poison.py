"""A command that kills its worker every time, in one batch with nine others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tenacity

from tests.chaos.faults import Call, Fault
from tests.chaos.history import FAILED, Command

BATCH = 10
PLACE = 4  # of the poison in it
ATTEMPTS = 5
MARKER = "arsenic"  # in the name of the item that it would make


def lethal(call: Call) -> Fault | None:
    """The end of a worker that is about to put the poisonous document."""
    if call.operation == "PutObject" and MARKER.encode() in call.body:
        return Fault("killed by poison", kill=True)
    return None


@dataclass(frozen=True, slots=True)
class Batch:
    """What was sent while nobody received."""

    poison: Command
    others: list[Command]

    def violations(self) -> list[str]:
        """What became of it other than it should (P8)."""
        end, found = self.poison.end, []
        if end is None or (end.status, end.problem, end.attempts) != (FAILED, "attempts-spent", ATTEMPTS):
            found.append(f"the poison did not end failed at {ATTEMPTS} attempts: {end}")
        found += [f"beside poison: {other}" for other in self.others if not other.succeeded]
        return found


def one_batch(create: Callable[..., Command], mapping: Mapping, waiting: Callable[[], int]) -> Batch:
    """Ten creates on an empty queue, the poison among them, received together."""
    with mapping.disabled():
        names = [f"{MARKER if place == PLACE else 'beside it'} {place}" for place in range(BATCH)]
        commands = [create(name) for name in names]
        commands[PLACE].poisonous = True
        arrived = tenacity.Retrying(
            stop=tenacity.stop_after_delay(10),
            wait=tenacity.wait_fixed(0.05),
            retry=tenacity.retry_if_result(lambda number: number < BATCH),
        )
        arrived(waiting)
    return Batch(commands.pop(PLACE), commands)


class Mapping:
    """The event source mapping from the commands queue to the worker."""

    def __init__(self, client: Any, function: str) -> None:
        self._client = client
        self._ids = [
            m["UUID"] for m in client.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
        ]

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Nobody receives for the time of the block."""
        self._enable(enabled=False)
        try:
            yield
        finally:
            self._enable(enabled=True)

    def _enable(self, *, enabled: bool) -> None:
        for each in self._ids:
            self._client.update_event_source_mapping(UUID=each, Enabled=enabled)
