"""Lists of an owner's jobs, from indexes of the jobs table.

A partition of an index takes 1,000 writes a second, and an index that throttles throttles its table. So the entries
of an owner lie in eight shards by their job ids, and a list is read from all of them, in the order of their times:

    owner_shard = alice#0   failed#2026-11-22T20:57:44.123Z
    …
    owner_shard = alice#7   failed#2026-11-22T20:57:43.001Z   retrying#2026-11-22T20:57:44.500Z
    owner_shard = alice     jobs that a release before this one accepted: they know no shard

What failed before this release did is in the index of before, by its owner alone (docs/decisions/0040).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any

from jobpipe.aws import AwsClients, outages
from jobpipe.dynamodb_rows import SHARDS, Row, job_from_row, shards_of
from jobpipe.job import Job, JobPage, Status

LISTED = "listed"
"""Only jobs that are failed or retrying have the attribute: others cost the index nothing."""
EARLIER = "trouble"
"""What releases before this one set in its place; each write of this one removes it."""

LAST = "~"
"""Sorts after every time."""
_Entry = tuple[tuple[str, str], Any]  # time and job id, by which a list is sorted; its row, if the entry is true


@dataclass(frozen=True, slots=True)
class Source:
    """A part of an index in which entries of an owner lie, sorted by status and time."""

    index: str
    key: str  # the attribute that names the part
    value: str
    order: str  # the attribute that sorts it


def place_in_list(status: Status, time: str) -> str:
    """What sorts a job that is in this status since then, RFC 3339."""
    return f"{status.value}#{time}"


def sources(owner: str) -> list[Source]:
    """All in which jobs of the owner may be."""
    return [
        *(Source("lists", "owner_shard", shard, LISTED) for shard in (owner, *shards_of(owner))),
        Source("trouble", "owner", owner, EARLIER),
    ]


def is_listed(row: Row, order: str, status: Status) -> bool:
    """Whether an entry is true: after a roll-back the release before changed jobs, and left their entries."""
    return row["status"].get("S") == status.value and (order == EARLIER or EARLIER not in row)


class JobLists:
    """Lists of jobs on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    def page(self, owner: str, status: Status, limit: int, after: str | None, at: datetime) -> JobPage:
        """Up to `limit` entries, latest first; `after` is the place of the last one before, and its job's id."""
        _, time, job_id = (after or f"#{LAST}#{LAST}").split("#")
        parts = [self._entries(source, status, time, limit) for source in sources(owner)]
        entries = (each for each in merge(*parts, key=itemgetter(0), reverse=True) if each[0] < (time, job_id))
        shown: list[_Entry] = []
        for entry in entries:
            if len(shown) == limit:
                (last, _), jobs = shown[-1], [job for _, row in shown if (job := _live(row, at))]
                return JobPage(jobs, f"{place_in_list(status, last[0])}#{last[1]}")
            shown.append(entry)
        return JobPage([job for _, row in shown if (job := _live(row, at))], None)

    def _entries(self, source: Source, status: Status, time: str, limit: int) -> Iterator[_Entry]:
        """Those of one part at this time or before, latest first; of one time by their ids."""
        rows = self._rows(source, status, time, limit // SHARDS + 4)
        for placed, group in groupby(rows, key=lambda row: row[source.order]["S"]):
            moment = placed.partition("#")[2]
            tied = [((moment, row["job_id"]["S"]), row) for row in group]
            for key, row in sorted(tied, key=itemgetter(0), reverse=True):
                # One that is not true takes its place in a page as well, so that a page is never long in coming.
                yield key, row if is_listed(row, source.order, status) else None

    def _rows(self, source: Source, status: Status, time: str, a_page: int) -> Iterator[Any]:
        start: Any = {}
        while True:
            with outages("The jobs table"):
                answer = self._clients.dynamodb.query(
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
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _live(row: Any, at: datetime) -> Job | None:
    job = None if row is None else job_from_row(row)
    return None if job is None or job.is_expired(at) else job
