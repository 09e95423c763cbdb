"""The names that a collection, its fields and its operations cannot have, and how many of each there may be."""

import difflib
import re
from collections.abc import Iterable

from jobpipe.domain.documents.item_ref import COLLECTION_NAME, ITEMS
from jobpipe.operation import RAW_MEMBERS

MAX_COLLECTIONS = 40  # a page lists them, and a zip has the modules of all
MAX_OPERATIONS = 20
MAX_UNIQUE = 4  # a transaction of DynamoDB has 100 actions, and a stage's tables have so many slots
MAX_INDEXES = 4

MAX_LOOK_UP = 64  # characters; with a value of 255, its key fits DynamoDB's 2,048-byte partition key

PACKAGE = "jobpipe_collections"  # in both zips
BUILT_IN = ITEMS

ROUTES = frozenset({"batches", "console", "docs", "health", "items", "jobs", "openapi.json", "stats", "webhooks"})
"""The first parts of the paths of the API's own routes; a test compares them with the table of routes."""
RESERVED = ROUTES - {BUILT_IN}

QUERY_PARAMETERS = frozenset({"limit", "cursor", "status", "wait", "collection", "since", "until", "owner"})
"""Those of the API's routes; a look-up names a field in the same place."""

OPERATIONS = frozenset(
    {
        *("create", "read", "update", "delete", "upsert", "retry", "list", "batch"),
        *("get", "put", "patch", "post", "head", "options"),
    }
)
"""Operations that every collection has, methods, and parts of routes."""

_GENERATED = re.compile(r"schema|operation_takes(_.*)?|__init__")


def why_no_collection(name: str) -> str | None:
    """Return why a folder of this name can be no collection, or None if it can."""
    if not COLLECTION_NAME.fullmatch(name):
        return "is no name of a collection: lower-case letters, digits and hyphens, a letter first, 32 at most"
    if name in RESERVED:
        return f"cannot be the name of a collection: /{name} is kept for the API itself"
    return None


def why_no_look_up(field: str) -> str | None:
    """Return why no look-up by a field of this name can be, or None if it can."""
    if field in QUERY_PARAMETERS:
        return "is the name of a query parameter"
    if field in RAW_MEMBERS:
        return "is the name of a member of every command"
    if len(field) > MAX_LOOK_UP:
        return f"has more than {MAX_LOOK_UP} characters"
    return None


def is_generated(module: str) -> bool:
    """Return whether packaging writes a module of this name into a collection's package."""
    return bool(_GENERATED.fullmatch(module))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` with the known name that resembles this one, or nothing."""
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""
