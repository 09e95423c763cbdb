"""Retries of failed jobs."""

from __future__ import annotations

from tests.faults.scenarios.parts import Action, ask, existing, name_taken_and_freed, scenario
from tests.faults.stage.world import World


@scenario
def retry_when_the_name_is_free(world: World) -> Action:
    other = name_taken_and_freed(world)

    def action() -> None:
        world.retry(other)
        ask(world, "merge", other, colour="red")

    return action


@scenario
def retry_that_fails_again(world: World) -> Action:
    existing(world, "tent")
    other = existing(world, "tent")

    def action() -> None:
        world.retry(other)

    return action


@scenario
def retry_twice(world: World) -> Action:
    other = name_taken_and_freed(world)

    def action() -> None:
        world.retry(other)
        world.retry(other)
        world.settle()
        world.retry(other)

    return action


@scenario
def retry_of_spent_attempts(world: World) -> Action:
    tent = existing(world, "tent")
    red = ask(world, "merge", tent, colour="red")
    red.must_fail = True
    world.injector.killers["transact_write_items"] = tent.item_id
    world.settle()
    world.injector.killers.clear()

    def action() -> None:
        world.retry(red)
        ask(world, "merge", tent, colour="blue")

    return action


@scenario
def retry_cancelled(world: World) -> Action:
    other = name_taken_and_freed(world)

    def action() -> None:
        world.retry(other)
        world.cancel(other)

    return action
