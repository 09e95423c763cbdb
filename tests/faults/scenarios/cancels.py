"""Cancels before, during and after the worker runs the command."""

from __future__ import annotations

from tests.faults.scenarios.parts import LARGE, Action, ask, create, die_once_at, existing, scenario
from tests.faults.stage.world import World


@scenario
def cancel_while_queued(world: World) -> Action:
    tent = existing(world, "tent", text=LARGE)

    def action() -> None:
        red = ask(world, "merge", tent, colour="red")
        ask(world, "merge", tent, poles=2)
        world.cancel(red)

    return action


@scenario
def cancel_before_the_put(world: World) -> Action:
    def action() -> None:
        tent = create(world, "tent")
        world.injector.hooks["put_object"] = lambda: world.cancel(tent)

    return action


@scenario
def cancel_before_the_commit(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        yurt = ask(world, "set", tent, name="yurt")
        world.injector.hooks["transact_write_items"] = lambda: world.cancel(yurt)

    return action


@scenario
def cancel_after_the_commit(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        red = ask(world, "merge", tent, colour="red")
        world.injector.hooks["delete_object"] = lambda: world.cancel(red)

    return action


@scenario
def cancel_between_deliveries(world: World) -> Action:
    tent = existing(world, "tent")
    red = ask(world, "merge", tent, colour="red")
    die_once_at(world, "transact_write_items")

    def action() -> None:
        world.cancel(red)

    return action


@scenario
def cancel_of_an_ended_job(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        world.cancel(tent)

    return action
