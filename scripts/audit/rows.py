"""Checks whether a row is valid in its table."""

from __future__ import annotations

from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.documents.item_ref import COLLECTION_NAME
from jobpipe.domain.documents.item_ref import ITEMS as ITEMS_COLLECTION
from jobpipe.domain.documents.item_rules import name_key
from jobpipe.domain.events.emitted_events import decode_emitted
from jobpipe.domain.jobs.batch import is_batch_id
from jobpipe.domain.jobs.job import Job, is_job_id
from jobpipe.stores.dynamodb_rows import Row, item_from_row, job_from_row
from jobpipe.stores.jobs.batch_rows import batch_from_row
from jobpipe.stores.jobs.dynamodb_allowances import PREFIX
from scripts.audit.attributes import MalformedRowError, check_attributes, check_json, check_times, parsed
from scripts.audit.collection_rows import (
    check_document,
    check_index_state,
    check_lookup,
    check_pause,
    is_index_state,
    is_pause,
)
from scripts.audit.object_keys import parse_claim_key, parse_document_key

JOBS, ITEMS, NAMES, COLLECTIONS, LOOKUPS = "jobs", "items", "names", "collections", "lookups"

KEYS: dict[str, tuple[str, ...]] = {
    JOBS: ("job_id",),
    ITEMS: ("item_id",),
    NAMES: ("name",),
    COLLECTIONS: ("partition", "item_id"),
    LOOKUPS: ("value", "entry"),
}
"""The key attributes of each table; DynamoDB stores no row without them."""

_JOB = {
    **dict.fromkeys(("owner", "status", "generation", "operation", "item_id", "fingerprint"), "S"),
    **dict.fromkeys(("created_at", "updated_at"), "S"),
    **dict.fromkeys(("attempts", "expires_at"), "N"),
}
_JOB_OPTIONAL = {
    **dict.fromkeys(("result", "result_document_key", "result_document_version", "result_version"), "S"),
    **dict.fromkeys(("superseded", "error", "command", "claim", "trouble", "owner_shard", "listed"), "S"),
    **dict.fromkeys(
        ("scope", "emitted", "not_before", "not_after", "due_shard", "due", "message", "message_claim"), "S"
    ),
    **dict.fromkeys(("task_token", "batch", "dismissed_at"), "S"),
    **dict.fromkeys(("began", "held", "retries"), "N"),
}
_BATCH = {
    **dict.fromkeys(("owner", "fingerprint", "seed", "created_at"), "S"),
    **dict.fromkeys(("size", "stored", "expires_at"), "N"),
}
_ITEM = dict.fromkeys(("version", "name", "document_key", "document_version", "created_at", "updated_at"), "S")
_LONGEST_NAME = 2048  # bytes of a key in DynamoDB, such as a lock's name


def check_job(row: Row) -> Job:
    """Return the job in a row; raise MalformedRowError if the row is not valid."""
    check_attributes(row, _JOB, _JOB_OPTIONAL)
    job = parsed(job_from_row, row)
    if not is_job_id(job.job_id):
        raise MalformedRowError("job_id is not the id of a job")
    _check_place(job)
    check_times(job.created_at, job.updated_at)
    check_json("result", job.result)
    if not all(
        each.data.startswith("{")
        for each in parsed(lambda _: decode_emitted(job.emitted_events, job.collection), row)
    ):
        raise MalformedRowError("emitted is not a list of events")
    check_json("command", None if job.kept is None else job.kept.command)
    if job.error is not None and not isinstance(job.error, dict):
        raise MalformedRowError("error is not a JSON object")
    if job.kept is not None and job.kept.claim is not None and parse_claim_key(job.kept.claim) is None:
        raise MalformedRowError("claim is not the key of a claim check")
    result_key = None if job.result_document is None else job.result_document.key
    for key in (job.old_document_key, result_key):
        if key is not None and parse_document_key(key) is None:
            raise MalformedRowError(f"{key!r} is not the key of a document")
    return job


def check_batch(row: Row) -> None:
    """Raise MalformedRowError if the row is not a valid batch."""
    check_attributes(row, _BATCH, {"refused": "S", "idempotency_key": "S", "name": "S"})
    check_times(parsed(batch_from_row, row).created_at)


def is_allowance(row: Row) -> bool:
    """Return whether the row of the jobs table says how many commands an owner may send."""
    return row["job_id"]["S"].startswith(PREFIX)


def check_allowance(row: Row) -> None:
    """Raise MalformedRowError if the row is not valid."""
    check_attributes(row, {"full_at": "N", "expires_at": "N"}, {})


def check_item(row: Row) -> StoredItem:
    """Return the item in a row; raise MalformedRowError if the row is not valid."""
    check_attributes(row, _ITEM, {"inline": "S", "owner": "S"})
    item = parsed(item_from_row, row)
    key = parse_document_key(item.document.key)
    if key is None or (key[0].collection, key[0].item_id) != (ITEMS_COLLECTION, item.item_id):
        raise MalformedRowError("document_key is not the key of its document")
    if not 0 < len(name_key(item.name).encode()) <= _LONGEST_NAME:
        raise MalformedRowError("name is not a valid name of an item")
    check_times(item.created_at, item.updated_at)
    check_json("inline", item.inline)
    return item


def check_lock(row: Row) -> str:
    """Return the id of the item that holds the lock; raise MalformedRowError if the row is not valid."""
    check_attributes(row, {"item_id": "S"}, {})
    return row["item_id"]["S"]


def check_row(table: str, row: Row) -> None:
    """Raise MalformedRowError if the row is not valid in this table."""
    match table:
        case "jobs":
            is_batch = is_batch_id(row["job_id"]["S"])
            (check_batch if is_batch else check_allowance if is_allowance(row) else check_job)(row)
        case "items":
            check_item(row)
        case "names":
            check_lock(row)
        case "collections":
            (check_pause if is_pause(row) else check_index_state if is_index_state(row) else check_document)(row)
        case _:
            check_lookup(row)


def _check_place(job: Job) -> None:
    if job.collection == ITEMS_COLLECTION:
        valid = not job.scope
    else:
        valid = COLLECTION_NAME.fullmatch(job.collection) is not None and job.scope in {"", job.owner}
    if not valid:
        raise MalformedRowError("the collection that fingerprint names, or scope, is not valid")
