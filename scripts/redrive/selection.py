"""Selects the failed jobs that a redrive retries: from the indexes, filtered, into a temporary file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.errors import PROBLEM_TYPE_PREFIX, ProblemError
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.dynamodb_rows import LIST_KEY, OLD_LIST_KEY, Row, list_sort_key
from jobpipe.stores.jobs.dynamodb_job_lists import LAST, IndexPartition, is_listed, partitions_of
from scripts.audit.attributes import MalformedRowError
from scripts.audit.rows import check_job

_WHOLE_INDEXES = (IndexPartition("lists", "", "", LIST_KEY), IndexPartition("trouble", "", "", OLD_LIST_KEY))
_FOUND = "CREATE TABLE found (failed_at, created_at, job_id, generation, reason, operation)"
# The jobs that failed first come first, so that limited runs make progress: a job that fails again is the last. The
# time of acceptance would not do, because a retry keeps it.
_FAILED = "CREATE TABLE failed AS SELECT * FROM found ORDER BY failed_at, job_id"
_CHOSEN = "SELECT * FROM failed WHERE rowid > :after ORDER BY rowid LIMIT :limit"


@dataclass(frozen=True, slots=True)
class Filter:
    """The conditions that a failed job must meet; None and the empty tuple are no condition."""

    reasons: tuple[str, ...] = ()  # slugs of problems
    since: datetime | None = None  # the earliest time of failure
    until: datetime | None = None  # the time before which the job must have failed
    operation: str | None = None
    owner: str | None = None
    item: str | None = None
    collection: str | None = None

    @property
    def is_empty(self) -> bool:
        return self == Filter()

    def matches(self, job: Job) -> bool:
        """Return whether the job has failed and meets all conditions."""
        return (
            job.status is Status.FAILED
            and (not self.reasons or reason_of(job) in self.reasons)
            and (self.since is None or job.updated_at >= rfc3339(self.since))
            and (self.until is None or job.updated_at < rfc3339(self.until))
            and self.operation in {None, job.operation}
            and self.owner in {None, job.owner}
            and self.item in {None, job.item_id}
            and self.collection in {None, job.collection}
        )


@dataclass(frozen=True, slots=True)
class Failed:
    """One failure of a job, as the index shows it."""

    job_id: str
    generation: str
    reason: str
    operation: str


def reason_of(job: Job) -> str:
    """Return the slug of the problem that the job failed with."""
    return str((job.error or {}).get("type", "")).removeprefix(PROBLEM_TYPE_PREFIX)


def reasons(kind: type[ProblemError] = ProblemError) -> list[str]:
    """Return the slugs of all problems."""
    own = [kind.slug] if "slug" in vars(kind) else []
    return sorted({*own, *(slug for child in kind.__subclasses__() for slug in reasons(child))})


class Selection:
    """The failures that match, stored in a file so that their number does not matter to memory."""

    def __init__(self, db: sqlite3.Connection, limit: int | None, malformed: int = 0) -> None:
        self.malformed = malformed  # rows of the index that are not valid jobs
        self._db = db
        self._limit = -1 if limit is None else limit
        self._found = int(db.execute("SELECT count(*) FROM failed").fetchone()[0])

    def __len__(self) -> int:
        """Return how many jobs are to be retried."""
        return self._found if self._limit < 0 else min(self._limit, self._found)

    def left(self, retried: int, skipped: int) -> int:
        """Return how many jobs are still to be retried."""
        return min(len(self), self._found - skipped) - retried

    def chosen(self, skipped: Callable[[], int] = lambda: 0) -> Iterator[Failed]:
        """Yield up to `limit` failures in the order of acceptance, which is the order of an item's commands.

        Then yield one more for each that `skipped` counts: jobs that cannot be retried must not use up the limit
        of this run and of every later one.
        """
        in_order = (
            "SELECT job_id, generation, reason, operation "  # noqa: S608 - our own statement
            f"FROM ({_CHOSEN}) ORDER BY created_at, job_id"
        )
        yielded, replaced, wanted = 0, 0, self._limit
        while wanted:
            before = yielded
            for row in self._db.execute(in_order, {"after": before, "limit": wanted}):
                yielded += 1
                yield Failed(*row)
            if yielded == before or self._limit < 0:
                return
            wanted = skipped() - replaced
            replaced += wanted

    def counts(self) -> list[tuple[str, str, int]]:
        """Return each reason and operation with the number of jobs."""
        grouped = (
            "SELECT reason, operation, count(*) "  # noqa: S608 - our own statement
            f"FROM ({_CHOSEN}) GROUP BY 1, 2 ORDER BY 3 DESC"
        )
        return list(self._db.execute(grouped, {"after": 0, "limit": self._limit}))


@contextmanager
def select(
    clients: AwsClients,
    jobs_table: str,
    wanted: Filter,
    now: datetime,
    *,
    limit: int | None = None,
    on_found: Callable[[int], None] = lambda _: None,
) -> Iterator[Selection]:
    """Select the failed jobs that match and have not expired; `on_found` gets their number so far.

    All are found before any is retried: a job that fails again at once would be found again, without end.
    """
    db = sqlite3.connect("", isolation_level=None)  # SQLite's own temporary file
    try:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute(_FOUND)
        db.execute("BEGIN")
        found = 0
        jobs = Jobs(_failed_rows(clients, jobs_table, wanted))
        for job in jobs:
            if wanted.matches(job) and not job.is_expired(now):
                found += 1
                on_found(found)
                values = (job.updated_at, job.created_at, job.job_id, job.generation, reason_of(job), job.operation)
                db.execute("INSERT INTO found VALUES (?, ?, ?, ?, ?, ?)", values)
        db.execute("COMMIT")
        db.execute(_FAILED)
        db.execute("DROP TABLE found")
        yield Selection(db, limit, jobs.malformed)
    finally:
        db.close()


class Jobs:
    """The valid jobs of rows; counts the others."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.malformed = 0
        self._rows = rows

    def __iter__(self) -> Iterator[Job]:
        for row in self._rows:
            try:
                yield check_job(row)
            except MalformedRowError:
                self.malformed += 1


def _failed_rows(clients: AwsClients, jobs_table: str, wanted: Filter) -> Iterator[Row]:
    """Yield the rows that the indexes have for the wanted time, and for the wanted owner if there is one."""
    since = rfc3339(wanted.since) if wanted.since else ""
    until = rfc3339(wanted.until) if wanted.until else LAST
    for partition in partitions_of(wanted.owner) if wanted.owner is not None else _WHOLE_INDEXES:
        options: dict[str, Any] = {
            "TableName": jobs_table,
            "IndexName": partition.index,
            "ExpressionAttributeNames": {"#order": partition.order},
            "ExpressionAttributeValues": {
                ":since": {"S": list_sort_key(Status.FAILED, since)},
                ":until": {"S": list_sort_key(Status.FAILED, until)},
            },
        }
        between = "#order BETWEEN :since AND :until"
        if wanted.owner is None:
            pages = clients.dynamodb.get_paginator("scan").paginate(**options, FilterExpression=between)
        else:
            options["ExpressionAttributeNames"]["#key"] = partition.key
            options["ExpressionAttributeValues"][":key"] = {"S": partition.value}
            pages = clients.dynamodb.get_paginator("query").paginate(
                **options, KeyConditionExpression=f"#key = :key AND {between}"
            )
        for page in pages:
            rows: list[Row] = page["Items"]
            # A row without a status is yielded, so that it counts as malformed.
            yield from (
                row for row in rows if "status" not in row or is_listed(row, partition.order, Status.FAILED)
            )
