"""Further commands for the collections of tests/collections/shop, which only `make faults` tries."""

from __future__ import annotations

from tests.faults.scenarios.parts import Action, ask, existing_in, put_in, scenario
from tests.faults.scenarios.shop import MANY_LINES, upsert
from tests.faults.stage.world import World
from tests.helpers.shop import order, subscription


@scenario
def create_subscription_without_key(world: World) -> Action:
    def action() -> None:
        put_in(world, "subscriptions", subscription(), key=None)

    return action


@scenario
def change_that_breaks_the_schema(world: World) -> Action:
    stored = existing_in(world, "subscriptions", subscription())

    def action() -> None:
        ask(world, "set", stored, plan="team")

    return action


@scenario
def change_of_the_key(world: World) -> Action:
    stored = existing_in(world, "orders", order())

    def action() -> None:
        ask(world, "set", stored, number="A-2")

    return action


@scenario
def operation_of_a_large_document(world: World) -> Action:
    stored = existing_in(world, "orders", order(lines=MANY_LINES))

    def action() -> None:
        ask(world, "add-line", stored, sku="peg", quantity=3, price=0.1)

    return action


@scenario
def operation_refused(world: World) -> Action:
    stored = existing_in(world, "orders", order())

    def action() -> None:
        ask(world, "ship", stored, carrier="dhl")

    return action


@scenario
def upsert_of_a_new_order(world: World) -> Action:
    def action() -> None:
        upsert(world, invoice=7)

    return action


@scenario
def race_for_a_unique_value(world: World) -> Action:
    stored = existing_in(world, "orders", order("A-1", invoice=7))

    def action() -> None:
        put_in(world, "orders", order("A-2", invoice=8))
        ask(world, "merge", stored, invoice=8)
        put_in(world, "orders", order("A-3", invoice=7))

    return action


@scenario
def queued_read_of_an_order(world: World) -> Action:
    stored = existing_in(world, "orders", order(lines=MANY_LINES))

    def action() -> None:
        ask(world, "set", stored, note="x")
        ask(world, "read", stored)

    return action
