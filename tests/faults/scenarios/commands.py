"""One command, and several of one item or one name."""

from __future__ import annotations

from tests.faults.scenarios.parts import LARGE, Action, ask, create, existing, scenario
from tests.faults.stage.world import World


@scenario
def create_small(world: World) -> Action:
    def action() -> None:
        create(world, "tent")

    return action


@scenario
def create_without_key(world: World) -> Action:
    def action() -> None:
        create(world, "tent", key=None)

    return action


@scenario
def create_large(world: World) -> Action:
    def action() -> None:
        create(world, "tent", text=LARGE)

    return action


@scenario
def create_taken_name(world: World) -> Action:
    existing(world, "caf\u00e9")

    def action() -> None:
        create(world, "cafe\u0301")

    return action


@scenario
def put(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        ask(world, "set", tent, colour="red")

    return action


@scenario
def put_large(world: World) -> Action:
    tent = existing(world, "tent", text=LARGE)

    def action() -> None:
        ask(world, "set", tent, colour="red")

    return action


@scenario
def put_without_key(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        ask(world, "set", tent, key=None, colour="red")

    return action


@scenario
def rename(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        ask(world, "set", tent, name="yurt")

    return action


@scenario
def rename_to_taken_name(world: World) -> Action:
    tent = existing(world, "tent")
    existing(world, "yurt")

    def action() -> None:
        ask(world, "set", tent, name="yurt")

    return action


@scenario
def patch(world: World) -> Action:
    tent = existing(world, "tent", colour="red", poles=2)

    def action() -> None:
        ask(world, "merge", tent, colour=None, poles=3)

    return action


@scenario
def delete(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        ask(world, "delete", tent)

    return action


@scenario
def delete_without_key(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        ask(world, "delete", tent, key=None)

    return action


@scenario
def update_missing_item(world: World) -> Action:
    def action() -> None:
        ask(world, "set", "no-such-item", colour="red")

    return action


@scenario
def if_match_fails(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        ask(world, "set", tent, if_match='"0123456789abcdef"', colour="red")

    return action


@scenario
def if_match_holds(world: World) -> Action:
    tent = existing(world, "tent")
    etag = world.job(tent)["etag"]

    def action() -> None:
        ask(world, "merge", tent, if_match=etag, colour="red")
        ask(world, "merge", tent, if_match=etag, colour="blue")

    return action


@scenario
def queued_read(world: World) -> Action:
    tent = existing(world, "tent", text=LARGE)

    def action() -> None:
        ask(world, "set", tent, colour="red")
        ask(world, "read", tent)

    return action


@scenario
def several_of_one_item(world: World) -> Action:
    tent = existing(world, "tent", n=0)

    def action() -> None:
        ask(world, "merge", tent, n=1)
        ask(world, "merge", tent, n=2, m=1)
        ask(world, "delete", tent)
        ask(world, "merge", tent, n=3)

    return action


@scenario
def race_for_a_name(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        create(world, "yurt")
        ask(world, "set", tent, name="yurt")
        create(world, "tent")

    return action


@scenario
def delete_frees_a_name(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        ask(world, "delete", tent)
        world.settle()
        create(world, "tent")

    return action


@scenario
def reads_of_the_api(world: World) -> Action:
    tent = existing(world, "tent", text=LARGE)

    def action() -> None:
        world.insist("GET", f"/items/{tent.item_id}")
        world.insist("GET", "/items?limit=10")
        world.insist("GET", "/jobs?status=failed")
        world.insist("GET", "/jobs?status=failed&owner=*")
        world.insist("GET", "/jobs?limit=10")
        world.job(tent)

    return action
