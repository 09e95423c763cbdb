"""Lists of an owner's failed or retrying jobs, from indexes of the jobs table.

A partition of an index takes 1,000 writes a second, and a throttled index throttles its table. So each owner's
entries are spread over eight shards by job id, and a list merges all shards by time:

    owner_shard = alice#0   failed#2026-11-22T20:57:44.123Z
    …
    owner_shard = alice#7   failed#2026-11-22T20:57:43.001Z   retrying#2026-11-22T20:57:44.500Z
    owner_shard = alice     jobs that were accepted by a release without shards

Jobs that failed under such a release are in another index, by owner (docs/decisions/0040).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from jobpipe.domain.errors import InvalidRequest
from jobpipe.domain.job import Job, JobPage, Status
from jobpipe.runtime.aws import AwsClients, outages
from jobpipe.runtime.telemetry import logger
from jobpipe.stores.dynamodb_rows import SHARDS, Row, job_from_row, shards_of

LIST_KEY = "listed"
"""The attribute that puts failed and retrying jobs into the index; other jobs do not have it."""
OLD_LIST_KEY = "trouble"
"""The attribute that releases without shards set instead; each write of this release removes it."""

LAST = "~"
"""A text that sorts after every time."""
_Entry = tuple[tuple[str, str], Any]  # the sort key (time and job id), and the row, or None for a stale entry


@dataclass(frozen=True, slots=True)
class Source:
    """A partition of an index with entries of an owner, sorted by status and time."""

    index: str
    key: str  # the partition key's attribute
    value: str
    order: str  # the sort key's attribute


def place_in_list(status: Status, time: str) -> str:
    """Return the index's sort key of a job that has had this status since this time (RFC 3339)."""
    return f"{status.value}#{time}"


def sources(owner: str) -> list[Source]:
    """Return all partitions that may have jobs of the owner."""
    return [
        *(Source("lists", "owner_shard", shard, LIST_KEY) for shard in (owner, *shards_of(owner))),
        Source("trouble", "owner", owner, OLD_LIST_KEY),
    ]


def is_listed(row: Row, order: str, status: Status) -> bool:
    """Return whether an entry is current: an earlier release, after a rollback, changes jobs but not entries."""
    return row.get("status", {}).get("S") == status.value and (order == OLD_LIST_KEY or OLD_LIST_KEY not in row)


class JobLists:
    """Lists of jobs on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    def page(self, owner: str, status: Status, limit: int, after: str | None, at: datetime) -> JobPage:
        """Return up to `limit` jobs, latest first; `after` is the previous page's `next_after`."""
        _, time, job_id = (after or f"#{LAST}#{LAST}").split("#")
        parts = [self._entries(source, status, time, limit) for source in sources(owner)]
        entries = (each for each in merge(*parts, key=itemgetter(0), reverse=True) if each[0] < (time, job_id))
        shown = list(islice(entries, limit))
        jobs = [job for _, row in shown if (job := _unexpired_job(row, at))]
        if next(entries, None) is None:
            return JobPage(jobs, None)
        (last_time, last_job), _ = shown[-1]
        return JobPage(jobs, f"{place_in_list(status, last_time)}#{last_job}")

    def _entries(self, source: Source, status: Status, time: str, limit: int) -> Iterator[_Entry]:
        """Yield the entries of one partition up to this time, latest first; those with the same time by job id."""
        rows = self._rows(source, status, time, limit // SHARDS + 4)
        for placed, group in groupby(rows, key=lambda row: row[source.order]["S"]):
            moment = placed.partition("#")[2]
            tied = [((moment, row["job_id"]["S"]), row) for row in group]
            for key, row in sorted(tied, key=itemgetter(0), reverse=True):
                # Stale entries count towards the limit too, which bounds the reads for one page.
                yield key, row if is_listed(row, source.order, status) else None

    def _rows(self, source: Source, status: Status, time: str, a_page: int) -> Iterator[Any]:
        start: Any = {}
        while True:
            with outages("The jobs table"):
                response = self._clients.dynamodb.query(
                    TableName=self._table,
                    IndexName=source.index,
                    KeyConditionExpression="#key = :key AND #order BETWEEN :from AND :to",
                    ExpressionAttributeNames={"#key": source.key, "#order": source.order},
                    ExpressionAttributeValues={
                        ":key": {"S": source.value},
                        ":from": {"S": place_in_list(status, "")},
                        ":to": {"S": place_in_list(status, time)},
                    },
                    ScanIndexForward=False,
                    Limit=a_page,
                    **start,
                )
            yield from response["Items"]
            if "LastEvaluatedKey" not in response:
                return
            start = {"ExclusiveStartKey": response["LastEvaluatedKey"]}


def _unexpired_job(row: Any, at: datetime) -> Job | None:
    """Return the job, or None if the entry is stale, expired or malformed, which must not hide its neighbours."""
    if row is None:
        return None
    try:
        job = job_from_row(row)
    except (KeyError, TypeError, ValueError, InvalidRequest):  # an attribute is missing or invalid
        logger.error("malformed row", extra={"job_id": row["job_id"]["S"]})
        return None
    return None if job.is_expired(at) else job
