"""What callers do in the runs.

A scenario prepares a stage, without faults, and returns what happens then, of which any call may go wrong. That is
run many times, each from the same stage.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from tests.faults.history import Asked
from tests.faults.injection import OurBug
from tests.faults.world import World

Then = Callable[[], None]
Scenario = Callable[[World], Then]
SCENARIOS: dict[str, Scenario] = {}

LARGE = "x" * 5000  # over what stands inline in a row
HUGE = "x" * 210_000  # over what a message holds


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


def ask(world: World, operation: str, item: Asked | str = "", *, key: str | None = "new", **fields: Any) -> Asked:
    """A command, by default with an Idempotency-Key of its own."""
    if_match = fields.pop("if_match", None)
    item_id = item if isinstance(item, str) else item.item_id
    asked = Asked(operation, fields, item_id, if_match)
    return world.ask(asked, key=secrets.token_hex(8) if key == "new" else key)


def create(world: World, name: str, *, key: str | None = "new", **more: Any) -> Asked:
    return ask(world, "create", key=key, name=name, description="d", **more)


def existing(world: World, name: str, **more: Any) -> Asked:
    """An item that is there before the faults begin."""
    item = create(world, name, **more)
    world.settle()
    return item


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
def replay_at_once(world: World) -> Then:
    tent = existing(world, "tent")
    key = secrets.token_hex(8)

    def then() -> None:
        red = ask(world, "merge", tent, key=key, colour="red")
        world.replay(red, key)
        ask(world, "merge", tent, colour="blue")

    return then


@scenario
def replay_of_a_create(world: World) -> Then:
    key = secrets.token_hex(8)

    def then() -> None:
        tent = create(world, "tent", key=key)
        world.lapse_of_deduplication()
        world.replay(tent, key)

    return then


@scenario
def replay_after_deduplication(world: World) -> Then:
    tent = existing(world, "tent")
    key = secrets.token_hex(8)

    def then() -> None:
        red = ask(world, "merge", tent, key=key, colour="red")
        ask(world, "merge", tent, colour="blue")
        world.lapse_of_deduplication()
        world.replay(red, key)

    return then


@scenario
def replay_of_an_ended_job(world: World) -> Then:
    tent = existing(world, "tent")
    key = secrets.token_hex(8)
    red = ask(world, "merge", tent, key=key, colour="red")
    world.settle()
    ask(world, "merge", tent, colour="blue")
    world.settle()

    def then() -> None:
        world.replay(red, key)

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


# --- claim checks -------------------------------------------------------------------------------------------------


@scenario
def create_with_claim(world: World) -> Then:
    def then() -> None:
        create(world, "tent", text=HUGE)

    return then


@scenario
def claim_without_key(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        ask(world, "set", tent, key=None, text=HUGE)

    return then


@scenario
def claim_of_a_failed_job(world: World) -> Then:
    existing(world, "tent")

    def then() -> None:
        create(world, "tent", text=HUGE)

    return then


@scenario
def claim_replayed(world: World) -> Then:
    key = secrets.token_hex(8)

    def then() -> None:
        tent = create(world, "tent", key=key, text=HUGE)
        world.lapse_of_deduplication()
        world.replay(tent, key)

    return then


@scenario
def claim_replayed_at_once(world: World) -> Then:
    key = secrets.token_hex(8)

    def then() -> None:
        tent = create(world, "tent", key=key, text=HUGE)
        world.replay(tent, key)

    return then


@scenario
def claim_replayed_after_the_end(world: World) -> Then:
    key = secrets.token_hex(8)
    tent = create(world, "tent", key=key, text=HUGE)

    def then() -> None:
        world.settle()
        world.lapse_of_deduplication()
        world.replay(tent, key)

    return then


@scenario
def claim_cancelled(world: World) -> Then:
    def then() -> None:
        world.cancel(create(world, "tent", text=HUGE))

    return then


@scenario
def claim_retried(world: World) -> Then:
    tent = existing(world, "tent")
    other = create(world, "tent", text=HUGE)
    world.settle()
    ask(world, "delete", tent)
    world.settle()

    def then() -> None:
        world.retry(other)

    return then


# --- cancel -------------------------------------------------------------------------------------------------------


@scenario
def cancel_while_queued(world: World) -> Then:
    tent = existing(world, "tent", text=LARGE)

    def then() -> None:
        red = ask(world, "merge", tent, colour="red")
        ask(world, "merge", tent, poles=2)
        world.cancel(red)

    return then


@scenario
def cancel_before_the_put(world: World) -> Then:
    def then() -> None:
        tent = create(world, "tent")
        world.injector.hooks["put_object"] = lambda: world.cancel(tent)

    return then


@scenario
def cancel_before_the_commit(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        yurt = ask(world, "set", tent, name="yurt")
        world.injector.hooks["transact_write_items"] = lambda: world.cancel(yurt)

    return then


@scenario
def cancel_after_the_commit(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        red = ask(world, "merge", tent, colour="red")
        world.injector.hooks["delete_object"] = lambda: world.cancel(red)

    return then


@scenario
def cancel_between_deliveries(world: World) -> Then:
    tent = existing(world, "tent")
    red = ask(world, "merge", tent, colour="red")
    die_once_at(world, "transact_write_items")

    def then() -> None:
        world.cancel(red)

    return then


@scenario
def cancel_of_an_ended_job(world: World) -> Then:
    tent = existing(world, "tent")

    def then() -> None:
        world.cancel(tent)

    return then


# --- retry --------------------------------------------------------------------------------------------------------


@scenario
def retry_when_the_name_is_free(world: World) -> Then:
    other = name_taken_and_freed(world)

    def then() -> None:
        world.retry(other)
        ask(world, "merge", other, colour="red")

    return then


@scenario
def retry_that_fails_again(world: World) -> Then:
    existing(world, "tent")
    other = existing(world, "tent")

    def then() -> None:
        world.retry(other)

    return then


@scenario
def retry_twice(world: World) -> Then:
    other = name_taken_and_freed(world)

    def then() -> None:
        world.retry(other)
        world.retry(other)
        world.settle()
        world.retry(other)

    return then


@scenario
def retry_of_spent_attempts(world: World) -> Then:
    tent = existing(world, "tent")
    red = ask(world, "merge", tent, colour="red")
    red.doomed = True
    world.injector.killers["transact_write_items"] = tent.item_id
    world.settle()
    world.injector.killers.clear()

    def then() -> None:
        world.retry(red)
        ask(world, "merge", tent, colour="blue")

    return then


@scenario
def retry_cancelled(world: World) -> Then:
    other = name_taken_and_freed(world)

    def then() -> None:
        world.retry(other)
        world.cancel(other)

    return then


@scenario
def replay_of_a_retried_job(world: World) -> Then:
    tent, key = existing(world, "tent"), secrets.token_hex(8)
    other = create(world, "tent", key=key)
    world.settle()
    ask(world, "delete", tent)
    world.settle()

    def then() -> None:
        world.retry(other)
        world.lapse_of_deduplication()
        world.replay(other, key)

    return then


# --- what must not hold up or harm others -------------------------------------------------------------------------


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


def name_taken_and_freed(world: World) -> Asked:
    """A create that failed for its name, which nobody has any more."""
    tent = existing(world, "tent")
    other = existing(world, "tent")
    ask(world, "delete", tent)
    world.settle()
    return other


def die_once_at(world: World, operation: str) -> None:
    """The worker gets the messages that wait and dies at this operation; they are visible again."""
    world.injector.hooks[operation] = world.injector.end_of_process
    world.poll("work", "CommandsQueueUrl")
    world.lapse_of_deduplication()
