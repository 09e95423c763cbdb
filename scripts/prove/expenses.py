"""Counts requests and jobs, and prices them with the model of scripts/models/cost.

The model's quiet load is used: one request a second, one message in an invocation, every request traced. It is the
dearer of its two loads.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from scripts.models.cost.data import read_data
from scripts.models.cost.pipeline import ONE_POLL, Pipeline
from scripts.models.cost.usage import Usage

ACCEPT, BATCH, POLL, GET, LIST, STATS, REFUSED = "accept", "batch", "poll", "get", "list", "stats", "refused"
JOB, TOLD = "job", "told"
_REQUESTS = {  # the operation of the model whose request is nearest, never a cheaper one
    ACCEPT: ("requests that send one command", "accept_create"),
    BATCH: ("requests that send a batch", "accept_batch_of_100"),
    POLL: ("polls of a job", "poll"),
    GET: ("reads of an item", "get_item"),
    LIST: ("lists, and changes of webhooks", "list_failed_jobs"),
    STATS: ("requests without a key, and statistics", "stats"),
    REFUSED: ("requests that are to be refused", "accept_create"),
}
_PAGE_BYTES = 4096  # of a consistent read unit
_KEYS_OF_A_LIST = 1000


@dataclass(frozen=True)
class Line:
    """One line of the bill: a number of one thing."""

    kind: str
    what: str
    number: int
    per_million: Decimal  # dollars, as in docs/cost.md but for the quiet load
    dollars: Decimal


@dataclass
class Tally:
    """The numbers of requests and jobs, by their kinds; threads may share it."""

    counts: Counter[str] = field(default_factory=Counter)
    throttled: int = 0  # answers of 429
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, kind: str, number: int = 1) -> None:
        with self._lock:
            self.counts[kind] += number

    def add_throttled(self) -> None:
        with self._lock:
            self.throttled += 1

    @property
    def requests(self) -> int:
        return sum(self.counts[kind] for kind in _REQUESTS)


def bill(counts: Mapping[str, int], *, events: bool) -> list[Line]:
    """Return what the requests and jobs cost."""
    data = read_data()
    pipeline = Pipeline(data, data.load("quiet"))
    job = pipeline.worked("create") + pipeline.stored("update")
    if events:
        job += pipeline.announced(told=False)
    told = pipeline.announced(told=True) - pipeline.announced(told=False) + pipeline.delivered()
    priced = {
        **{kind: (what, pipeline.request(name)) for kind, (what, name) in _REQUESTS.items()},
        JOB: ("jobs", job),
        TOLD: ("ends of jobs that a webhook is told", told),
    }
    return [
        Line(kind, what, counts[kind], pipeline.million(usage), pipeline.dollars(usage) * counts[kind])
        for kind, (what, usage) in priced.items()
        if counts.get(kind)
    ]


def reading(table_bytes: int, objects: int) -> Decimal:
    """Return the dollars of reading tables of so many bytes consistently, and of listing so many objects."""
    data = read_data()
    lists = objects // _KEYS_OF_A_LIST + 1
    return Usage.of(dynamodb_read_unit=table_bytes // _PAGE_BYTES + 1, s3_list=lists).dollars(data.prices)


def documented() -> dict[str, Decimal]:
    """Return what docs/cost.md has for a million creates with one poll each, by the load."""
    data = read_data()
    pipelines = {name: Pipeline(data, data.load(name)) for name in ("busy", "quiet")}
    return {name: each.million(each.job("create", ONE_POLL)) for name, each in pipelines.items()}
