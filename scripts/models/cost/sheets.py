"""The tables of the bill: dollars for a million jobs, unless they say otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from scripts.models.cost.alternatives import SIZES, Original, container_month, naive_create
from scripts.models.cost.data import Data
from scripts.models.cost.measures import levers, savings
from scripts.models.cost.pipeline import FIVE_POLLS, FORGET, HABITS, ONE_POLL, PREFER_WAIT, Habit, Pipeline
from scripts.models.cost.standing import AGE, month
from scripts.models.cost.thresholds import thresholds
from scripts.models.cost.usage import LINES, MILLION, Usage

Cell = str | Decimal  # dollars
JOBS = {
    "create": "create",
    "create, 100 KB": "create_large",
    "update": "update",
    "update, 100 KB": "update_large",
    "delete": "delete",
    "read as a job": "read",
}
REQUESTS = {
    "accept a create": "accept_create",
    "accept one of 100 KB": "accept_create_large",
    "accept by claim check": "accept_create_by_claim",
    "poll": "poll",
    "poll with a result of 100 KB": "poll_large",
    "GET of an item": "get_item",
    "GET of an item of 100 KB": "get_large_item",
    "page of 10 items": "list_page",
    "list of failed jobs": "list_failed_jobs",
    "stats": "stats",
    "cancel": "cancel",
    "retry": "retry",
}
WAITS = ("0.05", "0.15", "0.3", "1", "2", "5", "20")
DOCUMENTS = {"0.1 KB": "create", "1 KB": "create_of_1_kb", "100 KB": "create_large"}


@dataclass(frozen=True)
class Sheet:
    """A table with a name, by which docs/cost.md has its place."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def sheets(data: Data) -> Iterator[Sheet]:
    """All of them."""
    busy, quiet = (Pipeline(data, data.load(name)) for name in ("busy", "quiet"))
    yield _operations(busy)
    yield _habits(busy, quiet)
    yield _comparison(busy)
    yield _requests(busy)
    yield _waits(busy)
    yield _documents(busy)
    yield Sheet("savings", "What was done about it", ("what", "instead of", "saves"), tuple(savings(busy)))
    yield Sheet("levers", "What is left to do", ("what", "costs", "saves"), tuple(levers(busy)))
    yield Sheet("thresholds", "Break-evens", ("what", "at"), tuple(thresholds(busy)))
    yield _standing(data)


def _operations(pipeline: Pipeline) -> Sheet:
    jobs = {what: pipeline.job(name, FORGET) for what, name in JOBS.items()}
    return _billed("operations", "A million jobs, nobody asks how they end", "job", pipeline, jobs)


def _habits(busy: Pipeline, quiet: Pipeline) -> Sheet:
    def row(pipeline: Pipeline) -> Iterator[tuple[Decimal, Decimal]]:
        for habit in HABITS:
            bill = pipeline.job("create", habit).lines(pipeline.data.prices)
            yield _million(sum(bill.values(), Decimal())), _million(bill["API Gateway"])

    rows: list[tuple[Cell, ...]] = [
        (habit.name, total, gateway, f"{gateway / total:.0%}", slow)
        for habit, (total, gateway), (slow, _) in zip(HABITS, row(busy), row(quiet), strict=True)
    ]
    columns = ("how the caller hears of the end", "busy", "of it API Gateway", "share", "quiet")
    return Sheet("habits", "A million creates, by what their callers do", columns, tuple(rows))


