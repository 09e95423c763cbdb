"""Commands with time limits: in time, late before their first attempt or between two, and retried."""

from __future__ import annotations

import secrets

from tests.faults.histories.history import SentCommand
from tests.faults.scenarios.batches import named
from tests.faults.scenarios.parts import HUGE, LARGE, Action, die_once_at, existing, scenario
from tests.faults.stage.world import World

DAY = 24 * 3600


def limited(
    world: World, operation: str, item: SentCommand | None, seconds: float, **fields: object
) -> SentCommand:
    """Return a command that must not take effect later than so many seconds from now."""
    command = named("yurt") if item is None else SentCommand(operation, dict(fields), item.item_id)
    command.not_after = world.limit(seconds)
    return command


@scenario
def accept_with_a_limit(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        world.ask(limited(world, "merge", tent, DAY, n=1), key=secrets.token_hex(8))
        world.ask_batch([limited(world, "merge", tent, DAY, n=2)], key=secrets.token_hex(8))

    return action


@scenario
def late_before_the_first_attempt(world: World) -> Action:
    tent = existing(world, "tent", text=LARGE)
    world.ask(limited(world, "merge", tent, 60, n=1, text=HUGE), key=secrets.token_hex(8))

    def action() -> None:
        world.emulator.clock.sleep(600)

    return action


@scenario
def late_between_two_attempts(world: World) -> Action:
    """The first attempt has put its document and died."""
    tent = existing(world, "tent", text=LARGE)
    world.ask(limited(world, "merge", tent, 60, n=1), key=secrets.token_hex(8))
    die_once_at(world, "transact_write_items")

    def action() -> None:
        world.settle()

    return action


@scenario
def in_time_after_an_attempt(world: World) -> Action:
    tent = existing(world, "tent", text=LARGE)
    world.ask(limited(world, "merge", tent, DAY, n=1), key=secrets.token_hex(8))
    die_once_at(world, "transact_write_items")

    def action() -> None:
        world.settle()

    return action


@scenario
def late_commands_of_runs(world: World) -> Action:
    """A late command of a run is refused alone; the others of its item, and other items, go on."""
    tent = existing(world, "tent", n=0)
    commands = [
        SentCommand("merge", {"n": 1}, tent.item_id),
        limited(world, "merge", tent, 60, n=2),
        SentCommand("merge", {"m": 3}, tent.item_id),
        limited(world, "create", None, 60),
    ]
    world.ask_batch(commands, key=secrets.token_hex(8))

    def action() -> None:
        world.emulator.clock.sleep(600)
        world.settle()

    return action


@scenario
def retry_of_late_jobs(world: World) -> Action:
    tent = existing(world, "tent", n=0)
    small, huge = limited(world, "merge", tent, 60, n=1), limited(world, "merge", tent, 60, n=2, text=HUGE)
    for command in (small, huge):
        world.ask(command, key=secrets.token_hex(8))
    world.emulator.clock.sleep(600)
    world.settle()
    limit = world.limit(DAY)

    def action() -> None:
        world.retry(small, limit)
        world.retry(huge, limit)

    return action
