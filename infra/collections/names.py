"""Limits of collections, fields and operations: their maximum numbers, and names that they cannot have."""

import difflib
import re
from collections.abc import Iterable

from jobpipe.domain.documents.item_ref import COLLECTION_NAME, ITEMS
from jobpipe.operation import RAW_MEMBERS

MAX_COLLECTIONS = 40  # a page lists all of them, and a zip contains all of their modules
MAX_OPERATIONS = 20
MAX_UNIQUE = 4  # a DynamoDB transaction has at most 100 actions
MAX_INDEXES = 4

MAX_LOOK_UP = 64  # characters; with a value of 255 characters, the key fits DynamoDB's limit of 2,048 bytes

PACKAGE = "jobpipe_collections"  # in both zips
BUILT_IN = ITEMS

ROUTES = frozenset({"batches", "console", "docs", "health", "items", "jobs", "openapi.json", "stats", "webhooks"})
"""The first parts of the paths of the API's own routes; a test compares them with the table of routes."""
RESERVED = ROUTES - {BUILT_IN}

QUERY_PARAMETERS = frozenset({"limit", "cursor", "status", "wait", "collection", "since", "until", "owner"})
"""The query parameters of the API's routes, among which a look-up names its field."""

OPERATIONS = frozenset(
    {
        *("create", "read", "update", "delete", "upsert", "retry", "list", "batch"),
        *("get", "put", "patch", "post", "head", "options"),
    }
)
"""Operations that every collection has, HTTP methods, and parts of routes."""

_GENERATED = re.compile(r"schema|operation_takes(_.*)?|__init__")


def why_no_collection(name: str) -> str | None:
    """Return why a folder with this name cannot be a collection, or None if it can."""
    if not COLLECTION_NAME.fullmatch(name):
        return "is not a name of a collection: lower-case letters, digits and hyphens, a letter first, 32 at most"
    if name in RESERVED:
        return f"cannot be the name of a collection: /{name} is reserved for the API itself"
    return None


def why_no_look_up(field: str) -> str | None:
    """Return why there can be no look-up by a field with this name, or None if there can."""
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
    """Return `; did you mean …?` with the known name that resembles this one, or an empty string."""
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""
