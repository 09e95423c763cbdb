"""Commands for the collections of tests/collections/shop: a key, unique values, an index, operations, scopes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.faults.histories.history import SentCommand
from tests.faults.scenarios.parts import Action, ask, die_once_at, existing_in, put_in, scenario, shows
from tests.faults.stage.world import World
from tests.helpers.shop import order, subscription

MANY_LINES = [{"sku": f"sku-{n}", "quantity": 1, "price": 0.1} for n in range(40)]  # too large for a row


def upsert(world: World, **order_members: Any) -> SentCommand:
    return put_in(world, "orders", order(**order_members), operation="upsert")


@scenario
def create_order(world: World) -> Action:
    def action() -> None:
        put_in(world, "orders", order(invoice=7, lines=MANY_LINES))

    return action


@scenario
def create_order_that_exists(world: World) -> Action:
    existing_in(world, "orders", order())

    def action() -> None:
        put_in(world, "orders", order(customer="bob"))

    return action


@scenario
def create_taken_seat(world: World) -> Action:
    existing_in(world, "subscriptions", subscription("caf\u00e9"))

    def action() -> None:
        put_in(world, "subscriptions", subscription("cafe\u0301"))

    return action


@scenario
def set_and_merge(world: World) -> Action:
    stored = existing_in(world, "orders", order(invoice=7))

    def action() -> None:
        ask(world, "set", stored, customer="bob", invoice=8)
        ask(world, "merge", stored, invoice=None, note="free")

    return action


@scenario
def operation(world: World) -> Action:
    stored = existing_in(world, "orders", order())

    def action() -> None:
        ask(world, "pay", stored, invoice=7)

    return action


@scenario
def operation_takes_a_held_value(world: World) -> Action:
    existing_in(world, "orders", order("A-1", invoice=7))
    stored = existing_in(world, "orders", order("A-2"))

    def action() -> None:
        ask(world, "pay", stored, invoice=7)

    return action


@scenario
def operation_retried(world: World) -> Action:
    holder = existing_in(world, "orders", order("A-1", invoice=7))
    stored = existing_in(world, "orders", order("A-2"))
    failed = ask(world, "pay", stored, invoice=7)
    world.settle()
    ask(world, "merge", holder, invoice=None)
    world.settle()

    def action() -> None:
        world.retry(failed)

    return action


@scenario
def upsert_of_an_order(world: World) -> Action:
    existing_in(world, "orders", order(invoice=7, lines=MANY_LINES))

    def action() -> None:
        upsert(world, customer="bob", invoice=8)

    return action


@scenario
def upserts_between_create_and_delete(world: World) -> Action:
    stored = existing_in(world, "orders", order())

    def action() -> None:
        upsert(world, note="1")
        ask(world, "delete", stored)
        upsert(world, note="2")
        put_in(world, "orders", order(note="3"))

    return action


@scenario
def delete_order(world: World) -> Action:
    stored = existing_in(world, "orders", order(invoice=7))

    def action() -> None:
        ask(world, "delete", stored)

    return action


@scenario
def batch_of_three_collections(world: World) -> Action:
    stored = existing_in(world, "subscriptions", subscription())

    def action() -> None:
        world.ask_batch(
            [
                SentCommand("upsert", order(), collection="orders"),
                SentCommand("create", {"name": "tent", "description": "d"}),
                SentCommand("renew", {}, stored.item_id, collection="subscriptions"),
                SentCommand("upsert", order(note="again"), collection="orders"),
            ],
            key="batch",
        )

    return action


@scenario
def look_ups(world: World) -> Action:
    stored = existing_in(world, "orders", order(invoice=7, lines=MANY_LINES))
    existing_in(world, "orders", order("A-2"))

    def action() -> None:
        world.insist("GET", f"/orders/{stored.item_id}")
        for query in ("limit=1", "number=A-1", "invoice=7", f"customer={quote('alice')}"):
            answer = world.insist("GET", f"/orders?{query}")
            assert answer.status == 200, answer.text
            assert shows(world, answer, stored.item_id) or query == "limit=1", query

    return action


@scenario
def dead_letter_of_an_order(world: World) -> Action:
    stored = existing_in(world, "orders", order(invoice=7))
    note = ask(world, "merge", stored, note="x")
    note.must_fail = True
    die_once_at(world, "transact_write_items")
    world.give_up_messages()

    def action() -> None:
        pass

    return action
