"""Commands that are sent as claim checks, and those that become one when their job fails."""

from __future__ import annotations

import secrets
from unittest.mock import patch

from jobpipe.domain.limits import MAX_KEPT_BYTES
from tests.faults.histories.history import SentCommand
from tests.faults.scenarios.parts import (
    HUGE,
    LONG,
    Action,
    ask,
    create,
    die_once_at,
    existing,
    given_up,
    name_taken_and_freed,
    no_action,
    scenario,
)
from tests.faults.stage.world import World


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
    other = name_taken_and_freed(world, text=HUGE)

    def action() -> None:
        world.retry(other)

    return action


@scenario
def claim_of_a_refusal(world: World) -> Action:
    existing(world, "tent")

    def action() -> None:
        create(world, "tent", text=LONG)

    return action


@scenario
def claim_of_a_refusal_retried(world: World) -> Action:
    other = name_taken_and_freed(world, text=LONG)

    def action() -> None:
        world.retry(other)

    return action


@scenario
def claim_of_a_refusal_that_is_refused_again(world: World) -> Action:
    existing(world, "tent")
    other = create(world, "tent", text=LONG)
    world.settle()

    def action() -> None:
        world.retry(other)
        world.settle()
        world.retry(other)

    return action


def _died_after_its_claim(world: World) -> tuple[SentCommand, SentCommand]:
    """Return an item, and a create of its name whose worker died after it had put the claim check."""
    tent = existing(world, "tent")
    other = create(world, "tent", text=LONG)
    die_once_at(world, "update_item")
    return tent, other


@scenario
def claim_of_a_refusal_that_is_none_the_second_time(world: World) -> Action:
    tent, _ = _died_after_its_claim(world)

    def action() -> None:
        ask(world, "delete", tent)

    return action


@scenario
def claim_of_a_refusal_cancelled(world: World) -> Action:
    _, other = _died_after_its_claim(world)

    def action() -> None:
        world.cancel(other)

    return action


@scenario
def claim_of_a_dead_letter(world: World) -> Action:
    given_up(world, text=LONG)
    return no_action


@scenario
def claim_of_a_dead_letter_after_a_refusal(world: World) -> Action:
    _, other = _died_after_its_claim(world)
    other.must_fail = True
    world.give_up_messages()
    return no_action


@scenario
def claim_of_spent_attempts(world: World) -> Action:
    tent = existing(world, "tent")
    red = ask(world, "merge", tent, text=LONG)
    red.must_fail = True
    for _ in range(5):
        die_once_at(world, "transact_write_items")

    def action() -> None:
        world.injector.killers["transact_write_items"] = tent.item_id
        world.settle()
        world.injector.killers.clear()
        world.retry(red)

    return action


@scenario
def claim_of_an_earlier_release(world: World) -> Action:
    """Its claim checks began with smaller commands: the API died before it sent the message that names one."""
    key = secrets.token_hex(8)

    def action() -> None:
        with patch("jobpipe.domain.jobs.claim_check.MAX_COMMAND_BYTES", MAX_KEPT_BYTES):
            world.injector.hooks_of_api["send_message"] = world.injector.end_of_process
            tent = create(world, "tent", key=key, text=LONG)
        world.replay(tent, key)

    return action
