"""Commands that are sent as claim checks."""

from __future__ import annotations

import secrets

from tests.faults.scenarios.parts import HUGE, Action, ask, create, existing, scenario
from tests.faults.world import World


@scenario
def create_with_claim(world: World) -> Action:
    def action() -> None:
        create(world, "tent", text=HUGE)

    return action


@scenario
def claim_without_key(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        ask(world, "set", tent, key=None, text=HUGE)

    return action


@scenario
def claim_of_a_failed_job(world: World) -> Action:
    existing(world, "tent")

    def action() -> None:
        create(world, "tent", text=HUGE)

    return action


@scenario
def claim_replayed(world: World) -> Action:
    key = secrets.token_hex(8)

    def action() -> None:
        tent = create(world, "tent", key=key, text=HUGE)
        world.lapse_of_deduplication()
        world.replay(tent, key)

    return action


@scenario
def claim_replayed_at_once(world: World) -> Action:
    key = secrets.token_hex(8)

    def action() -> None:
        tent = create(world, "tent", key=key, text=HUGE)
        world.replay(tent, key)

    return action


@scenario
def claim_replayed_after_the_end(world: World) -> Action:
    key = secrets.token_hex(8)
    tent = create(world, "tent", key=key, text=HUGE)

    def action() -> None:
        world.settle()
        world.lapse_of_deduplication()
        world.replay(tent, key)

    return action


@scenario
def claim_cancelled(world: World) -> Action:
    def action() -> None:
        world.cancel(create(world, "tent", text=HUGE))

    return action


@scenario
def claim_retried(world: World) -> Action:
    tent = existing(world, "tent")
    other = create(world, "tent", text=HUGE)
    world.settle()
    ask(world, "delete", tent)
    world.settle()

    def action() -> None:
        world.retry(other)

    return action
