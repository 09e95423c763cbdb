"""Commands of several documents, and several commands of one document, in one batch of messages."""

from __future__ import annotations

from jobpipe.domain.documents.item_ref import ItemRef
from tests.faults.histories.history import SentCommand
from tests.faults.scenarios.parts import LARGE, Action, ask, create, existing, existing_in, put_in, scenario
from tests.faults.stage.world import World
from tests.helpers.shop import order, subscription


@scenario
def creates_of_two_items(world: World) -> Action:
    def action() -> None:
        create(world, "tent")
        create(world, "yurt")

    return action


@scenario
def creates_of_one_name(world: World) -> Action:
    """The second writes the same row as the first, so it is in another transaction."""

    def action() -> None:
        create(world, "tent")
        create(world, "tent")
        create(world, "yurt")

    return action


@scenario
def create_of_a_taken_name_beside_others(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        create(world, "tent")
        create(world, "yurt")
        ask(world, "merge", tent, colour="red")

    return action


@scenario
def changes_of_several_items(world: World) -> Action:
    tent, yurt, hut = existing(world, "tent"), existing(world, "yurt"), existing(world, "hut")
    house = existing(world, "house")

    def action() -> None:
        ask(world, "merge", tent, colour="red")
        ask(world, "delete", yurt)
        ask(world, "read", hut)
        ask(world, "set", house, if_match='"0123456789abcdef"', colour="red")
        ask(world, "delete", "no-such-item")

    return action


@scenario
def swap_of_names(world: World) -> Action:
    tent, yurt = existing(world, "tent"), existing(world, "yurt")

    def action() -> None:
        ask(world, "set", tent, name="yurt")
        ask(world, "set", yurt, name="tent")

    return action


@scenario
def life_of_an_item_in_one_batch(world: World) -> Action:
    def action() -> None:
        tent = create(world, "tent")
        ask(world, "merge", tent, name="yurt")
        ask(world, "delete", tent)
        ask(world, "read", tent)

    return action


@scenario
def renames_through_other_names(world: World) -> Action:
    """The name on the way is free at first, and then another item's."""
    tent = existing(world, "tent")

    def action() -> None:
        ask(world, "set", tent, name="yurt")
        ask(world, "set", tent, name="hut")
        create(world, "yurt")
        world.settle()
        ask(world, "set", tent, name="yurt")
        ask(world, "set", tent, name="house")

    return action


@scenario
def run_with_refusals(world: World) -> Action:
    tent, yurt = existing(world, "tent"), existing(world, "yurt")
    etag = world.job(tent)["etag"]

    def action() -> None:
        ask(world, "merge", tent, if_match=etag, n=1)
        ask(world, "merge", tent, if_match=etag, n=2)
        ask(world, "read", tent)
        ask(world, "merge", yurt, n=3)

    return action


@scenario
def cancel_inside_a_run(world: World) -> Action:
    tent, yurt = existing(world, "tent"), existing(world, "yurt")

    def action() -> None:
        ask(world, "merge", tent, n=1)
        second = ask(world, "merge", tent, m=2)
        ask(world, "merge", yurt, n=3)
        world.injector.hooks["transact_write_items"] = lambda: world.cancel(second)

    return action


@scenario
def cancel_of_the_first_of_a_run(world: World) -> Action:
    """The run's document was put for the second command, which then goes alone and puts another one."""
    tent, yurt = existing(world, "tent"), existing(world, "yurt")

    def action() -> None:
        first = ask(world, "merge", tent, n=1)
        ask(world, "merge", tent, m=2)
        ask(world, "merge", yurt, n=3)
        world.injector.hooks["transact_write_items"] = lambda: world.cancel(first)

    return action


@scenario
def cancel_inside_a_group(world: World) -> Action:
    def action() -> None:
        tent = create(world, "tent")
        create(world, "yurt")
        world.injector.hooks["transact_write_items"] = lambda: world.cancel(tent)

    return action


@scenario
def large_documents_beside_small_ones(world: World) -> Action:
    tent, yurt = existing(world, "tent", text=LARGE), existing(world, "yurt")

    def action() -> None:
        ask(world, "merge", tent, n=1)
        ask(world, "merge", tent, text="small")
        ask(world, "merge", yurt, n=1)
        ask(world, "merge", yurt, text=LARGE)
        create(world, "hut", text=LARGE)

    return action


@scenario
def orders_in_one_batch(world: World) -> Action:
    """One order is deleted and made again, and takes unique values on the way."""
    stored = existing_in(world, "orders", order(invoice=7))

    def action() -> None:
        ask(world, "merge", stored, invoice=8)
        ask(world, "delete", stored)
        put_in(world, "orders", order(invoice=9), operation="upsert")
        put_in(world, "orders", order("O-2", invoice=8))
        put_in(world, "subscriptions", subscription("9"))

    return action


@scenario
def life_of_an_order_in_one_batch(world: World) -> Action:
    def action() -> None:
        made = put_in(world, "orders", order(invoice=7))
        ask(world, "delete", made)
        create(world, "tent")

    return action


@scenario
def operation_beside_a_group(world: World) -> Action:
    stored = existing_in(world, "orders", order())

    def action() -> None:
        world.ask(SentCommand("pay", {"invoice": 7}, stored.item_id, collection="orders"), key="pay")
        ask(world, "merge", stored, note="paid")
        create(world, "tent")
        create(world, "yurt")

    return action


@scenario
def two_documents_of_one_message_group(world: World) -> Action:
    """An id of an item is any text, and can be the message group of an order."""
    stored = existing_in(world, "orders", order())
    group = ItemRef("orders", "", stored.item_id).group_id

    def action() -> None:
        ask(world, "merge", stored, note="mine")
        ask(world, "delete", group)
        ask(world, "merge", stored, note="again")
        create(world, "tent")

    return action
