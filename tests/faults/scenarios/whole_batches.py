"""Batches that are cancelled or retried as a whole."""

from __future__ import annotations

import secrets

from tests.faults.scenarios.batches import change, named
from tests.faults.scenarios.parts import HUGE, Action, ask, existing, scenario
from tests.faults.stage.world import World


@scenario
def batch_cancelled(world: World) -> Action:
    tent = existing(world, "tent", n=0)

    def action() -> None:
        commands = [change(tent, n=1), named("yurt"), change(tent, n=2, text=HUGE)]
        batch_id = world.ask_batch(commands, key=secrets.token_hex(8))
        world.cancel_batch(batch_id, commands)

    return action


@scenario
def batch_cancelled_in_part(world: World) -> Action:
    """The first commands have ended."""
    tent = existing(world, "tent", n=0)
    commands = [change(tent, n=1), change(tent, n=2), named("yurt"), named("hut")]
    batch_id = world.ask_batch(commands, key=secrets.token_hex(8))
    world.poll("work", "CommandsQueueUrl", most=2)

    def action() -> None:
        world.cancel_batch(batch_id, commands)

    return action


@scenario
def batch_retried(world: World) -> Action:
    """Its names are free again, and one command has succeeded."""
    tent, hut, other = existing(world, "tent"), existing(world, "hut"), existing(world, "other", n=0)
    commands = [named("tent"), change(other, n=1), change(other, name="hut", text=HUGE)]
    batch_id = world.ask_batch(commands, key=secrets.token_hex(8))
    world.settle()
    ask(world, "delete", tent)
    ask(world, "delete", hut)
    world.settle()

    def action() -> None:
        world.retry_batch(batch_id, commands)
        ask(world, "merge", other, n=2)

    return action
