"""One command, and several of one item or one name."""

from __future__ import annotations

from tests.faults.scenarios.parts import LARGE, Then, ask, create, existing, scenario
from tests.faults.world import World


@scenario
def create_small(world: World) -> Then:
    def then() -> None:
        create(world, "tent")

    return then


@scenario
def create_without_key(world: World) -> Then:
    def then() -> None:
        create(world, "tent", key=None)

    return then


@scenario
def create_large(world: World) -> Then:
    def then() -> None:
        create(world, "tent", text=LARGE)

    return then


@scenario
def create_taken_name(world: World) -> Then:
    existing(world, "caf\u00e9")

    def then() -> None:
        create(world, "cafe\u0301")

    return then


@scenario
def put(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        ask(world, "set", tent, colour="red")

    return then


@scenario
def put_large(world: World) -> Then:
    tent = existing(world, "tent", text=LARGE)

    def then() -> None:
        ask(world, "set", tent, colour="red")

    return then


@scenario
def put_without_key(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        ask(world, "set", tent, key=None, colour="red")

    return then


@scenario
def rename(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        ask(world, "set", tent, name="yurt")

    return then


@scenario
def rename_to_taken_name(world: World) -> Then:
    tent = existing(world, "tent")
    existing(world, "yurt")

    def then() -> None:
        ask(world, "set", tent, name="yurt")

    return then


@scenario
def patch(world: World) -> Then:
    tent = existing(world, "tent", colour="red", poles=2)

    def then() -> None:
        ask(world, "merge", tent, colour=None, poles=3)

    return then


@scenario
def delete(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        ask(world, "delete", tent)

    return then


@scenario
def delete_without_key(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        ask(world, "delete", tent, key=None)

    return then


@scenario
def update_missing_item(world: World) -> Then:
    def then() -> None:
        ask(world, "set", "no-such-item", colour="red")

    return then


@scenario
def if_match_fails(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        ask(world, "set", tent, if_match='"0123456789abcdef"', colour="red")

    return then


@scenario
def if_match_holds(world: World) -> Then:
    tent = existing(world, "tent")
    etag = world.job(tent)["etag"]

    def then() -> None:
        ask(world, "merge", tent, if_match=etag, colour="red")
        ask(world, "merge", tent, if_match=etag, colour="blue")

    return then


@scenario
def queued_read(world: World) -> Then:
    tent = existing(world, "tent", text=LARGE)

    def then() -> None:
        ask(world, "set", tent, colour="red")
        ask(world, "read", tent)

    return then


@scenario
def several_of_one_item(world: World) -> Then:
    tent = existing(world, "tent", n=0)

    def then() -> None:
        ask(world, "merge", tent, n=1)
        ask(world, "merge", tent, n=2, m=1)
        ask(world, "delete", tent)
        ask(world, "merge", tent, n=3)

    return then


@scenario
def race_for_a_name(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        create(world, "yurt")
        ask(world, "set", tent, name="yurt")
        create(world, "tent")

    return then


@scenario
def delete_frees_a_name(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        ask(world, "delete", tent)
        world.settle()
        create(world, "tent")

    return then


@scenario
def reads_of_the_api(world: World) -> Then:
    tent = existing(world, "tent", text=LARGE)

    def then() -> None:
        world.insist("GET", f"/items/{tent.item_id}")
        world.insist("GET", "/items?limit=10")
        world.insist("GET", "/jobs?status=failed")
        world.job(tent)

    return then
