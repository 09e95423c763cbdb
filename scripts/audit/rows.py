"""Checks whether a row is a valid job, batch, item or lock, and parses the keys of the documents bucket."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from jobpipe.domain import json_text
from jobpipe.domain.batch import is_batch_id
from jobpipe.domain.clock import rfc3339
from jobpipe.domain.errors import JobpipeError
from jobpipe.domain.item import StoredItem
from jobpipe.domain.item_rules import name_key
from jobpipe.domain.job import Job, is_job_id
from jobpipe.stores.dynamodb_rows import Row, batch_from_row, item_from_row, job_from_row

JOBS, ITEMS, NAMES = "jobs", "items", "names"

KEYS = {JOBS: "job_id", ITEMS: "item_id", NAMES: "name"}
"""The key attribute of each table; DynamoDB stores no row without it."""

_DOCUMENT_KEY = re.compile(r"items/(?P<item_id>.+)/(?P<job_id>[0-9a-f]+)/(?P<generation>[0-9a-f]+)/[0-9a-f]+\.json")
_CLAIM_KEY = re.compile(r"claims/(?P<job_id>[0-9a-f]+)/(?P<generation>[0-9a-f]+)/[0-9a-f]+\.json")
_Types = Mapping[str, str]  # DynamoDB's type of each attribute

_JOB = {
    **dict.fromkeys(("owner", "status", "generation", "operation", "item_id", "fingerprint"), "S"),
    **dict.fromkeys(("created_at", "updated_at"), "S"),
    **dict.fromkeys(("attempts", "expires_at"), "N"),
}
_JOB_OPTIONAL = {
    **dict.fromkeys(("result", "result_document_key", "result_document_version", "result_version"), "S"),
    **dict.fromkeys(("superseded", "error", "command", "claim", "trouble", "owner_shard", "listed"), "S"),
    **dict.fromkeys(("began", "held", "retries"), "N"),
}
_BATCH = {
    **dict.fromkeys(("owner", "fingerprint", "seed", "created_at"), "S"),
    **dict.fromkeys(("size", "stored", "expires_at"), "N"),
}
_ITEM = dict.fromkeys(("version", "name", "document_key", "document_version", "created_at", "updated_at"), "S")
_IDS = {"item_id", "document_key", "document_version", "result_document_key", "superseded", "claim", "generation"}
_LONGEST_ID = 1024  # bytes of a key in S3
_LONGEST_NAME = 2048  # bytes of a key in DynamoDB, such as a lock's name
_FIRST = datetime(1970, 1, 2, tzinfo=UTC)
_T = TypeVar("_T")


class MalformedRowError(Exception):
    """A row is not valid in its table; the message says why."""


def parse_document_key(key: str) -> tuple[str, str, str] | None:
    """Return the item, job and generation that a document's key names; None for another key."""
    match = _DOCUMENT_KEY.fullmatch(key)
    return None if match is None else (match["item_id"], match["job_id"], match["generation"])


def parse_claim_key(key: str) -> tuple[str, str] | None:
    """Return the job and generation that a claim check's key names; None for another key."""
    match = _CLAIM_KEY.fullmatch(key)
    return None if match is None else (match["job_id"], match["generation"])


def check_job(row: Row) -> Job:
    """Return the job in a row; raise MalformedRowError if the row is not valid."""
    _check_attributes(row, _JOB, _JOB_OPTIONAL)
    job = _parsed(job_from_row, row)
    if not is_job_id(job.job_id):
        raise MalformedRowError("job_id is not the id of a job")
    _check_times(job.created_at, job.updated_at)
    _check_json("result", job.result)
    _check_json("command", None if job.kept is None else job.kept.command)
    if job.error is not None and not isinstance(job.error, dict):
        raise MalformedRowError("error is not a JSON object")
    if job.kept is not None and job.kept.claim is not None and parse_claim_key(job.kept.claim) is None:
        raise MalformedRowError("claim is not the key of a claim check")
    result_key = None if job.result_document is None else job.result_document.key
    for key in (job.superseded, result_key):
        if key is not None and parse_document_key(key) is None:
            raise MalformedRowError(f"{key!r} is not the key of a document")
    return job


def check_batch(row: Row) -> None:
    """Raise MalformedRowError if the row is not a valid batch."""
    _check_attributes(row, _BATCH, {"refused": "S"})
    _check_times(_parsed(batch_from_row, row).created_at)


def check_item(row: Row) -> StoredItem:
    """Return the item in a row; raise MalformedRowError if the row is not valid."""
    _check_attributes(row, _ITEM, {"inline": "S"})
    item = _parsed(item_from_row, row)
    parsed = parse_document_key(item.document.key)
    if parsed is None or parsed[0] != item.item_id:
        raise MalformedRowError("document_key is not the key of its document")
    if not 0 < len(name_key(item.name).encode()) <= _LONGEST_NAME:
        raise MalformedRowError("name is not a valid name of an item")
    _check_times(item.created_at, item.updated_at)
    _check_json("inline", item.inline)
    return item


def check_lock(row: Row) -> str:
    """Return the id of the item that holds the lock; raise MalformedRowError if the row is not valid."""
    _check_attributes(row, {"item_id": "S"}, {})
    return row["item_id"]["S"]


def check_row(table: str, row: Row) -> None:
    """Raise MalformedRowError if the row is not valid in this table."""
    if table == JOBS:
        (check_batch if is_batch_id(row["job_id"]["S"]) else check_job)(row)
    else:
        (check_item if table == ITEMS else check_lock)(row)


def _check_attributes(row: Row, required: _Types, optional: _Types) -> None:
    # Unknown attributes are accepted: a later release may have added them.
    missing = sorted(required.keys() - row.keys())
    if missing:
        raise MalformedRowError(f"{', '.join(missing)} missing")
    for name, kind in {**required, **optional}.items():
        if name in row and list(row[name]) != [kind]:
            raise MalformedRowError(f"{name} is of type {', '.join(row[name])}, not {kind}")
        if name in row and name in _IDS and not 0 < len(row[name]["S"].encode()) <= _LONGEST_ID:
            raise MalformedRowError(f"{name} is empty or too long")


def _parsed(parse: Callable[[Any], _T], row: Row) -> _T:
    try:
        return parse(row)
    except JobpipeError as error:
        raise MalformedRowError(f"it has JSON that cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedRowError(f"it cannot be read ({type(error).__name__}: {error})") from error


def _check_times(*texts: str) -> None:
    # Times are compared as text, so they must be written as rfc3339 writes them.
    for text in texts:
        try:
            moment = datetime.fromisoformat(text)
            is_valid = moment >= _FIRST and rfc3339(moment) == text
        except (ValueError, TypeError, OverflowError):  # no time, no time zone, or before the year 1
            is_valid = False
        if not is_valid:
            raise MalformedRowError(f"{text!r} is not a valid time")


def _check_json(name: str, text: str | None) -> None:
    if text is None:
        return
    try:
        is_valid = isinstance(json_text.decode(text), dict)
    except JobpipeError:
        is_valid = False
    if not is_valid:
        raise MalformedRowError(f"{name} is not a JSON object")
