"""Commands about collections: collections, run, find, new."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from typing import Any

import click

from jobpipe_client.catalogue import CollectionInfo, OperationInfo
from jobpipe_client.cli.collections import collection_info, did_you_mean, with_collection
from jobpipe_client.cli.command import Command, State, page_size, pass_state
from jobpipe_client.cli.commands.checkout import write_collection
from jobpipe_client.cli.commands.items import (
    if_match_option,
    show,
    show_list,
    write,
    write_options,
)
from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.fields import ParsedFields, read_fields
from jobpipe_client.cli.schemas import identifying_fields, look_up_fields, types_of


@click.command(cls=Command, examples="jobpipe collections\njobpipe collections --json | jq .schema")
@pass_state
def collections(state: State) -> None:
    """List the collections of the stage, with their key, unique and indexed fields and operations."""
    found = state.client.collections()
    if state.output.json:
        for info in found.values():
            state.output.document(_document(info))
        return
    rows = (
        (info.name, info.title, info.key or "", *map(", ".join, (info.unique, info.indexes, info.operations)))
        for info in found.values()
    )
    state.output.table(("collection", "title", "key", "unique", "indexes", "operations"), rows)


@click.command(
    cls=Command,
    epilog="""
MEMBERS are NAME=VALUE, NAME:=JSON, one JSON object, the name of a file with an object, or - for standard input. The
operation defines whether a VALUE is text, a number, true or false, or JSON.
""",
    examples="""
    jobpipe run ship 7a41… --collection orders carrier=dhl
    jobpipe run ship 7a41… --collection orders carrier=dhl parcels=2 --if-match '"9c41…"'
    """,
)
@click.argument("operation")
@click.argument("item_id", metavar="ITEM")
@click.argument("members", metavar="[MEMBERS]...", nargs=-1)
@with_collection
@if_match_option
@write_options
@pass_state
def run(
    state: State, /, *, operation: str, item_id: str, members: tuple[str, ...], collection: str, **options: Any
) -> int:
    """Run an operation of a collection on a document, and show the document after it."""
    info = collection_info(state, collection)
    if operation not in info.operations:
        others = f"; it has {', '.join(info.operations)}" if info.operations else ""
        more = did_you_mean(operation, info.operations) or others
        raise click.UsageError(f"{collection} have no operation {operation!r}{more}")
    parsed = _parse_members(info, info.operations[operation], members)
    status = write(state, collection, "run", operation, item_id, parsed.document, **options)
    return parsed.note_texts(state.output, status)


def _parse_members(info: CollectionInfo, operation: OperationInfo, members: tuple[str, ...]) -> ParsedFields:
    """Return the members. Raise UsageError if the operation does not know a member, or needs further members."""
    schemas = {**operation.takes, **operation.optional}
    parsed = read_fields(members, types_of(info, schemas)) if members else ParsedFields({}, {})
    for name in parsed.document:
        if name not in schemas:
            near = did_you_mean(name, schemas) or f"; it takes {', '.join(schemas) or 'none'}"
            raise click.UsageError(f"the operation has no member {name!r}{near}")
    if missing := [name for name in operation.takes if name not in parsed.document]:
        raise click.UsageError(f"the operation needs {', '.join(missing)}")
    return parsed


@click.command(
    cls=Command,
    examples="""
    jobpipe find number=1001 --collection orders
    jobpipe find customer=alice --collection orders --limit 20
    """,
)
@click.argument("field", metavar="FIELD=VALUE")
@click.option("--limit", type=click.IntRange(1), help="Show at most this many.")
@with_collection
@pass_state
def find(state: State, *, field: str, limit: int | None, collection: str) -> None:
    """Find documents by the key, a unique field or an indexed field.

    With the key or a unique field, show the document; the exit status is 1 if there is none. With an indexed field,
    list the documents, latest change first; a change may take a moment to appear in the list.
    """
    info = collection_info(state, collection)
    name, equals, value = field.partition("=")
    if not equals:
        raise click.UsageError(f"{field!r} is not FIELD=VALUE")
    known = [each for each in look_up_fields(info) if each in info.types]  # the name of items has no type there
    if name not in known:
        more = did_you_mean(name, known) or f"; they are found by {', '.join(known) or 'their ids only'}"
        raise click.UsageError(f"{collection} cannot be found by {name!r}{more}")
    documents = state.client.collection(collection)
    if name in identifying_fields(info):
        found = documents.find({name: value})
        if found is None:
            raise OperatorError(f"{collection} has no document with {name} {value!r}")
        show(state, found)
        return
    unreadable: list[str] = []
    matching = documents.where({name: value}, page_size=page_size(limit), on_unreadable=unreadable.append)
    show_list(state, collection, islice(matching, limit), unreadable)


@click.command(cls=Command, examples="jobpipe new orders\njobpipe new orders --collections ../shop")
@click.argument("name")
@click.option("--collections", metavar="FOLDER", help="JOBPIPE_COLLECTIONS, else the checkout's collections/.")
@pass_state
def new(state: State, *, name: str, collections: str | None) -> None:
    """Write a small working collection, with comments, as a starting point.

    This needs a checkout of jobpipe, as a deployment does. Nothing is overwritten.
    """
    written = write_collection(name, collections)
    files = sorted(each.name for each in written.iterdir())
    if state.output.json:
        state.output.document({"folder": str(written), "files": files})
    else:
        state.output.line(f"{written}: {', '.join(files)}")


def _document(info: CollectionInfo) -> dict[str, Any]:
    return {
        "collection": info.name,
        "title": info.title,
        "key": info.key,
        "unique": info.unique,
        "indexes": info.indexes,
        "access": info.access,
        "operations": {name: asdict(each) for name, each in info.operations.items()},
        "schema": info.schema,
    }
