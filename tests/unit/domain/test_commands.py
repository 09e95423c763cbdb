"""Commands and their raw form."""

from __future__ import annotations

from typing import Any

import pytest

from jobpipe.domain.commands import command as commands
from jobpipe.domain.commands.command import COMMANDS, OPERATIONS, Command, CreateItem, fingerprint, with_item_id
from jobpipe.domain.commands.command_parsing import parse_command
from jobpipe.domain.errors import InvalidRequest, Refusal
from worker_lambda.chalicelib.command_handlers import COMMAND_HANDLERS

ITEM = {"name": "n", "description": "d"}
RAWS: list[dict[str, Any]] = [
    {"operation": "create", "item": ITEM},
    {"operation": "read", "item_id": "i"},
    {"operation": "update", "item_id": "i", "set": {"a": 1}},
    {"operation": "update", "item_id": "i", "set": {"a": 1}, "if_match": '"v"'},
    {"operation": "update", "item_id": "i", "merge": {"a": None}},
    {"operation": "update", "item_id": "i", "merge": {}, "if_match": "*"},
    {"operation": "delete", "item_id": "i"},
    {"operation": "delete", "item_id": "i", "if_match": '"v"'},
]


def test_every_command_is_in_the_table_and_has_a_handler() -> None:
    classes = [each for each in vars(commands).values() if isinstance(each, type) and issubclass(each, Command)]
    assert {each for each in classes if not each.__subclasses__()} == set(COMMAND_HANDLERS)
    # Only collections with a key have upserts, and only those with operations have them.
    assert set(COMMAND_HANDLERS) == {*COMMANDS, commands.UpsertItem, commands.RunOperation}


def test_no_two_commands_have_the_same_raw_form() -> None:
    assert len({(command.operation, command.distinguishing_member) for command in COMMANDS}) == len(COMMANDS)
    for command in COMMANDS:
        assert command.distinguishing_member is None or command.distinguishing_member in command.needs


@pytest.mark.parametrize(
    ("raw", "detail", "pointer"),
    [
        ({}, "A command needs an operation.", "#/operation"),
        ({"operation": "x"}, f"The operation must be one of {', '.join(OPERATIONS)}.", "#/operation"),
        (
            {"operation": "update", "item_id": 5, "set": {}, "merge": {}, "x": 1},
            "An update must have set or merge, not both.",
            "#/merge",
        ),
        ({"operation": "read", "item_id": "i", "x": 1}, "A command to read must not have a member 'x'.", "#"),
        ({"operation": "update", "set": {"x": 1}}, "A command to update needs item_id.", "#/item_id"),
        ({"operation": "update", "item_id": "i"}, "A command to update needs set.", "#/set"),
        ({"operation": "read", "item_id": 5}, "An item id must be a non-empty string.", "#/item_id"),
    ],
)
def test_a_refusal_has_a_detail_and_a_pointer(raw: Any, detail: str, pointer: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_command(raw, new_item_id="new")
    assert (refused.value.detail, refused.value.pointer) == (detail, pointer)


@pytest.mark.parametrize("raw", RAWS)
def test_a_command_survives_the_conversion_to_its_raw_form_and_back(raw: dict[str, Any]) -> None:
    assert parse_command(raw, new_item_id="new").to_raw() == raw


def test_every_command_has_a_unique_fingerprint() -> None:
    prints = [fingerprint(parse_command(raw, new_item_id="new")) for raw in RAWS]
    assert len(set(prints)) == len(RAWS)


def test_a_fingerprint_depends_neither_on_the_assigned_id_nor_on_the_order_of_members() -> None:
    create = parse_command({"operation": "create", "item": ITEM}, new_item_id="one")
    assert isinstance(create, CreateItem)
    reordered = CreateItem("two", {"description": "d", "name": "n"})
    assert fingerprint(create) == fingerprint(reordered) == fingerprint(with_item_id(create, "two"))


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {},
        {"operation": None},
        {"operation": "truncate"},
        {"operation": ["create"]},
        {"operation": "create"},
        {"operation": "create", "item": []},
        {"operation": "create", "item": ITEM, "item_id": "mine"},
        {"operation": "read"},
        {"operation": "read", "item_id": 5},
        {"operation": "read", "item_id": "i", "if_match": '"v"'},
        {"operation": "update", "item_id": "i"},
        {"operation": "update", "set": {"a": 1}},
        {"operation": "update", "item_id": "i", "set": {}},
        {"operation": "update", "item_id": "i", "set": {"a": 1}, "merge": {"a": 1}},
        {"operation": "update", "item_id": "i", "set": {"a": 1}, "if_match": "v"},
        {"operation": "delete", "item_id": "x" * 129},
        {"operation": "delete", "item_id": "i", "if_match": 5},
        {"operation": "delete", "item_id": "i", "extra": 1},
    ],
)
def test_an_invalid_command_is_refused(raw: Any) -> None:
    with pytest.raises(InvalidRequest):
        parse_command(raw, new_item_id="new")


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ({"operation": "create", "item": {"description": "d"}}, "#/item/name"),
        ({"operation": "update", "item_id": "i", "merge": {"x": "\0"}}, "#/merge/x"),
        ({"operation": "create", "item": []}, "#/item"),
    ],
)
def test_a_refusal_points_into_the_raw_form(raw: Any, pointer: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_command(raw, new_item_id="new")
    assert refused.value.pointer == pointer
