"""The same request is sent again with its Idempotency-Key."""

from __future__ import annotations

import secrets

from tests.faults.scenarios.parts import Action, ask, create, existing, scenario
from tests.faults.stage.world import World


@scenario
def replay_at_once(world: World) -> Action:
    tent = existing(world, "tent")
    key = secrets.token_hex(8)

    def action() -> None:
        red = ask(world, "merge", tent, key=key, colour="red")
        world.replay(red, key)
        ask(world, "merge", tent, colour="blue")

    return action


@scenario
def replay_of_a_create(world: World) -> Action:
    key = secrets.token_hex(8)

    def action() -> None:
        tent = create(world, "tent", key=key)
        world.lapse_of_deduplication()
        world.replay(tent, key)

    return action


@scenario
def replay_after_deduplication(world: World) -> Action:
    tent = existing(world, "tent")
    key = secrets.token_hex(8)

    def action() -> None:
        red = ask(world, "merge", tent, key=key, colour="red")
        ask(world, "merge", tent, colour="blue")
        world.lapse_of_deduplication()
        world.replay(red, key)

    return action


@scenario
def replay_of_an_ended_job(world: World) -> Action:
    tent = existing(world, "tent")
    key = secrets.token_hex(8)
    red = ask(world, "merge", tent, key=key, colour="red")
    world.settle()
    ask(world, "merge", tent, colour="blue")
    world.settle()

    def action() -> None:
        world.replay(red, key)

    return action


@scenario
def replay_of_a_retried_job(world: World) -> Action:
    tent, key = existing(world, "tent"), secrets.token_hex(8)
    other = create(world, "tent", key=key)
    world.settle()
    ask(world, "delete", tent)
    world.settle()

    def action() -> None:
        world.retry(other)
        world.lapse_of_deduplication()
        world.replay(other, key)

    return action
