"""The collections that the runs have beside items: those of tests/collections/shop, or of a user's own folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from jobpipe.domain import json_text
from jobpipe.domain.documents.collection import Registry
from jobpipe.domain.documents.declared_collection import DeclaredCollection
from jobpipe.domain.documents.item_ref import ITEMS
from jobpipe.stores.documents.dynamodb_collections import PARTITIONS, partition_key
from jobpipe.stores.stage.dynamodb_index_states import PARTITION, row_key
from tests.helpers.shop import compiled, shop

FOLDER = "JOBPIPE_FAULTS_COLLECTIONS"
"""The variable that names a user's folder; the processes of a run inherit it."""

Place = tuple[str, str]
"""The collection of a document, and its id. All documents of a run are of one owner."""


@cache
def registry() -> Registry:
    """Return the collections of the runs of this process."""
    folder = os.environ.get(FOLDER)
    return compiled(Path(folder), "faults") if folder else shop()


def declared(name: str) -> DeclaredCollection:
    """Return a collection that is not built in."""
    found = registry().get(name)
    assert isinstance(found, DeclaredCollection), name
    return found


def all_declared() -> list[DeclaredCollection]:
    """Return all collections that are not built in."""
    return [declared(each.name) for each in registry() if each.name != ITEMS]


def index_rows() -> list[dict[str, Any]]:
    """Return the rows by which a deployment says that each look-up is ready."""
    return [
        {
            **row_key(each.name),
            "states": {"S": json_text.encode(dict.fromkeys((*each.unique, *each.indexes), "ready"))},
        }
        for each in all_declared()
    ]


def is_document(row: Mapping[str, Any]) -> bool:
    """Return whether a row of the table of collections is a document's."""
    return bool(row["partition"]["S"] != PARTITION)


def place_of(row: Mapping[str, Any]) -> tuple[Place, str]:
    """Return the place of a document's row, and its scope; the row must be in the partition of its id."""
    name, scope, number = row["partition"]["S"].split("#")
    item_id = cast("str", row["item_id"]["S"])
    assert 0 <= int(number) < PARTITIONS
    assert row["partition"]["S"] == partition_key(name, scope, item_id), "a document in another one's partition"
    return (name, item_id), scope
