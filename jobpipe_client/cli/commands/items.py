"""The group `items`: create, upsert, get, set, merge, delete, list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

import click

from jobpipe_client import json_text
from jobpipe_client.calls import ITEMS
from jobpipe_client.catalogue import CollectionInfo
from jobpipe_client.cli.collections import collection_info, with_collection
from jobpipe_client.cli.command import Command, State, global_options, page_size, pass_state
from jobpipe_client.cli.commands.jobs import TIMEOUT, seconds
from jobpipe_client.cli.exits import FAILED, OK, describe, print_error
from jobpipe_client.cli.fields import ParsedFields, read_fields
from jobpipe_client.cli.importing.rules.item_rules import REQUIRED
from jobpipe_client.cli.schemas import ONLY_TEXT, fields_of, kinds_of, look_up_fields, types_of
from jobpipe_client.collection import Collection
from jobpipe_client.exceptions import ProblemError
from jobpipe_client.models import Item

_MAX_COLUMNS = 5  # in a list, besides the id

FIELDS_HELP = """
FIELDS are NAME=TEXT, NAME:=JSON, one JSON object, the name of a file with an object, or - for standard input. With
--collection the schema says whether the VALUE of NAME=VALUE is text, a number, true or false, or JSON. A note names
values that are stored as text although they look like numbers or other JSON.
"""

_item_id = click.argument("item_id", metavar="ITEM")
_fields = click.argument("fields", metavar="FIELDS...", nargs=-1, required=True)
if_match_option = click.option("--if-match", metavar="ETAG", help="Only if the item is still at this version.")


def write_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every write takes."""
    for option in (
        click.option("--no-wait", is_flag=True, help="Show the job at once, without waiting for its end."),
        click.option("--timeout", type=seconds, default=TIMEOUT, show_default=True, help="Seconds to wait."),
        click.option("--idempotency-key", metavar="KEY", help="A repeated key returns the same job."),
    ):
        function = option(function)
    return function


@click.group(params=global_options())
def items() -> None:
    """Create, read, change and delete items, or the documents of a collection."""


@items.command(
    cls=Command,
    epilog=FIELDS_HELP,
    examples="""
    jobpipe items create name=Tent description="For two" price:=12.95
    jobpipe items create '{"name": "Stove", "description": "Gas"}' --json
    jobpipe items create item.json
    jobpipe items create --collection orders number=1001 total=12.95
    """,
)
@_fields
@with_collection
@write_options
@pass_state
def create(state: State, /, *, fields: tuple[str, ...], collection: str, **options: Any) -> int:
    """Create an item."""
    parsed = _parse_fields(state, collection, fields)
    return parsed.note_texts(state.output, write(state, collection, "create", parsed.document, **options))


@items.command(
    cls=Command,
    epilog=FIELDS_HELP,
    examples="jobpipe items upsert --collection orders number=1001 customer=alice total=12.95",
)
@_fields
@with_collection
@write_options
@pass_state
def upsert(state: State, /, *, fields: tuple[str, ...], collection: str, **options: Any) -> int:
    """Create a document, or set its fields if its key exists, in a collection that has a key."""
    if collection == ITEMS or collection_info(state, collection).key is None:
        raise click.UsageError(f"an upsert needs a collection with a key, and {collection} has none")
    parsed = _parse_fields(state, collection, fields)
    return parsed.note_texts(state.output, write(state, collection, "upsert", parsed.document, **options))


@items.command(cls=Command, examples="jobpipe items get 7a41…\njobpipe items get 7a41… --json | jq .price")
@_item_id
@with_collection
@pass_state
def get(state: State, *, item_id: str, collection: str) -> None:
    """Show an item as last committed, with its ETag."""
    show(state, get_collection(state, collection).get_item(item_id))


@items.command(
    "set",
    cls=Command,
    epilog=FIELDS_HELP,
    examples="""
    jobpipe items set 7a41… price:=11.50
    jobpipe items set 7a41… stock:=3 --if-match '"9c41…"'
    """,
)
@_item_id
@_fields
@if_match_option
@with_collection
@write_options
@pass_state
def set_fields(state: State, /, *, item_id: str, fields: tuple[str, ...], collection: str, **options: Any) -> int:
    """Set fields of an item; other fields are unchanged."""
    parsed = _parse_fields(state, collection, fields)
    return parsed.note_texts(state.output, write(state, collection, "update", item_id, parsed.document, **options))


