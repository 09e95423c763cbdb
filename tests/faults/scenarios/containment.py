"""Errors that must not affect other items: commands that kill workers, outages, bugs, garbage, dead letters."""

from __future__ import annotations

from tests.faults.injection import OurBug
from tests.faults.scenarios.parts import Then, ask, create, die_once_at, existing, name_taken_and_freed, scenario
from tests.faults.world import World


@scenario
def command_that_kills_its_worker(world: World) -> Then:
    tent, yurt = existing(world, "tent"), existing(world, "yurt")
    red = ask(world, "merge", tent, colour="red")
    red.doomed = True
    for _ in range(5):
        die_once_at(world, "transact_write_items")

    def then() -> None:
        world.injector.killers["transact_write_items"] = tent.item_id
        ask(world, "merge", yurt, colour="red")
        world.settle()
        world.injector.killers.clear()
        ask(world, "merge", tent, colour="blue")

    return then


@scenario
def outage_while_working(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        world.injector.outage("s3", 2)
        ask(world, "merge", tent, colour="red")
        ask(world, "merge", tent, colour="blue")

    return then


@scenario
def bug_of_ours_once(world: World) -> Then:
    tent = existing(world, "tent")

    def fail() -> None:
        raise OurBug

    def then() -> None:
        ask(world, "merge", tent, colour="red")
        world.injector.hooks["transact_write_items"] = fail

    return then


@scenario
def garbage_is_parked(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        world.put_garbage("no command", tent.item_id)
        world.put_garbage(f'{{"v":1,"item_id":"{tent.item_id}","job_id":"?"}}', tent.item_id)
        ask(world, "merge", tent, colour="red")

    return then


@scenario
def dead_letter(world: World) -> Then:
    tent = existing(world, "tent")
    red = ask(world, "merge", tent, colour="red")
    red.doomed = True
    die_once_at(world, "transact_write_items")
    world.give_up_messages()

    def then() -> None:
        pass

    return then


@scenario
def dead_letter_of_garbage(world: World) -> Then:
    tent = existing(world, "tent")
    world.put_garbage("no command", tent.item_id)
    world.give_up_messages()

    def then() -> None:
        pass

    return then


@scenario
def dead_letter_of_an_earlier_life(world: World) -> Then:
    tent = existing(world, "tent")
    other = create(world, "tent")
    letter = world.copy_message()
    world.settle()
    ask(world, "delete", tent)
    world.settle()

    def then() -> None:
        world.retry(other)
        world.put_dead_letter(letter)
        world.poll("dead_letters", "DeadLettersQueueUrl")

    return then


@scenario
def dead_letter_of_a_retry(world: World) -> Then:
    other = name_taken_and_freed(world)
    world.injector.hooks_of_api["update_item"] = world.injector.end_of_process
    world.request("POST", f"/jobs/{other.job_id}/retry")
    world.give_up_messages()
    other.doomed = True

    def then() -> None:
        pass

    return then
