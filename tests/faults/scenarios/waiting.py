"""Commands that wait for their time: accepted, released, cancelled, overtaken and retried."""

from __future__ import annotations

import secrets
from itertools import count

from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.jobs.scheduled import shard_of
from tests.faults.histories.history import SentCommand
from tests.faults.scenarios.batches import named
from tests.faults.scenarios.parts import HUGE, Action, existing, no_action, scenario
from tests.faults.stage.world import World

SOON = 600  # seconds


def to_wait(
    world: World, operation: str, item: SentCommand | None, seconds: float, **fields: object
) -> SentCommand:
    """Return a command that must not take effect sooner than so many seconds from now."""
    command = named("yurt") if item is None else SentCommand(operation, dict(fields), item.item_id)
    command.not_before = world.limit(seconds)
    return command


def ask_to_wait(
    world: World, item: SentCommand, seconds: float, *, key: bool = True, **fields: object
) -> SentCommand:
    command = to_wait(world, "merge", item, seconds, **fields)
    return world.ask(command, key=secrets.token_hex(8) if key else None)


def existing_beside(world: World, other: SentCommand, name: str) -> SentCommand:
    """Create an item whose commands are released in the same pass as those of the other.

    Otherwise it would depend on random ids which calls a scenario makes.
    """
    for number in count():
        item = existing(world, f"{name} {number}")
        if _shard(item) == _shard(other):
            return item
    raise AssertionError


def _shard(item: SentCommand) -> str:
    return shard_of(ItemRef(item.collection, "", item.item_id).group_id)


@scenario
def accept_to_wait(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        ask_to_wait(world, tent, SOON, n=1)
        ask_to_wait(world, tent, 2 * SOON, key=False, n=2)

    return action


@scenario
def accept_large_ones_to_wait(world: World) -> Action:
    """They wait in the bucket."""
    tent = existing(world, "tent")

    def action() -> None:
        ask_to_wait(world, tent, SOON, n=1, text=HUGE)
        ask_to_wait(world, tent, 2 * SOON, key=False, n=2, text=HUGE)

    return action


@scenario
def accept_a_batch_to_wait(world: World) -> Action:
    # Of different items: what was never answered may be stored when another command has been released.
    tent, hut, shed = existing(world, "tent"), existing(world, "hut"), existing(world, "shed")

    def action() -> None:
        commands = [
            to_wait(world, "merge", tent, 2 * SOON, n=2),
            to_wait(world, "merge", hut, SOON, n=1, text=HUGE),
            SentCommand("merge", {"m": 3}, shed.item_id),
        ]
        world.ask_batch(commands, key=secrets.token_hex(8))

    return action


@scenario
def accept_a_batch_to_wait_without_a_key(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        commands = [to_wait(world, "merge", tent, SOON, n=n, text=HUGE[: 300_000 * n]) for n in range(2)]
        world.ask_batch(commands, key=None)

    return action


@scenario
def released_in_order(world: World) -> Action:
    """Of one item and of others, at one time and at several."""
    tent = existing(world, "tent", n=0)
    hut = existing_beside(world, tent, "hut")
    for item, seconds, n in ((tent, 130, 3), (tent, 100, 1), (tent, 100, 2), (hut, 100, 1)):
        ask_to_wait(world, item, seconds, n=n)
    world.emulator.clock.sleep(60)

    def action() -> None:
        world.release()

    return action


@scenario
def large_ones_released(world: World) -> Action:
    tent = existing(world, "tent")
    hut = existing_beside(world, tent, "hut")
    ask_to_wait(world, tent, SOON, n=1, text=HUGE)
    ask_to_wait(world, hut, SOON, n=1, text=HUGE[:20_000])
    ask_to_wait(world, tent, SOON + 1, n=2)
    world.emulator.clock.sleep(SOON + 60)
    return no_action


@scenario
def released_behind_its_worker(world: World) -> Action:
    """The worker is faster than the marks: it gets each message at once."""
    tent = existing(world, "tent")
    hut = existing_beside(world, tent, "hut")
    ask_to_wait(world, tent, SOON, n=1)
    ask_to_wait(world, hut, SOON, n=1, text=HUGE)
    world.emulator.clock.sleep(SOON + 60)

    def action() -> None:
        world.injector.hooks["update_item"] = world.settle_queue
        world.release()

    return action


@scenario
def cancelled_while_they_wait(world: World) -> Action:
    tent = existing(world, "tent")
    small, huge = ask_to_wait(world, tent, SOON, n=1), ask_to_wait(world, tent, SOON, n=2, text=HUGE)

    def action() -> None:
        world.cancel(small)
        world.cancel(huge)

    return action


@scenario
def cancelled_when_they_are_due(world: World) -> Action:
    tent = existing(world, "tent")
    commands = [to_wait(world, "merge", tent, SOON, n=n, text=HUGE[: 300_000 * n]) for n in range(2)]
    batch = world.ask_batch(commands, key=secrets.token_hex(8))
    world.emulator.clock.sleep(SOON + 60)
    world.release()

    def action() -> None:
        world.cancel_batch(batch, commands)

    return action


@scenario
def retried_after_they_waited(world: World) -> Action:
    existing(world, "yurt")
    command = to_wait(world, "create", None, SOON)
    world.ask(command, key=secrets.token_hex(8))
    world.emulator.clock.sleep(SOON + 60)
    world.settle()

    def action() -> None:
        world.retry(command)

    return action
