"""Cancels before, during and after the worker runs the command."""

from __future__ import annotations

from tests.faults.scenarios.parts import LARGE, Then, ask, create, die_once_at, existing, scenario
from tests.faults.world import World


@scenario
def cancel_while_queued(world: World) -> Then:
    tent = existing(world, "tent", text=LARGE)

    def then() -> None:
        red = ask(world, "merge", tent, colour="red")
        ask(world, "merge", tent, poles=2)
        world.cancel(red)

    return then


@scenario
def cancel_before_the_put(world: World) -> Then:
    def then() -> None:
        tent = create(world, "tent")
        world.injector.hooks["put_object"] = lambda: world.cancel(tent)

    return then


@scenario
def cancel_before_the_commit(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        yurt = ask(world, "set", tent, name="yurt")
        world.injector.hooks["transact_write_items"] = lambda: world.cancel(yurt)

    return then


@scenario
def cancel_after_the_commit(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        red = ask(world, "merge", tent, colour="red")
        world.injector.hooks["delete_object"] = lambda: world.cancel(red)

    return then


@scenario
def cancel_between_deliveries(world: World) -> Then:
    tent = existing(world, "tent")
    red = ask(world, "merge", tent, colour="red")
    die_once_at(world, "transact_write_items")

    def then() -> None:
        world.cancel(red)

    return then


@scenario
def cancel_of_an_ended_job(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        world.cancel(tent)

    return then
