"""The same request is sent again with its Idempotency-Key."""

from __future__ import annotations

import secrets

from tests.faults.scenarios.parts import Then, ask, create, existing, scenario
from tests.faults.world import World


@scenario
def replay_at_once(world: World) -> Then:
    tent = existing(world, "tent")
    key = secrets.token_hex(8)

    def then() -> None:
        red = ask(world, "merge", tent, key=key, colour="red")
        world.replay(red, key)
        ask(world, "merge", tent, colour="blue")

    return then


@scenario
def replay_of_a_create(world: World) -> Then:
    key = secrets.token_hex(8)

    def then() -> None:
        tent = create(world, "tent", key=key)
        world.lapse_of_deduplication()
        world.replay(tent, key)

    return then


@scenario
def replay_after_deduplication(world: World) -> Then:
    tent = existing(world, "tent")
    key = secrets.token_hex(8)

    def then() -> None:
        red = ask(world, "merge", tent, key=key, colour="red")
        ask(world, "merge", tent, colour="blue")
        world.lapse_of_deduplication()
        world.replay(red, key)

    return then


@scenario
def replay_of_an_ended_job(world: World) -> Then:
    tent = existing(world, "tent")
    key = secrets.token_hex(8)
    red = ask(world, "merge", tent, key=key, colour="red")
    world.settle()
    ask(world, "merge", tent, colour="blue")
    world.settle()

    def then() -> None:
        world.replay(red, key)

    return then


@scenario
def replay_of_a_retried_job(world: World) -> Then:
    tent, key = existing(world, "tent"), secrets.token_hex(8)
    other = create(world, "tent", key=key)
    world.settle()
    ask(world, "delete", tent)
    world.settle()

    def then() -> None:
        world.retry(other)
        world.lapse_of_deduplication()
        world.replay(other, key)

    return then
