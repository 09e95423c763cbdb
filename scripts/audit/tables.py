"""Reads the keys and references of every row and object into a temporary SQLite database.

The database is a file that SQLite deletes when it is closed, so memory does not grow with the stage.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.documents.item_rules import name_key
from jobpipe.domain.jobs.batch import is_batch_id
from jobpipe.domain.jobs.claim_check import WAITING_PREFIX
from jobpipe.domain.jobs.job import Status
from jobpipe.stores.dynamodb_rows import Row, read_schedule
from scripts.audit.attributes import MalformedRowError
from scripts.audit.collection_rows import (
    check_document,
    check_index_state,
    check_lookup,
    is_index_state,
    is_pause,
)
from scripts.audit.object_keys import COLLECTIONS_PREFIX, parse_claim_key, parse_document_key, parse_waiting_key
from scripts.audit.resources import Resources
from scripts.audit.rows import COLLECTIONS, ITEMS, JOBS, KEYS, LOOKUPS, NAMES, check_row, is_allowance

OnProgress = Callable[[str, int], None]
"""A function that is called with the kind of what is being processed, and the number so far."""

_CACHE_KIB = 16 * 1024  # the maximum memory that SQLite uses for pages

# The tables have no keys, so that inserts are fast; the indexes are made afterwards, by a sort on disk.
_TABLES = """
CREATE TABLE objects (key TEXT, kind TEXT, job_id TEXT, generation TEXT, modified TEXT);
CREATE TABLE malformed (table_name TEXT, key TEXT, sort_key TEXT);
CREATE TABLE locks (name TEXT, item_id TEXT);
CREATE TABLE items (item_id TEXT, name TEXT, document_key TEXT, updated_at TEXT);
CREATE TABLE documents (collection TEXT, scope TEXT, item_id TEXT, document_key TEXT, updated_at TEXT);
CREATE TABLE recorded (is_lock INTEGER, value TEXT, collection TEXT, scope TEXT, item_id TEXT, updated_at TEXT);
CREATE TABLE lookups (is_lock INTEGER, value TEXT, item_id TEXT, collection TEXT, field TEXT, at TEXT);
CREATE TABLE building (collection TEXT, field TEXT);
CREATE TABLE jobs (
    job_id TEXT, generation TEXT, done INTEGER, claim TEXT, superseded TEXT, created_at TEXT, updated_at TEXT,
    scheduled_for TEXT, waits INTEGER
);
"""
_INDEXES = """
CREATE INDEX objects_key ON objects (key);
CREATE INDEX objects_job ON objects (job_id, generation, kind);
CREATE INDEX locks_name ON locks (name, item_id);
CREATE INDEX items_id ON items (item_id, name);
CREATE INDEX items_name ON items (name);
CREATE INDEX items_document ON items (document_key);
CREATE INDEX documents_document ON documents (document_key);
CREATE INDEX recorded_value ON recorded (value, item_id, is_lock);
CREATE INDEX lookups_value ON lookups (value, item_id, is_lock);
CREATE INDEX jobs_id ON jobs (job_id, generation, done);
CREATE INDEX jobs_superseded ON jobs (superseded) WHERE superseded IS NOT NULL;
CREATE INDEX jobs_unfinished ON jobs (updated_at) WHERE NOT done;
"""
_CLOCK_DIFFERENCE = timedelta(seconds=5)  # between S3 and a Lambda, at most; S3's times are whole seconds

_DOCUMENTS = ("items/", COLLECTIONS_PREFIX)

Values = tuple[Any, ...]


@contextmanager
def open_tables() -> Iterator[sqlite3.Connection]:
    """Open a database with empty tables."""
    db = sqlite3.connect("", isolation_level=None)  # without a name: SQLite's own temporary file
    try:
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        db.execute("PRAGMA temp_store = FILE")
        db.execute("PRAGMA journal_mode = OFF")
        db.executescript(_TABLES)
        yield db
    finally:
        db.close()


def load(db: sqlite3.Connection, resources: Resources, now: datetime, on_progress: OnProgress) -> None:
    """Read the bucket and every table once.

    The stage may change meanwhile. The order prevents such changes from being suspected:

        bucket   a document that is put later belongs to an item that is younger than this audit
        locks    the same; so do look-ups
        items    an item that changed since the bucket was listed was changed by a job that is read next; so are
                 documents of collections
        jobs
    """
    fill(db, "objects", _counting(_objects(resources), "objects", on_progress))
    if resources.has_collections:
        lookups = _checked(db, LOOKUPS, _scan(resources, LOOKUPS))
        fill(db, "lookups", _counting(map(lookup_values, lookups), "look-ups", on_progress))
        documents = _checked(db, COLLECTIONS, _scan(resources, COLLECTIONS))
        fill(db, "documents", _counting(_recording(db, documents), "documents of collections", on_progress))
    locks = _checked(db, NAMES, _scan(resources, NAMES))
    fill(db, "locks", _counting(map(lock_values, locks), "locks", on_progress))
    items = _checked(db, ITEMS, _scan(resources, ITEMS))
    fill(db, "items", _counting(map(item_values, items), "items", on_progress))
    unexpired = (row for row in _scan(resources, JOBS) if not _is_expired(row, now))
    jobs = filter(_is_job, _checked(db, JOBS, unexpired))
    fill(db, "jobs", _counting(map(job_values, jobs), "jobs", on_progress))
    index(db)


def fill(db: sqlite3.Connection, table: str, rows: Iterable[Values]) -> None:
    """Insert rows into a table."""
    width = len(db.execute(f"PRAGMA table_info({table})").fetchall())
    db.execute("BEGIN")
    db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", rows)  # noqa: S608 - our own names
    db.execute("COMMIT")


def index(db: sqlite3.Connection) -> None:
    """Create the indexes that the checks need."""
    db.executescript(_INDEXES)


def object_values(key: str, modified: datetime) -> Values:
    """Return a row of `objects`, whose job is None if the key does not name a job."""
    kinds = {"claims/": "claims", WAITING_PREFIX: "waiting", **dict.fromkeys(_DOCUMENTS, "documents")}
    kind = next((kind for prefix, kind in kinds.items() if key.startswith(prefix)), "")
    document = parse_document_key(key)
    named = document[1:] if document else parse_claim_key(key) or parse_waiting_key(key)
    job_id, generation = named or (None, None)
    return key, kind, job_id, generation, rfc3339(modified)


def lock_values(row: Row) -> Values:
    """Return a row of `locks`, from a checked row of the names table."""
    return row["name"]["S"], row["item_id"]["S"]


def item_values(row: Row) -> Values:
    """Return a row of `items`, from a checked row, with the name in the form of the locks."""
    return row["item_id"]["S"], name_key(row["name"]["S"]), row["document_key"]["S"], row["updated_at"]["S"]


def document_values(row: Row) -> Values:
    """Return a row of `documents`, from a checked row of the table of collections."""
    ref, item = check_document(row)
    return ref.collection, ref.scope, ref.item_id, item.document.key, item.updated_at


def recorded_values(row: Row) -> Iterator[Values]:
    """Yield the rows of `recorded`: the locks and index entries that a document's row names."""
    ref, item = check_document(row)
    for is_lock, values in ((1, item.locks), (0, item.entries)):
        for value in values.values():
            yield is_lock, value, ref.collection, ref.scope, ref.item_id, item.updated_at


