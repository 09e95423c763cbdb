"""`python -m tests.measurements.audit_at_size [ITEMS]`: measures memory and time of an audit of generated data.

ITEMS is the number of items, of locks, of jobs and of documents; pages have a thousand entries. The figures do not
include the time that AWS would take.
"""

from __future__ import annotations

import resource
import sys
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from jobpipe.domain.documents.item import DocumentRef, StoredItem
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.dynamodb_rows import item_to_row, job_to_row
from scripts.audit.resources import Resources
from scripts.audit.search import audit
from tests.helpers.stored import document_key

AT = "2026-11-22T10:00:00.000Z"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_PAGE = 1000


class GeneratedAws:
    """Clients whose scans and listings are generated as they are read; they support nothing else."""

    def __init__(self, items: int) -> None:
        self._items = items

    @property
    def dynamodb(self) -> GeneratedAws:
        return self

    @property
    def s3(self) -> GeneratedAws:
        return self

    def get_paginator(self, _: str) -> GeneratedAws:
        return self

    def paginate(self, *, TableName: str = "", **_: object) -> Iterator[Any]:  # noqa: N803 - as in boto3
        make, name = (self._row, "Items") if TableName else (self._object, "Contents")
        for start in range(0, self._items, _PAGE):
            yield {name: [make(n, TableName) for n in range(start, min(start + _PAGE, self._items))]}

    def _object(self, n: int, _: str) -> Any:
        return {"Key": _key(n), "LastModified": datetime.fromisoformat(AT)}

    def _row(self, n: int, table: str) -> Any:
        n = n * 7919 % self._items if self._items % 7919 else n  # in another order, as a scan returns rows by hash
        if table == "names":
            return {"name": {"S": _name(n)}, "item_id": {"S": _id(n)}}
        if table == "items":
            ref = DocumentRef(_key(n), "v")
            return item_to_row(StoredItem(_id(n), f"{n:016x}", _name(n), ref, None, AT, AT))
        expires_at = int((NOW + timedelta(days=1)).timestamp())
        return job_to_row(
            Job(
                job_id=f"{n:032x}",
                owner="alice",
                status=Status.SUCCEEDED,
                generation=f"{n:016x}",
                operation="create",
                item_id=_id(n),
                fingerprint="ab" * 32,
                attempts=1,
                created_at=AT,
                updated_at=AT,
                expires_at=expires_at,
            )
        )


def _id(n: int) -> str:
    return f"00000000-0000-4000-8000-{n:012x}"


def _name(n: int) -> str:
    return f"a name of the usual length, number {n}"


def _key(n: int) -> str:
    return document_key(_id(n), JobRef(f"{n:032x}", f"{n:016x}"), f"{n:016x}")


def resources(items: int) -> Resources:
    """Return resources with so many items, none of them damaged."""
    clients = cast("AwsClients", GeneratedAws(items))
    return Resources(clients, "jobs", "items", "names", "bucket", (), timedelta(days=7))


def python_peak(items: int) -> int:
    """Return Python's peak memory during an audit, in bytes."""
    tracemalloc.start()
    try:
        assert audit(resources(items), older_than=600, now=NOW) == []
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def main(items: int) -> None:
    """Print the figures."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    assert audit(resources(items), older_than=600, now=NOW) == []
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{items:,} items, locks, jobs and documents each: {seconds:.0f} s in the audit itself")  # noqa: T201
    print(f"peak of the process {peak / 1024:.0f} MiB, {before / 1024:.0f} of it before the audit")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
