"""Many commands in one request."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import jobpipe.domain.jobs.batch
from tests.faults.histories.history import SentCommand
from tests.faults.scenarios.parts import HUGE, Action, existing, scenario
from tests.faults.stage.world import World


def named(name: str) -> SentCommand:
    return SentCommand("create", {"name": name, "description": "d"})


def change(item: SentCommand, operation: str = "merge", **fields: object) -> SentCommand:
    return SentCommand(operation, dict(fields), item.item_id)


@scenario
def batch(world: World) -> Action:
    tent = existing(world, "tent", n=0)

    def action() -> None:
        commands = [change(tent, n=1), named("yurt"), change(tent, n=2, m=1), change(tent, "delete")]
        batch_id = world.ask_batch(commands, key=secrets.token_hex(8))
        world.insist("GET", f"/batches/{batch_id}")

    return action


@scenario
def batch_without_key(world: World) -> Action:
    tent = existing(world, "tent", n=0)

    def action() -> None:
        world.ask_batch([change(tent, n=1), named("yurt"), change(tent, n=2)], key=None)

    return action


@scenario
def batch_replayed(world: World) -> Action:
    tent, key = existing(world, "tent", n=0), secrets.token_hex(8)

    def action() -> None:
        commands = [change(tent, n=1), named("yurt"), change(tent, n=2)]
        world.ask_batch(commands, key=key)
        world.lapse_of_deduplication()
        world.replay_batch(commands, key)

    return action


@scenario
def batch_stored_in_two_parts(world: World) -> Action:
    """A batch of a hundred commands is stored so."""
    tent = existing(world, "tent", n=0)

    def action() -> None:
        with _most_at_once(2):
            world.ask_batch([change(tent, n=1), named("yurt"), change(tent, n=2)], key=secrets.token_hex(8))

    return action


@scenario
def batch_in_two_parts_without_key(world: World) -> Action:
    """Without a key the rest cannot be sent again."""
    tent = existing(world, "tent", n=0)

    def action() -> None:
        with _most_at_once(2):
            world.ask_batch([change(tent, n=1), named("yurt"), change(tent, n=2)], key=None)

    return action


@scenario
def batch_with_claim(world: World) -> Action:
    tent = existing(world, "tent", n=0)

    def action() -> None:
        world.ask_batch([change(tent, n=1), change(tent, n=2, text=HUGE)], key=secrets.token_hex(8))

    return action


@contextmanager
def _most_at_once(jobs: int) -> Iterator[None]:
    with patch.object(jobpipe.domain.jobs.batch, "MOST_AT_ONCE", jobs):
        yield