def lookup_values(row: Row) -> Values:
    """Return a row of `lookups`, from a checked row of the table of look-ups."""
    found = check_lookup(row)
    return int(found.is_lock), found.value_key, found.ref.item_id, found.ref.collection, found.field, found.at


def job_values(row: Row) -> Values:
    """Return a row of `jobs`, from a checked row."""
    is_scheduled, time = read_schedule(row)
    return (
        row["job_id"]["S"],
        row["generation"]["S"],
        Status(row["status"]["S"]).done,
        row["claim"]["S"] if "claim" in row else None,
        row["superseded"]["S"] if "superseded" in row else None,
        rfc3339(datetime.fromisoformat(row["created_at"]["S"]) - _CLOCK_DIFFERENCE),
        row["updated_at"]["S"],
        time if is_scheduled else None,
        "due" in row,
    )


def _checked(db: sqlite3.Connection, table: str, rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the valid rows, and record the others as malformed."""
    for row in rows:
        try:
            check_row(table, row)
        except MalformedRowError:
            key, sort_key = (*(row[name]["S"] for name in KEYS[table]), "")[:2]
            db.execute("INSERT INTO malformed VALUES (?, ?, ?)", (table, key, sort_key))
        else:
            yield row


def _recording(db: sqlite3.Connection, rows: Iterable[Row]) -> Iterator[Values]:
    """Yield the documents among the rows; insert the values they record, and the look-ups that are not ready."""
    for row in rows:
        if is_pause(row):
            continue
        if is_index_state(row):
            unready = [quote(field, safe="") for field, state in check_index_state(row).items() if state != "ready"]
            places = [(row["item_id"]["S"], field) for field in unready]
            db.executemany("INSERT INTO building VALUES (?, ?)", places)
        else:
            db.executemany("INSERT INTO recorded VALUES (?, ?, ?, ?, ?, ?)", recorded_values(row))
            yield document_values(row)


def _is_expired(row: Row, now: datetime) -> bool:
    # DynamoDB deletes expired rows late, and never deletes rows without a valid time.
    try:
        return int(row["expires_at"]["N"]) <= now.timestamp()
    except (KeyError, ValueError):
        return False


def _is_job(row: Row) -> bool:
    return not is_batch_id(row["job_id"]["S"]) and not is_allowance(row)


def _scan(resources: Resources, table: str) -> Iterator[Row]:
    # Consistent reads show everything that was damaged before the audit began.
    pages = resources.clients.dynamodb.get_paginator("scan").paginate(
        TableName=resources.table(table), ConsistentRead=True
    )
    for page in pages:
        yield from page["Items"]


def _objects(resources: Resources) -> Iterator[Values]:
    pages = resources.clients.s3.get_paginator("list_objects_v2").paginate(Bucket=resources.documents_bucket)
    for page in pages:
        for entry in page.get("Contents", []):
            # Without the tables, nothing shows which of these objects are committed.
            if resources.has_collections or not entry["Key"].startswith(COLLECTIONS_PREFIX):
                yield object_values(entry["Key"], entry["LastModified"])


def _counting(rows: Iterable[Values], what: str, on_progress: OnProgress) -> Iterator[Values]:
    n = 0
    for n, row in enumerate(rows, 1):
        if n % 1000 == 0:
            on_progress(what, n)
        yield row
    on_progress(what, n)
