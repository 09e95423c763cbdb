"""After a run, check how the tasks that wait for jobs were answered (P10)."""

from __future__ import annotations

from tests.faults.stage.tasks import DENIED
from tests.faults.stage.world import World


class TaskNotAnswered(AssertionError):
    """A task was not answered when its job had ended, or got another answer."""


def check_tasks(world: World) -> None:
    """Raise TaskNotAnswered unless the last token of each accepted command was answered, and each one correctly."""
    tasks = world.emulator.tasks
    _require(not tasks.wrong, "; ".join(tasks.wrong))
    waiting = [command for command in world.history.commands if command.tokens]
    given = {token: command.job_id for command in waiting for token in command.tokens}
    for token, job_id in tasks.answers.items():
        _require(given.get(token) == job_id, f"the token {token} was answered with another job")
    for command in waiting:
        if command.accepted and not command.tokens[-1].startswith(DENIED):
            _require(
                command.tokens[-1] in tasks.answers, f"nobody answered the last token of a {command.operation}"
            )


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise TaskNotAnswered(otherwise)
