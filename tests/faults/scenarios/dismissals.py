"""Dismissals of failed jobs, also beside their retries."""

from __future__ import annotations

from tests.faults.scenarios.parts import Action, ask, existing, name_taken_and_freed, scenario
from tests.faults.stage.world import World


@scenario
def dismiss_a_failed_job(world: World) -> Action:
    existing(world, "tent")
    other = existing(world, "tent")

    def action() -> None:
        world.dismiss(other)
        world.dismiss(other)

    return action


@scenario
def dismiss_and_retry(world: World) -> Action:
    other = name_taken_and_freed(world)

    def action() -> None:
        world.dismiss(other)
        world.retry(other)
        ask(world, "merge", other, colour="red")

    return action


@scenario
def dismiss_what_is_retried(world: World) -> Action:
    existing(world, "tent")
    other = existing(world, "tent")

    def action() -> None:
        world.retry(other)
        world.dismiss(other)
        world.settle()
        world.dismiss(other)

    return action
