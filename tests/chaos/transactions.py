"""The transactions that end jobs, as they pass the proxy: which jobs the worker committed together."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tests.chaos.faults import DYNAMODB, Call

_FULL = 10  # jobs, as many as the messages of a batch


@dataclass(frozen=True, slots=True)
class Grouping:
    """How many commands shared transactions."""

    groups: int = 0  # transactions that ended more than one job
    grouped: int = 0  # the jobs that they ended
    full: int = 0  # those of the groups that ended ten jobs
    folds: int = 0  # in the groups, the documents with more than one command
    folded: int = 0  # the commands for these documents


class Transactions:
    """Observes the calls that succeeded. Threads may share it."""

    def __init__(self, jobs_table: str) -> None:
        self._jobs_table = jobs_table
        self._lock = threading.Lock()
        self._jobs: dict[str, list[str]] = {}  # by the token, since botocore repeats a call whose answer is lost

    def observe(self, call: Call) -> None:
        """Note the jobs that this call has ended, if it is a transaction of a worker."""
        if call.service != DYNAMODB or call.operation != "TransactWriteItems":
            return
        body = json.loads(call.body)
        updates = (each["Update"] for each in body["TransactItems"] if "Update" in each)
        jobs = [each["Key"]["job_id"]["S"] for each in updates if each["TableName"] == self._jobs_table]
        with self._lock:
            self._jobs[body["ClientRequestToken"]] = jobs

    def grouping(self, items: Mapping[str, str]) -> Grouping:
        """Return how many commands shared transactions; `items` are the items of the jobs."""
        with self._lock:
            groups = [jobs for jobs in self._jobs.values() if len(jobs) > 1]
        of_one_item = [
            number
            for jobs in groups
            for number in Counter(items[job] for job in jobs if job in items).values()
            if number > 1
        ]
        return Grouping(
            groups=len(groups),
            grouped=sum(map(len, groups)),
            full=sum(len(jobs) == _FULL for jobs in groups),
            folds=len(of_one_item),
            folded=sum(of_one_item),
        )
