"""The tasks of Step Functions in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobpipe.domain.errors import TaskEnded, Unavailable
from jobpipe.domain.events.task_answer import TaskFailure, TaskSuccess


@dataclass
class MemoryTasks:
    """Tasks, each of which takes one answer."""

    is_down: bool = False
    refusals: dict[str, Exception] = field(default_factory=dict)  # by token
    answers: dict[str, TaskSuccess | TaskFailure] = field(default_factory=dict)  # by token
    calls: int = 0

    def answer(self, token: str, answer: TaskSuccess | TaskFailure) -> None:
        self.calls += 1
        if self.is_down:
            raise Unavailable("Step Functions did not answer.")
        if token in self.refusals:
            raise self.refusals[token]
        if token in self.answers:
            raise TaskEnded("TaskTimedOut")
        self.answers[token] = answer
