"""Commands that are sent as claim checks."""

from __future__ import annotations

import secrets

from tests.faults.scenarios.parts import HUGE, Then, ask, create, existing, scenario
from tests.faults.world import World


@scenario
def create_with_claim(world: World) -> Then:
    def then() -> None:
        create(world, "tent", text=HUGE)

    return then


@scenario
def claim_without_key(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        ask(world, "set", tent, key=None, text=HUGE)

    return then


@scenario
def claim_of_a_failed_job(world: World) -> Then:
    existing(world, "tent")

    def then() -> None:
        create(world, "tent", text=HUGE)

    return then


@scenario
def claim_replayed(world: World) -> Then:
    key = secrets.token_hex(8)

    def then() -> None:
        tent = create(world, "tent", key=key, text=HUGE)
        world.lapse_of_deduplication()
        world.replay(tent, key)

    return then


@scenario
def claim_replayed_at_once(world: World) -> Then:
    key = secrets.token_hex(8)

    def then() -> None:
        tent = create(world, "tent", key=key, text=HUGE)
        world.replay(tent, key)

    return then


@scenario
def claim_replayed_after_the_end(world: World) -> Then:
    key = secrets.token_hex(8)
    tent = create(world, "tent", key=key, text=HUGE)

    def then() -> None:
        world.settle()
        world.lapse_of_deduplication()
        world.replay(tent, key)

    return then


@scenario
def claim_cancelled(world: World) -> Then:
    def then() -> None:
        world.cancel(create(world, "tent", text=HUGE))

    return then


@scenario
def claim_retried(world: World) -> Then:
    tent = existing(world, "tent")
    other = create(world, "tent", text=HUGE)
    world.settle()
    ask(world, "delete", tent)
    world.settle()

    def then() -> None:
        world.retry(other)

    return then
