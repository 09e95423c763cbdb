"""Counts requests and jobs, and prices them with the model of scripts/models/cost.

The model's quiet load is used: one request a second, one message in an invocation, every request traced. It is the
more expensive of the model's two loads.
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
_REQUESTS = {  # the model's operation that is closest to the request, and never cheaper
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
    """A line of the bill, for requests or jobs of a kind."""

    kind: str
    what: str
    number: int
    per_million: Decimal  # dollars, as in docs/cost.md, but for the quiet load
    dollars: Decimal


@dataclass
class Tally:
    """The numbers of requests and jobs, by kind; threads may share it."""

    counts: Counter[str] = field(default_factory=Counter)
    throttled: int = 0  # responses with 429
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
    """Return the bill for the requests and jobs."""
    data = read_data()
    pipeline = Pipeline(data, data.load("quiet"))
    job = pipeline.worked("create") + pipeline.stored("update")
    if events:
        job += pipeline.announced(told=False)
    told = pipeline.announced(told=True) - pipeline.announced(told=False) + pipeline.delivered()
    priced = {
        **{kind: (what, pipeline.request(name)) for kind, (what, name) in _REQUESTS.items()},
        JOB: ("jobs", job),
        TOLD: ("ends of jobs that are delivered to a webhook", told),
    }
    return [
        Line(kind, what, counts[kind], pipeline.million(usage), pipeline.dollars(usage) * counts[kind])
        for kind, (what, usage) in priced.items()
        if counts.get(kind)
    ]


def reading(table_bytes: int, objects: int) -> Decimal:
    """Return the price in dollars of reading tables of this size consistently, and of listing the objects."""
    data = read_data()
    lists = objects // _KEYS_OF_A_LIST + 1
    return Usage.of(dynamodb_read_unit=table_bytes // _PAGE_BYTES + 1, s3_list=lists).dollars(data.prices)


def documented() -> dict[str, Decimal]:
    """Return the price in docs/cost.md of a million creates with one poll each, by load."""
    data = read_data()
    pipelines = {name: Pipeline(data, data.load(name)) for name in ("busy", "quiet")}
    return {name: each.million(each.job("create", ONE_POLL)) for name, each in pipelines.items()}
