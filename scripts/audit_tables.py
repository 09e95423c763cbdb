"""What an audit knows: the keys and pointers of every row and object, in a temporary file of SQLite.

The file keeps memory constant however many items there are, and goes when it is closed.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from infra.errors import OperatorError
from jobpipe.batch import is_batch_id
from jobpipe.clock import rfc3339
from jobpipe.dynamodb_rows import Row
from jobpipe.item_rules import name_key
from jobpipe.job import Status
from scripts.audit_places import Places

Counted = Callable[[str, int], None]  # what is being read, and how much of it so far

_CACHE_KIB = 16 * 1024  # of SQLite; it grows to this and no further, however large the tables are

# Without keys, so that rows go in as they come; the indexes follow, made by a sort on disk.
_TABLES = """
CREATE TABLE objects (key TEXT, kind TEXT, job_id TEXT, generation TEXT, modified TEXT);
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
_DOCUMENT_KEY = re.compile(r"items/(?P<item_id>.+)/(?P<job_id>[0-9a-f]+)/(?P<generation>[0-9a-f]+)/[0-9a-f]+\.json")
_CLAIM_KEY = re.compile(r"claims/(?P<job_id>[0-9a-f]+)/(?P<generation>[0-9a-f]+)/[0-9a-f]+\.json")

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
    fill(db, "locks", _counting(map(lock_values, _scan(places, places.names_table, _LOCK)), "locks", counted))
    fill(db, "items", _counting(map(item_values, _scan(places, places.items_table, _ITEM)), "items", counted))
    jobs = (row for row in _scan(places, places.jobs_table, _JOB) if _is_live(row, now))
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
    match = {"items": _DOCUMENT_KEY, "claims": _CLAIM_KEY}.get(kind, _CLAIM_KEY).fullmatch(key)
    job_id, generation = (match["job_id"], match["generation"]) if match else (None, None)
    return key, kind, job_id, generation, rfc3339(modified)


def parse_document_key(key: str) -> tuple[str, str, str] | None:
    """Item, job and generation of a document's key, if it is one of ours."""
    match = _DOCUMENT_KEY.fullmatch(key)
    return None if match is None else (match["item_id"], match["job_id"], match["generation"])


def parse_claim_key(key: str) -> tuple[str, str] | None:
    """Job and generation of a claim check's key, if it is one of ours."""
    match = _CLAIM_KEY.fullmatch(key)
    return None if match is None else (match["job_id"], match["generation"])


def lock_values(row: Row) -> Values:
    """A row of `locks`."""
    return _need(row, "name"), _need(row, "item_id")


def item_values(row: Row) -> Values:
    """A row of `items`, its name as it should be locked."""
    return _need(row, "item_id"), name_key(_need(row, "name")), _need(row, "document_key"), _need(row, "updated_at")


def job_values(row: Row) -> Values:
    """A row of `jobs`."""
    return (
        _need(row, "job_id"),
        _need(row, "generation"),
        Status(_need(row, "status")).done,
        row["claim"]["S"] if "claim" in row else None,
        row["superseded"]["S"] if "superseded" in row else None,
        rfc3339(datetime.fromisoformat(_need(row, "created_at")) - CLOCKS_DIFFER),
        _need(row, "updated_at"),
    )


_LOCK = ("name", "item_id")
_ITEM = ("item_id", "name", "document_key", "updated_at")
_JOB = (
    *("job_id", "generation", "status", "claim", "superseded", "created_at", "updated_at"),
    "expires_at",
)


def _is_live(row: Row, now: datetime) -> bool:
    """Whether it is a job that is not gone: DynamoDB deletes expired rows late. A batch's row is not a job."""
    return not is_batch_id(row["job_id"]["S"]) and int(row["expires_at"]["N"]) > now.timestamp()


def _scan(places: Places, table: str, attributes: tuple[str, ...]) -> Iterator[Row]:
    """Every row, by consistent reads: what was damaged before the audit began is seen."""
    pages = places.clients.dynamodb.get_paginator("scan").paginate(
        TableName=table,
        ConsistentRead=True,
        ProjectionExpression=", ".join(f"#{name}" for name in attributes),  # some are reserved words
        ExpressionAttributeNames={f"#{name}": name for name in attributes},
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


def _need(row: Row, attribute: str) -> str:
    try:
        return row[attribute]["S"]
    except KeyError:
        shown = {name: next(iter(value.values())) for name, value in row.items() if name.endswith(("_id", "name"))}
        raise OperatorError(f"a row is not one of ours, it has no {attribute}: {shown}") from None
