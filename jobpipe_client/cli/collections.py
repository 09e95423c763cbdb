"""The option --collection, and the collection that it names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import click

from jobpipe_client.calls import ITEMS
from jobpipe_client.catalogue import CollectionInfo
from jobpipe_client.cli.command import State

with_collection = click.option(
    "--collection", metavar="NAME", default=ITEMS, help="The collection of the deployment, if not items."
)


def collection_info(state: State, name: str) -> CollectionInfo:
    """Return the description of a collection. Raise UsageError, with the nearest name, if it does not exist."""
    found = state.client.collections()
    if name not in found:
        more = did_you_mean(name, found) or f"; the stage has {', '.join(found) or ITEMS}"
        raise click.UsageError(f"There is no collection {name!r}{more}")
    return found[name]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the nearest of the known names as a question, or '' if none is near."""
    by_letters = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), by_letters, n=1)
    return f": did you mean {by_letters[near[0]]}?" if near else ""
