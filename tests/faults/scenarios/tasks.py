"""Tasks of Step Functions wait for jobs, in a stage with TaskTokens."""

from __future__ import annotations

import secrets
from itertools import count

from tests.faults.histories.history import SentCommand
from tests.faults.scenarios.batches import change, named
from tests.faults.scenarios.events import BUS, with_webhook
from tests.faults.scenarios.parts import HUGE, LARGE, Action, existing, scenario
from tests.faults.scenarios.waiting import SOON
from tests.faults.stage.tasks import DENIED
from tests.faults.stage.world import World

_NUMBERS = count()


def token() -> str:
    """Return another token each time."""
    return f"token-{next(_NUMBERS)}"


def ask(world: World, command: SentCommand, key: str | None = None, given: str | None = None) -> SentCommand:
    """Send the command with a token."""
    command.tokens.append(given or token())
    return world.ask(command, key=key or secrets.token_hex(8))


def ask_again(world: World, command: SentCommand, key: str) -> None:
    """Repeat the request with another token, as the next try of a state does."""
    command.tokens.append(token())
    world.replay(command, key)


@scenario
def answer_a_task(world: World) -> Action:
    """A task and a webhook wait for one job, and the webhook alone for the next one of the item."""
    world.with_receivers(tasks=True)
    with_webhook(world)
    tent = existing(world, "tent")

    def action() -> None:
        ask(world, change(tent, colour="red"))
        world.ask(change(tent, colour="blue"), key=secrets.token_hex(8))

    return action


@scenario
def answer_tasks_of_failed_and_cancelled_jobs(world: World) -> Action:
    world.with_receivers(tasks=True)
    tent = existing(world, "tent")

    def action() -> None:
        red = ask(world, change(tent, colour="red"))
        ask(world, named("tent"))
        world.cancel(red)

    return action


@scenario
def answer_tasks_with_large_results(world: World) -> Action:
    """The first is read from the bucket; the second is too large for Step Functions."""
    world.with_receivers(tasks=True)

    def action() -> None:
        for text in (LARGE, HUGE):
            ask(world, SentCommand("create", {"name": text[:9] + str(len(text)), "description": "d", "text": text}))

    return action


@scenario
def answer_the_task_of_a_dead_letter(world: World) -> Action:
    world.with_receivers(tasks=True)
    lost = ask(world, named("tent"))
    lost.must_fail = True
    world.give_up_messages()
    return lambda: None


@scenario
def answer_a_task_that_may_not_be_answered(world: World) -> Action:
    """Neither the other task nor the bus waits for it."""
    world.with_receivers(BUS, tasks=True)
    tent = existing(world, "tent")

    def action() -> None:
        ask(world, change(tent, colour="red"), given=f"{DENIED}-{token()}")
        ask(world, change(tent, colour="blue"))

    return action


@scenario
def give_another_token_before_the_end(world: World) -> Action:
    world.with_receivers(tasks=True)
    tent, key = existing(world, "tent"), secrets.token_hex(8)

    def action() -> None:
        red = ask(world, change(tent, colour="red"), key)
        world.lapse_of_deduplication()
        ask_again(world, red, key)

    return action


@scenario
def give_another_token_of_a_large_command(world: World) -> Action:
    """Its claim check may be gone when the request is repeated."""
    world.with_receivers(tasks=True)
    tent, key = existing(world, "tent"), secrets.token_hex(8)

    def action() -> None:
        huge = ask(world, change(tent, text=HUGE), key)
        world.lapse_of_deduplication()
        ask_again(world, huge, key)

    return action


@scenario
def give_another_token_before_the_task_is_notified(world: World) -> Action:
    """The function that notifies finds the second token, and a message that asks for it."""
    world.with_receivers(tasks=True)
    tent, key = existing(world, "tent"), secrets.token_hex(8)
    red = ask(world, change(tent, colour="red"), key)
    world.poll("work", "CommandsQueueUrl")

    def action() -> None:
        ask_again(world, red, key)

    return action


@scenario
def give_another_token_after_the_end(world: World) -> Action:
    """Of a job that has succeeded, and two of one that has failed, within the time of SQS's deduplication."""
    world.with_receivers(tasks=True)
    tent, keys = existing(world, "tent"), (secrets.token_hex(8), secrets.token_hex(8))
    ended = ask(world, change(tent, colour="red"), keys[0]), ask(world, named("tent"), keys[1])
    world.settle()

    def action() -> None:
        for command, key in zip(ended, keys, strict=True):
            ask_again(world, command, key)
        world.poll("tell", "EventsQueueUrl")
        ask_again(world, ended[1], keys[1])

    return action


@scenario
def give_another_token_while_the_job_ends(world: World) -> Action:
    """The job ends, and its task is notified, between the read of the request and its update."""
    world.with_receivers(tasks=True)
    tent, key = existing(world, "tent"), secrets.token_hex(8)
    red = ask(world, change(tent, colour="red"), key)

    def action() -> None:
        world.injector.hooks_of_api["update_item"] = world.settle
        ask_again(world, red, key)

    return action


@scenario
def give_a_batch_other_tokens(world: World) -> Action:
    """One of its jobs has ended before, and one has no token."""
    world.with_receivers(tasks=True)
    tent, key = existing(world, "tent", n=0), secrets.token_hex(8)

    def action() -> None:
        commands = [change(tent, n=1), named("yurt"), change(tent, n=2)]
        for command in commands[:2]:
            command.tokens.append(token())
        world.ask_batch(commands, key=key)
        world.poll("work", "CommandsQueueUrl", most=1)
        world.lapse_of_deduplication()
        for command in commands[:2]:
            command.tokens.append(token())
        world.replay_batch(commands, key)

    return action


@scenario
def retry_a_job_and_give_it_another_token(world: World) -> Action:
    """The first token was answered with the failure."""
    world.with_receivers(tasks=True)
    tent, key = existing(world, "tent"), secrets.token_hex(8)
    failed = ask(world, named("tent"), key)
    world.settle()
    world.ask(change(tent, "delete"), key=secrets.token_hex(8))
    world.settle()

    def action() -> None:
        ask_again(world, failed, key)
        world.retry(failed)

    return action


@scenario
def give_a_command_that_waits_another_token(world: World) -> Action:
    """One is released, the other one is cancelled."""
    world.with_receivers(tasks=True)
    tent = existing(world, "tent")
    keys = [secrets.token_hex(8) for _ in range(2)]
    waiting = []
    for n, key in enumerate(keys):
        command = change(tent, n=n)
        command.not_before = world.limit(SOON * (n + 1))  # else nothing but random ids would order them
        waiting.append(ask(world, command, key))

    def action() -> None:
        for command, key in zip(waiting, keys, strict=True):
            ask_again(world, command, key)
        world.cancel(waiting[1])

    return action
