"""The queue of events in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.ended_jobs import EndedJob, WaitingTask


@dataclass
class MemoryEvents:
    """An EventQueue and a TaskQueue that confirms what it is told to."""

    refused: set[str] = field(default_factory=set)  # groups
    is_down: bool = False
    told: list[tuple[str, list[EndedJob]]] = field(default_factory=list)
    tasks: list[WaitingTask] = field(default_factory=list)
    calls: int = 0

    def send_ended(self, ended: Sequence[tuple[str, Sequence[EndedJob]]]) -> list[bool]:
        self.calls += 1
        if self.is_down:
            raise Unavailable("The queue of events did not answer.")
        self.told += [(group, list(jobs)) for group, jobs in ended if group not in self.refused]
        return [group not in self.refused for group, _ in ended]

    def send_task(self, task: WaitingTask) -> None:
        self.calls += 1
        if self.is_down:
            raise Unavailable("The queue of events did not answer.")
        self.tasks.append(task)
