"""Errors that must not affect other items: dying workers, outages, faults, garbage, dead letters."""

from __future__ import annotations

from tests.faults.scenarios.parts import (
    Action,
    ask,
    create,
    die_once_at,
    existing,
    given_up,
    name_taken_and_freed,
    no_action,
    scenario,
)
from tests.faults.schedules.injection import InjectedError
from tests.faults.stage.world import World


@scenario
def command_that_kills_its_worker(world: World) -> Action:
    tent, yurt = existing(world, "tent"), existing(world, "yurt")
    red = ask(world, "merge", tent, colour="red")
    red.must_fail = True
    for _ in range(5):
        die_once_at(world, "transact_write_items")

    def action() -> None:
        world.injector.killers["transact_write_items"] = tent.item_id
        ask(world, "merge", yurt, colour="red")
        world.settle()
        world.injector.killers.clear()
        ask(world, "merge", tent, colour="blue")

    return action


@scenario
def outage_while_working(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        world.injector.outage("s3", 2)
        ask(world, "merge", tent, colour="red")
        ask(world, "merge", tent, colour="blue")

    return action


@scenario
def fault_once(world: World) -> Action:
    tent = existing(world, "tent")

    def fail() -> None:
        raise InjectedError

    def action() -> None:
        ask(world, "merge", tent, colour="red")
        world.injector.hooks["transact_write_items"] = fail

    return action


@scenario
def garbage_is_parked(world: World) -> Action:
    tent = existing(world, "tent")

    def action() -> None:
        world.put_garbage("no command", tent.item_id)
        world.put_garbage(f'{{"v":1,"item_id":"{tent.item_id}","job_id":"?"}}', tent.item_id)
        ask(world, "merge", tent, colour="red")

    return action


@scenario
def dead_letter(world: World) -> Action:
    given_up(world, colour="red")
    return no_action


@scenario
def dead_letter_of_garbage(world: World) -> Action:
    tent = existing(world, "tent")
    world.put_garbage("no command", tent.item_id)
    world.give_up_messages()
    return no_action


@scenario
def dead_letter_of_an_earlier_generation(world: World) -> Action:
    tent = existing(world, "tent")
    other = create(world, "tent")
    letter = world.copy_message()
    world.settle()
    ask(world, "delete", tent)
    world.settle()

    def action() -> None:
        world.retry(other)
        world.put_dead_letter(letter)
        world.poll("dead_letters", "DeadLettersQueueUrl")

    return action


@scenario
def dead_letter_of_a_retry(world: World) -> Action:
    other = name_taken_and_freed(world)
    world.injector.hooks_of_api["update_item"] = world.injector.end_of_process
    world.request("POST", f"/jobs/{other.job_id}/retry")
    world.give_up_messages()
    other.must_fail = True

    def action() -> None:
        pass

    return action
