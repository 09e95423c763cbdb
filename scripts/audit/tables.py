"""What an audit knows: the keys and pointers of every row and object, in a temporary file of SQLite.

The file keeps memory constant however many items there are, and goes when it is closed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from jobpipe.domain.batch import is_batch_id
from jobpipe.domain.clock import rfc3339
from jobpipe.domain.item_rules import name_key
from jobpipe.domain.job import Status
from jobpipe.stores.dynamodb_rows import Row
from scripts.audit.keys import job_and_generation
from scripts.audit.places import Places
from scripts.audit.rows import ITEMS, JOBS, KEYS, NAMES, MalformedRowError, check_row

Counted = Callable[[str, int], None]  # what is being read, and how much of it so far

_CACHE_KIB = 16 * 1024  # of SQLite; it grows to this and no further, however large the tables are

# Without keys, so that rows go in as they come; the indexes follow, made by a sort on disk.
_TABLES = """
CREATE TABLE objects (key TEXT, kind TEXT, job_id TEXT, generation TEXT, modified TEXT);
CREATE TABLE malformed (place TEXT, key TEXT);
CREATE TABLE locks (name TEXT, item_id TEXT);
CREATE TABLE items (item_id TEXT, name TEXT, document_key TEXT, updated_at TEXT);
CREATE TABLE jobs (
    job_id TEXT, generation TEXT, done INTEGER, claim TEXT, superseded TEXT, created_at TEXT, updated_at TEXT
);
"""
_INDEXES = """
CREATE INDEX objects_key ON objects (key);
CREATE INDEX objects_job ON objects (job_id, generation, kind);
CREATE INDEX locks_name ON locks (name, item_id);
CREATE INDEX items_id ON items (item_id, name);
CREATE INDEX items_name ON items (name);
CREATE INDEX items_document ON items (document_key);
CREATE INDEX jobs_id ON jobs (job_id, generation, done);
CREATE INDEX jobs_superseded ON jobs (superseded) WHERE superseded IS NOT NULL;
CREATE INDEX jobs_unfinished ON jobs (updated_at) WHERE NOT done;
"""
CLOCKS_DIFFER = timedelta(seconds=5)
"""How far the clocks of S3 and of a Lambda may be apart; S3 tells whole seconds only."""

Values = tuple[Any, ...]


@contextmanager
def open_tables() -> Iterator[sqlite3.Connection]:
    """Empty tables."""
    # A database without a name is SQLite's own temporary file.
    db = sqlite3.connect("", isolation_level=None)
    try:
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        db.execute("PRAGMA temp_store = FILE")
        db.execute("PRAGMA journal_mode = OFF")  # nothing here needs to survive anything
        db.executescript(_TABLES)
        yield db
    finally:
        db.close()


def load(db: sqlite3.Connection, places: Places, now: datetime, counted: Counted) -> None:
    """Read the bucket and every table once.

    The order spares needless suspicion of what happens meanwhile. A document, lock or item is read before what
    would excuse its absence from what follows:

        bucket   a document that was put later belongs to an item that is younger than this audit
        locks    likewise
        items    a row that moved on since the listing was moved by a job that is in the jobs table by then
        jobs
    """
    fill(db, "objects", _counting(_objects(places), "objects", counted))
    locks = _checked(db, NAMES, _scan(places, NAMES))
    fill(db, "locks", _counting(map(lock_values, locks), "locks", counted))
    items = _checked(db, ITEMS, _scan(places, ITEMS))
    fill(db, "items", _counting(map(item_values, items), "items", counted))
    live = (row for row in _scan(places, JOBS) if not _is_gone(row, now))
    jobs = filter(_is_job, _checked(db, JOBS, live))
    fill(db, "jobs", _counting(map(job_values, jobs), "jobs", counted))
    index(db)


def fill(db: sqlite3.Connection, table: str, rows: Iterable[Values]) -> None:
    """Add rows to a table, one at a time."""
    width = len(db.execute(f"PRAGMA table_info({table})").fetchall())
    db.execute("BEGIN")
    db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", rows)  # noqa: S608 - our own names
    db.execute("COMMIT")


def index(db: sqlite3.Connection) -> None:
    """Make the tables ready for the checks."""
    db.executescript(_INDEXES)


def object_values(key: str, modified: datetime) -> Values:
    """A row of `objects`; a key that is not of our form belongs to no job."""
    kind = key.partition("/")[0]
    job_id, generation = job_and_generation(key) or (None, None)
    return key, kind, job_id, generation, rfc3339(modified)


def lock_values(row: Row) -> Values:
    """A row of `locks`, from a checked row of its table."""
    return row["name"]["S"], row["item_id"]["S"]


def item_values(row: Row) -> Values:
    """A row of `items`, likewise, its name as it should be locked."""
    return row["item_id"]["S"], name_key(row["name"]["S"]), row["document_key"]["S"], row["updated_at"]["S"]


def job_values(row: Row) -> Values:
    """A row of `jobs`, likewise."""
    return (
        row["job_id"]["S"],
        row["generation"]["S"],
        Status(row["status"]["S"]).done,
        row["claim"]["S"] if "claim" in row else None,
        row["superseded"]["S"] if "superseded" in row else None,
        rfc3339(datetime.fromisoformat(row["created_at"]["S"]) - CLOCKS_DIFFER),
        row["updated_at"]["S"],
    )


def _checked(db: sqlite3.Connection, table: str, rows: Iterable[Row]) -> Iterator[Row]:
    """The valid rows; the others are recorded as malformed."""
    for row in rows:
        try:
            check_row(table, row)
        except MalformedRowError:
            db.execute("INSERT INTO malformed VALUES (?, ?)", (table, row[KEYS[table]]["S"]))
        else:
            yield row


def _is_gone(row: Row, now: datetime) -> bool:
    """Whether the row has expired, since DynamoDB deletes such rows late. Without a valid time it never expires."""
    try:
        return int(row["expires_at"]["N"]) <= now.timestamp()
    except (KeyError, ValueError):
        return False


def _is_job(row: Row) -> bool:
    return not is_batch_id(row["job_id"]["S"])


def _scan(places: Places, table: str) -> Iterator[Row]:
    """Every row, by consistent reads: what was damaged before the audit began is seen."""
    pages = places.clients.dynamodb.get_paginator("scan").paginate(
        TableName=places.table(table), ConsistentRead=True
    )
    for page in pages:
        yield from page["Items"]


def _objects(places: Places) -> Iterator[Values]:
    pages = places.clients.s3.get_paginator("list_objects_v2").paginate(Bucket=places.documents_bucket)
    for page in pages:
        for entry in page.get("Contents", []):
            yield object_values(entry["Key"], entry["LastModified"])


def _counting(rows: Iterable[Values], what: str, counted: Counted) -> Iterator[Values]:
    n = 0
    for n, row in enumerate(rows, 1):
        if n % 1000 == 0:
            counted(what, n)
        yield row
    counted(what, n)
