"""The group `items`: create, get, set, merge, delete, list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import click

from jobpipe_client import json_text
from jobpipe_client.cli.command import Command, State, global_options, pass_state, read_object
from jobpipe_client.cli.commands.jobs import TIMEOUT, seconds
from jobpipe_client.cli.exits import FAILED, OK, describe, print_error
from jobpipe_client.exceptions import ProblemError
from jobpipe_client.models import Item

_FIELDS_HELP = """
FIELDS are NAME=TEXT, NAME:=JSON, one JSON object, the name of a file with one, or - for standard input.
"""

_item_id = click.argument("item_id", metavar="ITEM")
_fields = click.argument("fields", metavar="FIELDS...", nargs=-1, required=True)
_if_match = click.option("--if-match", metavar="ETAG", help="Only if the item is still at this version.")


def _write_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--no-wait", is_flag=True, help="Show the job at once, and do not wait for its end."),
        click.option("--timeout", type=seconds, default=TIMEOUT, show_default=True, help="Seconds to wait."),
        click.option("--idempotency-key", metavar="KEY", help="The same key is the same job."),
    ):
        function = option(function)
    return function


@click.group(params=global_options())
def items() -> None:
    """Create, read, change and delete items."""


@items.command(
    cls=Command,
    epilog=_FIELDS_HELP,
    examples="""
    jobpipe items create name=Tent description="For two" price:=12.95
    jobpipe items create '{"name": "Stove", "description": "Gas"}' --json
    jobpipe items create item.json
    """,
)
@_fields
@_write_options
@pass_state
def create(state: State, /, *, fields: tuple[str, ...], **options: Any) -> int:
    """Create an item."""
    return _write(state, "create", _object(fields), **options)


@items.command(cls=Command, examples="jobpipe items get 7a41…\njobpipe items get 7a41… --json | jq .price")
@_item_id
@pass_state
def get(state: State, *, item_id: str) -> None:
    """Show an item as last committed, with its ETag."""
    _show(state, state.client.get_item(item_id))


@items.command(
    "set",
    cls=Command,
    epilog=_FIELDS_HELP,
    examples="""
    jobpipe items set 7a41… price:=11.50
    jobpipe items set 7a41… stock:=3 --if-match '"9c41…"'
    """,
)
@_item_id
@_fields
@_if_match
@_write_options
@pass_state
def set_fields(state: State, /, *, item_id: str, fields: tuple[str, ...], **options: Any) -> int:
    """Set fields of an item; the others stay."""
    return _write(state, "update", item_id, _object(fields), **options)


@items.command(
    cls=Command,
    epilog=_FIELDS_HELP,
    examples="""jobpipe items merge 7a41… '{"colour": null, "size": {"height": 2}}'""",
)
@_item_id
@_fields
@_if_match
@_write_options
@pass_state
def merge(state: State, /, *, item_id: str, fields: tuple[str, ...], **options: Any) -> int:
    """Apply an RFC 7396 merge patch: null removes a field, objects merge, all else replaces."""
    return _write(state, "merge", item_id, _object(fields), **options)


@items.command(cls=Command, examples="jobpipe items delete 7a41…")
@_item_id
@_if_match
@_write_options
@pass_state
def delete(state: State, /, *, item_id: str, **options: Any) -> int:
    """Delete an item, and free its name."""
    return _write(state, "delete", item_id, **options)


@items.command("list", cls=Command, examples="jobpipe items list --limit 20\njobpipe items list --json | jq .name")
@click.option("--limit", type=click.IntRange(1), help="Show at most so many.")
@pass_state
def list_items(state: State, *, limit: int | None) -> None:
    """List all items, page by page. If one cannot be read, the others are listed and the exit status is 1."""
    unreadable: list[str] = []
    page_size = None if limit is None else min(limit, 100)
    found = islice(state.client.iter_items(page_size, on_unreadable=unreadable.append), limit)
    state.output.stops_unread = True
    if state.output.json:
        for item in found:
            state.output.document(item)
    else:
        rows = ((item.id, str(item.get("name", "")), str(item.get("description", ""))) for item in found)
        state.output.table(("item", "name", "description"), rows)
    state.output.check_complete(unreadable)


def _object(fields: Sequence[str]) -> dict[str, Any]:
    if len(fields) == 1 and "=" not in fields[0].partition("{")[0]:
        return read_object(fields[0])
    found: dict[str, Any] = {}
    for field in fields:
        name, equals, value = field.partition("=")
        if not equals or name in {"", ":"}:
            raise click.UsageError(f"{field!r} is neither NAME=TEXT nor NAME:=JSON.")
        if name.endswith(":"):
            try:
                found[name[:-1]] = json_text.decode_strictly(value)
            except ValueError as error:
                raise click.UsageError(f"{field!r}: not JSON: {error}") from None
        else:
            found[name] = value
    return found


def _write(state: State, method: str, *arguments: Any, no_wait: bool, timeout: float, **options: str | None) -> int:
    """Call a write of `Client` with `no_wait`, else of `SyncClient`; show the job or the item that it returns."""
    if no_wait:
        state.output.job(getattr(state.client, method)(*arguments, **options))
        return OK
    try:
        item = getattr(state.client.sync, method)(*arguments, timeout=timeout, **options)
    except ProblemError as problem:
        if not problem.ended:  # the command was refused, so there is no job
            raise
        return print_error(describe(problem), FAILED)
    if item is not None:
        _show(state, item)
    elif state.output.json:
        state.output.document({"message": "deleted"})
    else:
        state.output.line("deleted")
    return OK


def _show(state: State, item: Item) -> None:
    if state.output.json:
        state.output.document(item)
        return
    rows = [(name, value if isinstance(value, str) else json_text.encode(value)) for name, value in item.items()]
    state.output.table(("field", "value"), [*rows, ("(etag)", item.etag)])