def _comparison(pipeline: Pipeline) -> Sheet:
    original = Original(pipeline)
    ways: dict[str, Usage] = {
        "jobpipe, fire and forget": pipeline.job("create", FORGET),
        "jobpipe, Prefer: wait": pipeline.job("create", PREFER_WAIT),
        "jobpipe, one poll": pipeline.job("create", ONE_POLL),
        **{f"original, {items:,} items": original.create(items) for items in SIZES},
        "jobpipe, polls for 5 s": pipeline.job("create", FIVE_POLLS),
        "naive pipeline, one poll": naive_create(pipeline, 1),
        "naive pipeline, polls for 5 s": naive_create(pipeline, FIVE_POLLS.polls),
        "original, update": original.update(),
        "jobpipe, update, Prefer: wait": pipeline.job("update", PREFER_WAIT),
        "original, delete": original.delete(),
        "jobpipe, delete, Prefer: wait": pipeline.job("delete", PREFER_WAIT),
        "original, GET of an item": original.read(),
        "jobpipe, GET of an item": pipeline.request("get_item"),
    }
    return _billed("comparison", "A million creates, and others", "way", pipeline, ways)


def _requests(pipeline: Pipeline) -> Sheet:
    requests = {what: pipeline.request(name) for what, name in REQUESTS.items()}
    requests["stats that ask CloudWatch for the age"] = requests["stats"] + AGE
    return _billed("requests", "A million requests of one kind", "request", pipeline, requests)


def _waits(pipeline: Pipeline) -> Sheet:
    """Somebody who polls looks after one second at the earliest."""
    prices = pipeline.data.prices
    forgotten = pipeline.job("create", FORGET).dollars(prices)
    rows: list[tuple[Cell, ...]] = []
    for seconds in map(Decimal, WAITS):
        polls = Habit("polls", polls=int(seconds.to_integral_value(ROUND_CEILING)))
        waiting, polling = (
            _million(pipeline.job("create", habit, seconds=seconds).dollars(prices) - forgotten)
            for habit in (PREFER_WAIT, polls)
        )
        rows.append((f"{seconds} s", waiting, polling, "wait" if waiting < polling else "poll"))
    columns = ("the job takes", "`Prefer: wait`", "a poll each second", "cheaper")
    return Sheet("waits", "What hearing of the end costs, for a million jobs", columns, tuple(rows))


def _documents(pipeline: Pipeline) -> Sheet:
    prices = pipeline.data.prices
    rows: list[tuple[Cell, ...]] = []
    for size, name in DOCUMENTS.items():
        counted = pipeline.data.operation("worker", name)
        bill = pipeline.worked(name).lines(prices)
        reading = Usage.of(s3_get=counted.calls.get("s3:PutObject", 0)) if size == "100 KB" else Usage()
        stored = (_million(dollars) for dollars in (bill["DynamoDB"], bill["S3"], reading.dollars(prices)))
        rows.append((size, f"{counted.write_units}", *stored))
    columns = ("document", "write units", "DynamoDB", "S3 PUT", "S3 GET of each read or poll")
    return Sheet("documents", "What the worker of a million creates writes, by size", columns, tuple(rows))


def _standing(data: Data) -> Sheet:
    pipeline = Pipeline(data, data.load("quiet"))
    rows: list[tuple[Cell, ...]] = [
        (what, why, usage.dollars(data.prices)) for what, (why, usage) in month(data).items()
    ]
    container = container_month(pipeline).dollars(data.prices)
    rows.append(("the original's container", "two tasks of 0.25 vCPU, a load balancer; to compare with", container))
    return Sheet("standing", "A month, whatever happens in it", ("what", "why so much", "dollars"), tuple(rows))


_LINES = tuple(line for line in LINES if line != "by the month")


def _billed(name: str, title: str, what: str, pipeline: Pipeline, usages: Mapping[str, Usage]) -> Sheet:
    """Each by the lines of its bill."""
    rows: list[tuple[Cell, ...]] = []
    for each, usage in usages.items():
        lines = usage.lines(pipeline.data.prices)
        rows.append((each, *(_million(lines[line]) for line in _LINES), _million(sum(lines.values(), Decimal()))))
    return Sheet(name, title, (what, *_LINES, "total"), tuple(rows))


def _million(dollars: Decimal) -> Decimal:
    return dollars * MILLION
