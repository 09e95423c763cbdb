"""Lists of scheduled, failed or retrying jobs, from indexes of the jobs table.

A partition of an index takes 1,000 writes a second, and a throttled index throttles its table. So each owner's
entries are spread over eight shards by job id, and a list merges all shards by time:

    owner_shard = alice#0   failed#2026-11-22T20:57:44.123Z
    …
    owner_shard = alice#7   failed#2026-11-22T20:57:43.001Z   retrying#2026-11-22T20:57:44.500Z
    owner_shard = alice#7   scheduled#2026-12-01T08:00:00.000Z, with the time for which the job waits
    owner_shard = alice     jobs that were accepted by a release without shards

Jobs that failed under such a release are in another index, by owner (docs/decisions/0040).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any

from jobpipe.domain.errors import InvalidRequest
from jobpipe.domain.jobs.job import Job, JobPage, Status
from jobpipe.domain.jobs.job_filter import EVERY_JOB, JobFilter
from jobpipe.runtime.aws import AwsClients, aws_call
from jobpipe.runtime.telemetry import logger
from jobpipe.stores.dynamodb_rows import (
    LIST_KEY,
    OLD_LIST_KEY,
    SHARDS,
    Row,
    job_from_row,
    list_sort_key,
    shards_of,
    stored_status,
)

LAST = "~"
"""A text that sorts after every time."""
MOST_EXAMINED = 400
"""The most entries that are read for one page if a filter leaves some out."""
Entry = tuple[tuple[str, str], Any]  # time and job id, and the row, or None for a stale entry


@dataclass(frozen=True, slots=True)
class IndexPartition:
    """A partition of an index with entries of an owner, sorted by status and time."""

    index: str
    key: str  # the partition key's attribute
    value: str
    order: str  # the sort key's attribute


_WHOLE_INDEXES = {
    "lists": IndexPartition("lists", "owner_shard", "", LIST_KEY),
    "trouble": IndexPartition("trouble", "owner", "", OLD_LIST_KEY),
}


def partitions_of(owner: str) -> list[IndexPartition]:
    """Return all partitions that may have jobs of the owner."""
    return [
        *(IndexPartition("lists", "owner_shard", shard, LIST_KEY) for shard in (owner, *shards_of(owner))),
        IndexPartition("trouble", "owner", owner, OLD_LIST_KEY),
    ]


def is_listed(row: Row, order: str, status: Status) -> bool:
    """Return whether an entry is current: an earlier release, after a rollback, changes jobs but not entries."""
    return row.get("status", {}).get("S") == stored_status(status) and (
        order == OLD_LIST_KEY or OLD_LIST_KEY not in row
    )


class JobLists:
    """Lists of scheduled, failed or retrying jobs on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    def page(
        self,
        owner: str,
        status: Status,
        limit: int,
        after: str | None,
        at: datetime,
        *,
        job_filter: JobFilter = EVERY_JOB,
    ) -> JobPage:
        """Return up to `limit` jobs, latest first; `after` is the previous page's `next_after`."""
        _, time, job_id = (after or f"#{LAST}#{LAST}").split("#")
        # Entries of jobs that are not shown count, too; this bounds the reads for one page.
        most = limit if job_filter.is_empty else max(limit, MOST_EXAMINED)
        parts = [self._entries(partition, status, time, most) for partition in partitions_of(owner)]
        entries = (each for each in merge(*parts, key=itemgetter(0), reverse=True) if each[0] < (time, job_id))
        jobs: list[Job] = []
        seen, examined = (time, job_id), 0
        for key, row in entries:
            if examined == most or len(jobs) == limit:
                return JobPage(jobs, f"{list_sort_key(status, seen[0])}#{seen[1]}")
            seen, examined = key, examined + 1
            job = None if row is None else readable_job(row)
            if job is not None and not job.is_expired(at) and job_filter.matches(job):
                jobs.append(job)
        return JobPage(jobs, None)

    def _entries(self, partition: IndexPartition, status: Status, time: str, most: int) -> Iterator[Entry]:
        """Yield the entries of one partition up to this time, latest first, without the rows of stale ones."""
        bounds = (list_sort_key(status, ""), list_sort_key(status, time))
        for key, row in latest_first(self._clients, self._table, partition, bounds, most // SHARDS + 4):
            yield key, row if is_listed(row, partition.order, status) else None

    def page_of_all_owners(
        self, status: Status, limit: int, after: str | None, at: datetime, *, job_filter: JobFilter = EVERY_JOB
    ) -> JobPage:
        """Return up to `limit` jobs of all owners, in no particular order; `after` is a page's `next_after`."""
        name, *start = (after or "lists").split("|")
        jobs: list[Job] = []
        examined = 0
        while True:
            partition = _WHOLE_INDEXES[name]
            rows, is_last = self._scan(partition, start, min(100, MOST_EXAMINED - examined))
            for row in rows:
                start = [row[each]["S"] for each in ("job_id", partition.key, partition.order)]
                if is_listed(row, partition.order, status):
                    job = readable_job(row)
                    if job is not None and not job.is_expired(at) and job_filter.matches(job):
                        jobs.append(job)
                        if len(jobs) == limit:
                            return JobPage(jobs, "|".join((name, *start)))
            examined += len(rows)
            if is_last and name == "trouble":
                return JobPage(jobs, None)
            if is_last:
                name, start = "trouble", []
            if examined >= MOST_EXAMINED:
                return JobPage(jobs, "|".join((name, *start)))

    def _scan(self, partition: IndexPartition, start: list[str], most: int) -> tuple[list[Any], bool]:
        """Return the next rows of an index, and whether they are the last."""
        names = ("job_id", partition.key, partition.order)
        place: Any = {name: {"S": value} for name, value in zip(names, start, strict=True)} if start else None
        with aws_call("The jobs table"):
            response = self._clients.dynamodb.scan(
                TableName=self._table,
                IndexName=partition.index,
                Limit=most,
                **({"ExclusiveStartKey": place} if place else {}),
            )
        return response["Items"], "LastEvaluatedKey" not in response


def latest_first(
    clients: AwsClients, table: str, partition: IndexPartition, bounds: tuple[str, str], page_size: int
) -> Iterator[Entry]:
    """Yield a partition's entries whose sort keys are within the bounds, latest first, then by job id.

    The time follows the last `#` of the sort key.
    """
    rows = _rows(clients, table, partition, bounds, page_size)
    for placed, group in groupby(rows, key=lambda row: row[partition.order]["S"]):
        moment = placed.rpartition("#")[2]
        tied = [((moment, row["job_id"]["S"]), row) for row in group]
        yield from sorted(tied, key=itemgetter(0), reverse=True)


def _rows(
    clients: AwsClients, table: str, partition: IndexPartition, bounds: tuple[str, str], page_size: int
) -> Iterator[Any]:
    first, last = bounds
    start: Any = {}
    while True:
        with aws_call("The jobs table"):
            response = clients.dynamodb.query(
                TableName=table,
                IndexName=partition.index,
                KeyConditionExpression="#key = :key AND #order BETWEEN :from AND :to",
                ExpressionAttributeNames={"#key": partition.key, "#order": partition.order},
                ExpressionAttributeValues={
                    ":key": {"S": partition.value},
                    ":from": {"S": first},
                    ":to": {"S": last},
                },
                ScanIndexForward=False,
                Limit=page_size,
                **start,
            )
        yield from response["Items"]
        if "LastEvaluatedKey" not in response:
            return
        start = {"ExclusiveStartKey": response["LastEvaluatedKey"]}


def readable_job(row: Any) -> Job | None:
    """Return the job, or None if its row is malformed, which must not hide its neighbours."""
    try:
        return job_from_row(row)
    except (KeyError, TypeError, ValueError, InvalidRequest):  # an attribute is missing or invalid
        logger.error("malformed row", extra={"job_id": row["job_id"]["S"]})
        return None
