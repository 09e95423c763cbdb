"""The list of all of an owner's jobs, from the index `recent` of the jobs table.

The index has the partitions of the lists of failed and retrying jobs (`owner_shard`) and the order of acceptance.
It projects nothing that changes, so a job is written to it once, when it is accepted, and the jobs themselves are
read from the table. The index has the fingerprints, which name the jobs' collections.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any

from botocore.exceptions import ClientError

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.errors import JobListOff
from jobpipe.domain.jobs.job import Job, JobPage
from jobpipe.domain.jobs.job_filter import JobFilter
from jobpipe.runtime.aws import AwsClients, error_code
from jobpipe.stores.dynamodb_rows import SHARDS, collection_in, shards_of
from jobpipe.stores.jobs.dynamodb_batches import read_rows
from jobpipe.stores.jobs.dynamodb_job_lists import (
    LAST,
    MOST_EXAMINED,
    Entry,
    IndexPartition,
    latest_first,
    readable_job,
)

_INDEX = "recent"
_FIRST = "0"  # sorts before every time
_READ_AT_ONCE = 100  # rows of the table
_MOMENT = timedelta(milliseconds=1)


def recent_partitions(owner: str) -> list[IndexPartition]:
    """Return all partitions that may have jobs of the owner."""
    return [IndexPartition(_INDEX, "owner_shard", shard, "created_at") for shard in (owner, *shards_of(owner))]


class DynamoDbRecentJobs:
    """An implementation of RecentJobs on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    def page(self, owner: str, job_filter: JobFilter, limit: int, after: str | None, at: datetime) -> JobPage:
        """Return up to `limit` jobs, the last accepted first; `after` is the previous page's `next_after`."""
        try:
            return self._page(owner, job_filter, limit, after, at)
        except ClientError as error:
            # The index is being made or removed, and this Lambda has the old setting still, or the new one already.
            if error_code(error) == "ValidationException" and "index" in str(error):
                raise JobListOff("This stage's list of all jobs is being made or removed.") from error
            raise

    def _page(self, owner: str, job_filter: JobFilter, limit: int, after: str | None, at: datetime) -> JobPage:
        _, time, job_id = (after or f"#{LAST}#{LAST}").split("#")
        places = self._places(owner, job_filter, time, MOST_EXAMINED if _excludes_jobs(job_filter) else limit)
        places = (each for each in places if each[0] < (time, job_id))
        jobs: list[Job] = []
        examined = 0
        seen = (time, job_id)
        while examined < MOST_EXAMINED:
            chunk = list(islice(places, _READ_AT_ONCE if _excludes_jobs(job_filter) else limit - len(jobs)))
            if not chunk:
                return JobPage(jobs, None)
            examined += len(chunk)
            current = self._read(chunk, job_filter)
            for place, _ in chunk:
                if len(jobs) == limit:
                    return JobPage(jobs, _cursor(seen))
                seen = place
                job = current.get(place)
                if job is not None and not job.is_expired(at) and job_filter.matches(job):
                    jobs.append(job)
            if len(jobs) == limit:
                break
        return JobPage(jobs, None if next(places, None) is None else _cursor(seen))

    def _places(self, owner: str, job_filter: JobFilter, time: str, entries: int) -> Iterator[Entry]:
        """Return an iterator over the owner's entries from this time back; so many `entries` will be needed."""
        first, last = job_filter.since or _FIRST, time
        if job_filter.until is not None:
            try:
                last = min(last, rfc3339(datetime.fromisoformat(job_filter.until) - _MOMENT))
            except OverflowError:  # no time is before it
                return iter(())
        if first > last:  # DynamoDB refuses such a range
            return iter(())
        parts = (
            latest_first(self._clients, self._table, partition, (first, last), entries // SHARDS + 4)
            for partition in recent_partitions(owner)
        )
        return merge(*parts, key=itemgetter(0), reverse=True)

    def _read(self, entries: list[Entry], job_filter: JobFilter) -> dict[tuple[str, str], Job]:
        """Return the jobs of these entries by place, except jobs of other collections."""
        ids = [job_id for (_, job_id), row in entries if job_filter.collection in {None, _collection(row)}]
        rows = read_rows(self._clients, self._table, ids, consistent=False) if ids else []
        # An expired job's id may belong to a new job by now, which has an entry of its own.
        return {(job.created_at, job.job_id): job for job in map(readable_job, rows) if job is not None}


def _excludes_jobs(job_filter: JobFilter) -> bool:
    """Return whether the filter may exclude jobs within its range of times."""
    return job_filter.status is not None or job_filter.collection is not None


def _collection(row: Any) -> str:
    return collection_in(row.get("fingerprint", {}).get("S", ""))


def _cursor(place: tuple[str, str]) -> str:
    return f"all#{place[0]}#{place[1]}"
