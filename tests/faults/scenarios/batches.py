"""Many commands in one request."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import jobpipe.domain.batch
from tests.faults.history import Asked
from tests.faults.scenarios.parts import HUGE, Then, existing, scenario
from tests.faults.world import World


def named(name: str) -> Asked:
    return Asked("create", {"name": name, "description": "d"})


def change(item: Asked, operation: str = "merge", **fields: object) -> Asked:
    return Asked(operation, dict(fields), item.item_id)


@scenario
def batch(world: World) -> Then:
    tent = existing(world, "tent", n=0)

    def then() -> None:
        asked = [change(tent, n=1), named("yurt"), change(tent, n=2, m=1), change(tent, "delete")]
        batch_id = world.ask_batch(asked, key=secrets.token_hex(8))
        world.insist("GET", f"/batches/{batch_id}")

    return then


@scenario
def batch_without_key(world: World) -> Then:
    tent = existing(world, "tent", n=0)

    def then() -> None:
        world.ask_batch([change(tent, n=1), named("yurt"), change(tent, n=2)], key=None)

    return then


@scenario
def batch_replayed(world: World) -> Then:
    tent, key = existing(world, "tent", n=0), secrets.token_hex(8)

    def then() -> None:
        asked = [change(tent, n=1), named("yurt"), change(tent, n=2)]
        world.ask_batch(asked, key=key)
        world.lapse_of_deduplication()
        world.replay_batch(asked, key)

    return then


@scenario
def batch_stored_in_two_parts(world: World) -> Then:
    """As one of a hundred commands is."""
    tent = existing(world, "tent", n=0)

    def then() -> None:
        with _most_at_once(2):
            world.ask_batch([change(tent, n=1), named("yurt"), change(tent, n=2)], key=secrets.token_hex(8))

    return then


@scenario
def batch_in_two_parts_without_key(world: World) -> Then:
    """Nobody can send the rest again."""
    tent = existing(world, "tent", n=0)

    def then() -> None:
        with _most_at_once(2):
            world.ask_batch([change(tent, n=1), named("yurt"), change(tent, n=2)], key=None)

    return then


@scenario
def batch_with_claim(world: World) -> Then:
    tent = existing(world, "tent", n=0)

    def then() -> None:
        world.ask_batch([change(tent, n=1), change(tent, n=2, text=HUGE)], key=secrets.token_hex(8))

    return then


@contextmanager
def _most_at_once(jobs: int) -> Iterator[None]:
    with patch.object(jobpipe.domain.batch, "MOST_AT_ONCE", jobs):
        yield