@items.command(
    cls=Command,
    epilog=FIELDS_HELP,
    examples="""jobpipe items merge 7a41… '{"colour": null, "size": {"height": 2}}'""",
)
@_item_id
@_fields
@if_match_option
@with_collection
@write_options
@pass_state
def merge(state: State, /, *, item_id: str, fields: tuple[str, ...], collection: str, **options: Any) -> int:
    """Apply an RFC 7396 merge patch: null removes a field, objects are merged, other values are replaced."""
    parsed = _parse_fields(state, collection, fields)
    return parsed.note_texts(state.output, write(state, collection, "merge", item_id, parsed.document, **options))


@items.command(cls=Command, examples="jobpipe items delete 7a41…")
@_item_id
@if_match_option
@with_collection
@write_options
@pass_state
def delete(state: State, /, *, item_id: str, collection: str, **options: Any) -> int:
    """Delete an item, and free its name."""
    return write(state, collection, "delete", item_id, **options)


@items.command(
    "list",
    cls=Command,
    examples="""
    jobpipe items list --limit 20
    jobpipe items list --json | jq .name
    jobpipe items list --collection orders
    """,
)
@click.option("--limit", type=click.IntRange(1), help="Show at most this many.")
@with_collection
@pass_state
def list_items(state: State, *, limit: int | None, collection: str) -> None:
    """List all items, page by page. If an item cannot be read, list the others and exit with status 1."""
    unreadable: list[str] = []
    found = get_collection(state, collection).iter_items(page_size(limit), on_unreadable=unreadable.append)
    show_list(state, collection, islice(found, limit), unreadable)


def show_list(state: State, collection: str, found: Iterable[Item], unreadable: Sequence[str]) -> None:
    """Show the documents as they arrive. Raise OperatorError at the end if some could not be read."""
    state.output.stops_unread = True
    if state.output.json:
        for item in found:
            state.output.document(item)
    else:
        columns = ("name", "description") if collection == ITEMS else _columns(collection_info(state, collection))
        rows = ((item.id, *(_text(item.get(name, "")) for name in columns)) for item in found)
        state.output.table(("item", *columns), rows)
    state.output.check_complete(unreadable)


def _columns(info: CollectionInfo) -> Sequence[str]:
    """Return the fields that a list shows: first the look-up fields, then other short fields."""
    short = [name for name, kind in kinds_of(info).items() if kind != "json"]
    return list(dict.fromkeys([*look_up_fields(info), *short]))[:_MAX_COLUMNS]


def get_collection(state: State, name: str) -> Collection:
    """Return the collection with this name. Raise UsageError, with the nearest name, if it does not exist."""
    return state.client.collection(name if name == ITEMS else collection_info(state, name).name)


def _parse_fields(state: State, collection: str, fields: Sequence[str]) -> ParsedFields:
    if collection == ITEMS:
        return read_fields(fields, dict.fromkeys(REQUIRED, ONLY_TEXT))
    info = collection_info(state, collection)
    return read_fields(fields, types_of(info, fields_of(info)))


def write(
    state: State,
    collection: str,
    method: str,
    *arguments: Any,
    no_wait: bool,
    timeout: float,
    **options: str | None,
) -> int:
    """Call a method of `SyncCollection`, or with `no_wait` of `Collection`, and show the document or the job."""
    documents = get_collection(state, collection)
    if no_wait:
        state.output.job(getattr(documents, method)(*arguments, **options))
        return OK
    try:
        item = getattr(documents.sync, method)(*arguments, timeout=timeout, **options)
    except ProblemError as problem:
        if not problem.ended:  # the command was refused, so there is no job
            raise
        return print_error(describe(problem), FAILED)
    if item is not None:
        show(state, item)
    elif state.output.json:
        state.output.document({"message": "deleted"})
    else:
        state.output.line("deleted")
    return OK


def show(state: State, item: Item) -> None:
    """Show one document, with its ETag if known."""
    if state.output.json:
        state.output.document(item)
        return
    rows = [(name, _text(value)) for name, value in item.items()]
    with suppress(AttributeError):  # the document is from a look-up
        rows.append(("(etag)", item.etag))
    state.output.table(("field", "value"), rows)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json_text.encode(value)
