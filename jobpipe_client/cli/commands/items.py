"""The group `items`: create, get, set, merge, delete, list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypedDict, Unpack

import click

from jobpipe_client import json_text
from jobpipe_client.cli.command import Command, State, global_options, pass_state, read_object
from jobpipe_client.cli.commands.jobs import TIMEOUT, seconds
from jobpipe_client.cli.exits import FAILED, OK, line_of, say
from jobpipe_client.cli.output.unreadable_items import check_complete
from jobpipe_client.exceptions import ProblemError
from jobpipe_client.models import Item, Job

_FIELDS = """
FIELDS are NAME=TEXT, NAME:=JSON, one JSON object, the name of a file with one, or - for standard input.
"""
_Function = Callable[..., Any]


@click.group(params=global_options())
def items() -> None:
    """Create, read, change and delete items."""


class _Writing(TypedDict):
    no_wait: bool
    timeout: float
    idempotency_key: str | None


def _writing(function: _Function) -> _Function:
    options = (
        click.option("--no-wait", is_flag=True, help="Show the job at once, and do not wait for its end."),
        click.option("--timeout", type=seconds, default=TIMEOUT, show_default=True, help="Seconds to wait."),
        click.option("--idempotency-key", metavar="KEY", help="The same key is the same job."),
    )
    for option in options:
        function = option(function)
    return function


_if_match = click.option("--if-match", metavar="ETAG", help="Only if the item is still at this version.")
_fields = click.argument("fields", metavar="FIELDS...", nargs=-1, required=True)


@items.command(
    cls=Command,
    epilog=_FIELDS,
    examples="""
    jobpipe items create name=Tent description="For two" price:=12.95
    jobpipe items create '{"name": "Stove", "description": "Gas"}' --json
    jobpipe items create item.json
    """,
)
@_fields
@_writing
@pass_state
def create(
    state: State,
    *,
    fields: tuple[str, ...],
    **writing: Unpack[_Writing],
) -> int:
    """Create an item."""
    item, client = _object(fields), state.client
    return _write(state, partial(client.create, item), partial(client.sync.create, item), **writing)


@items.command(cls=Command, examples="jobpipe items get 7a41…\njobpipe items get 7a41… --json | jq .price")
@click.argument("item_id", metavar="ITEM")
@pass_state
def get(state: State, *, item_id: str) -> None:
    """Show an item as last committed, with its ETag."""
    _show(state, state.client.get_item(item_id))


@items.command(
    "set",
    cls=Command,
    epilog=_FIELDS,
    examples="""
    jobpipe items set 7a41… price:=11.50
    jobpipe items set 7a41… stock:=3 --if-match '"9c41…"'
    """,
)
@click.argument("item_id", metavar="ITEM")
@_fields
@_if_match
@_writing
@pass_state
def set_fields(
    state: State,
    *,
    item_id: str,
    fields: tuple[str, ...],
    if_match: str | None,
    **writing: Unpack[_Writing],
) -> int:
    """Set fields of an item; the others stay."""
    document, client = _object(fields), state.client
    return _write(
        state,
        partial(client.update, item_id, document, if_match=if_match),
        partial(client.sync.update, item_id, document, if_match=if_match),
        **writing,
    )


@items.command(
    cls=Command,
    epilog=_FIELDS,
    examples="""
    jobpipe items merge 7a41… '{"colour": null, "size": {"height": 2}}'
    """,
)
@click.argument("item_id", metavar="ITEM")
@_fields
@_if_match
@_writing
@pass_state
def merge(
    state: State,
    *,
    item_id: str,
    fields: tuple[str, ...],
    if_match: str | None,
    **writing: Unpack[_Writing],
) -> int:
    """Apply an RFC 7396 merge patch: null removes a field, objects merge, all else replaces."""
    document, client = _object(fields), state.client
    return _write(
        state,
        partial(client.merge, item_id, document, if_match=if_match),
        partial(client.sync.merge, item_id, document, if_match=if_match),
        **writing,
    )


@items.command(cls=Command, examples="jobpipe items delete 7a41…")
@click.argument("item_id", metavar="ITEM")
@_if_match
@_writing
@pass_state
def delete(
    state: State,
    *,
    item_id: str,
    if_match: str | None,
    **writing: Unpack[_Writing],
) -> int:
    """Delete an item, and free its name."""
    client = state.client
    return _write(
        state,
        partial(client.delete, item_id, if_match=if_match),
        partial(client.sync.delete, item_id, if_match=if_match),
        **writing,
    )


@items.command("list", cls=Command, examples="jobpipe items list --limit 20\njobpipe items list --json | jq .name")
@click.option("--limit", type=click.IntRange(1), help="So many at most.")
@pass_state
def list_items(state: State, *, limit: int | None) -> None:
    """List all items, page by page. If one cannot be read, the others are listed and the exit status is 1."""
    missing: list[str] = []
    size = None if limit is None else min(limit, 100)
    found = islice(state.client.iter_items(size, on_unreadable=missing.append), limit)
    state.output.ends_unread = True
    if state.output.json:
        for item in found:
            state.output.document(item)
    else:
        state.output.table(("item", "name", "description"), (_row(item) for item in found))
    check_complete(state.output, missing)


def _row(item: Item) -> tuple[str, ...]:
    return (item.id, str(item.get("name", "")), str(item.get("description", "")))


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


def _write(
    state: State,
    submit: Callable[..., Job],
    run: Callable[..., Item | None],
    *,
    no_wait: bool,
    timeout: float,
    idempotency_key: str | None,
) -> int:
    """Submits the command, or runs it to its end; shows what comes of that."""
    if no_wait:
        state.output.job(submit(idempotency_key=idempotency_key))
        return OK
    try:
        item = run(idempotency_key=idempotency_key, timeout=timeout)
    except ProblemError as problem:
        if not problem.ended:  # there is no job
            raise
        return say(line_of(problem), FAILED)
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
