"""Checks the attributes of a row, whatever its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from jobpipe.domain import json_text
from jobpipe.domain.clock import rfc3339
from jobpipe.domain.errors import JobpipeError
from jobpipe.stores.dynamodb_rows import Row

Types = Mapping[str, str]
"""DynamoDB's type of each attribute."""

_IDS = {"item_id", "document_key", "document_version", "result_document_key", "superseded", "claim", "generation"}
_LONGEST_ID = 1024  # bytes of a key in S3
_FIRST = datetime(1970, 1, 2, tzinfo=UTC)
_T = TypeVar("_T")


class MalformedRowError(Exception):
    """A row is not valid in its table; the message says why."""


def check_attributes(row: Row, required: Types, optional: Types) -> None:
    """Raise MalformedRowError if an attribute is missing or has another type."""
    # Unknown attributes are accepted: a later release may have added them.
    missing = sorted(required.keys() - row.keys())
    if missing:
        raise MalformedRowError(f"{', '.join(missing)} missing")
    for name, kind in {**required, **optional}.items():
        if name in row and list(row[name]) != [kind]:
            raise MalformedRowError(f"{name} is of type {', '.join(row[name])}, not {kind}")
        if name in row and name in _IDS and not 0 < len(row[name]["S"].encode()) <= _LONGEST_ID:
            raise MalformedRowError(f"{name} is empty or too long")


def parse_row(parse: Callable[[Any], _T], row: Row) -> _T:
    """Parse the row as the Lambdas do; raise MalformedRowError if they cannot read it."""
    try:
        return parse(row)
    except JobpipeError as error:
        raise MalformedRowError(f"it has JSON that cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise MalformedRowError(f"it cannot be read ({type(error).__name__}: {error})") from error


def check_times(*texts: str) -> None:
    """Raise MalformedRowError unless all texts are times as rfc3339() writes them: they are compared as text."""
    for text in texts:
        try:
            moment = datetime.fromisoformat(text)
            is_valid = moment >= _FIRST and rfc3339(moment) == text
        except (ValueError, TypeError, OverflowError):  # no time, no time zone, or before the year 1
            is_valid = False
        if not is_valid:
            raise MalformedRowError(f"{text!r} is not a valid time")


def check_json(name: str, text: str | None) -> None:
    """Raise MalformedRowError if the text is neither None nor a JSON object."""
    if text is None:
        return
    try:
        is_valid = isinstance(json_text.decode(text), dict)
    except JobpipeError:
        is_valid = False
    if not is_valid:
        raise MalformedRowError(f"{name} is not a JSON object")
