"""The parts of scenarios, and the list of all scenarios."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from types import ModuleType
from typing import Any

from jobpipe.domain.documents.item_ref import ITEMS
from tests.faults.histories.history import SentCommand
from tests.faults.schedules.kinds import Kind
from tests.faults.stage.world import World
from tests.helpers.pipeline import Answer

Action = Callable[[], None]
Scenario = Callable[[World], Action]
SCENARIOS: dict[str, Scenario] = {}

LARGE = "x" * 5000  # too large to be stored inline in a row
LONG = "x" * 210_000  # fits a message; a failed job keeps it as a claim check
HUGE = "x" * 400_000  # too large for a message


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


def scenarios_in(*modules: ModuleType) -> list[str]:
    """Return the names of the scenarios that these modules define."""
    names = {module.__name__ for module in modules}
    return [name for name, function in SCENARIOS.items() if function.__module__ in names]


def ask(
    world: World, operation: str, item: SentCommand | str = "", *, key: str | None = "new", **fields: Any
) -> SentCommand:
    """Send a command, by default with a new Idempotency-Key."""
    if_match = fields.pop("if_match", None)
    item_id, collection = (item, ITEMS) if isinstance(item, str) else (item.item_id, item.collection)
    command = SentCommand(operation, fields, item_id, if_match, collection=collection)
    return world.ask(command, key=secrets.token_hex(8) if key == "new" else key)


def create(world: World, name: str, *, key: str | None = "new", **more: Any) -> SentCommand:
    return ask(world, "create", key=key, name=name, description="d", **more)


def put_in(
    world: World, collection: str, document: dict[str, Any], *, operation: str = "create", key: str | None = "new"
) -> SentCommand:
    """Create or upsert a document of another collection than items."""
    command = SentCommand(operation, document, collection=collection)
    return world.ask(command, key=secrets.token_hex(8) if key == "new" else key)


def existing_in(world: World, collection: str, document: dict[str, Any]) -> SentCommand:
    """Create a document of another collection before the faults begin."""
    command = put_in(world, collection, document)
    world.settle()
    return command


def existing(world: World, name: str, **more: Any) -> SentCommand:
    """Create an item before the faults begin."""
    item = create(world, name, **more)
    world.settle()
    return item


def name_taken_and_freed(world: World, **more: Any) -> SentCommand:
    """Return a create, with these fields, that failed since its name was taken; the name is free now."""
    tent = existing(world, "tent")
    other = existing(world, "tent", **more)
    ask(world, "delete", tent)
    world.settle()
    return other


def die_once_at(world: World, operation: str) -> None:
    """Let the worker receive the waiting messages and die at this operation; they become visible again."""
    world.injector.hooks[operation] = world.injector.end_of_process
    world.poll("work", "CommandsQueueUrl")
    world.lapse_of_deduplication()


def given_up(world: World, **changes: Any) -> None:
    """Let a worker die at the commit of a change, whose message becomes a dead letter."""
    red = ask(world, "merge", existing(world, "tent"), **changes)
    red.must_fail = True
    die_once_at(world, "transact_write_items")
    world.give_up_messages()


def no_action() -> None:
    """Do nothing: what was prepared is processed."""


def shows(world: World, answer: Answer, item_id: str) -> bool:
    """Return whether the answer has the document. While the bucket lacks it, a list names it in a header."""
    unsettled = any(fault.kind is Kind.UNSETTLED for fault in world.injector.injected)
    return item_id in answer.text or (unsettled and item_id in answer.headers.get("unreadable-items", ""))
