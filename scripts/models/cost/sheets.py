"""The tables of docs/cost.md: dollars for a million jobs, unless they say otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from api_lambda.chalicelib.http.request_fields import DEFAULT_PAGE
from infra.settings import ROOT
from jobpipe.stores.jobs.dynamodb_recent_jobs import recent_partitions
from scripts.markdown import table
from scripts.models.cost.alternatives import SIZES, Original, container_month, naive_create
from scripts.models.cost.comparisons import levers, savings, thresholds
from scripts.models.cost.data import Data
from scripts.models.cost.pipeline import (
    FIVE_POLLS,
    FORGET,
    HABITS,
    ONE_POLL,
    PREFER_WAIT,
    TOLD,
    UNTOLD,
    Habit,
    Pipeline,
)
from scripts.models.cost.standing import AGE, month
from scripts.models.cost.usage import LINES, MILLION, Usage

PAGE = ROOT / "docs" / "cost.md"
Cell = str | Decimal  # dollars
Row = tuple[Cell, ...]
_JOBS = {
    "create": "create",
    "create, 100 KB": "create_large",
    "update": "update",
    "update, 100 KB": "update_large",
    "delete": "delete",
    "read as a job": "read",
}
_REQUESTS = {
    "accept a create": "accept_create",
    "accept one of 100 KB": "accept_create_large",
    "accept one of 300 KB": "accept_create_long",
    "accept by claim check, 400 KB": "accept_create_by_claim",
    "poll": "poll",
    "poll with a result of 100 KB": "poll_large",
    "GET of an item": "get_item",
    "GET of an item of 100 KB": "get_large_item",
    "page of 10 items": "list_page",
    "list of failed jobs": "list_failed_jobs",
    "stats": "stats",
    "stats that count scheduled commands, of which there are none": "stats_that_count_scheduled",
    "cancel": "cancel",
    "retry": "retry",
}
_LOOKUPS = {
    "GET of a document": "get_document",
    "by the key": "look_up_by_key",
    "by a unique field": "look_up_by_a_unique_field",
    "by an indexed field, 10 documents": "look_up_by_an_index",
    "page of 10 documents": "list_page_of_a_collection",
}
_WAITS = ("0.05", "0.15", "0.3", "1", "2", "5", "20")  # seconds
_COMMANDS = (8, 64, 200, 320, 380, 640, 1000)  # KB
_DOCUMENTS = {"0.1 KB": "create", "1 KB": "create_of_1_kb", "100 KB": "create_large"}


@dataclass(frozen=True)
class Sheet:
    """A table; docs/cost.md has a place for it under its name."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def markdown(self) -> str:
        numbers = [n for n, cell in enumerate(self.rows[0]) if isinstance(cell, Decimal)]
        return table(self.columns, (tuple(map(formatted, row)) for row in self.rows), right=numbers)


def formatted(cell: Cell) -> str:
    """Return dollars with two digits, and text as it is."""
    return f"{cell:,.2f}" if isinstance(cell, Decimal) else cell


def sheets(data: Data) -> Iterator[Sheet]:
    """Yield all tables, in the order of the page."""
    busy, quiet = (Pipeline(data, data.load(name)) for name in ("busy", "quiet"))
    jobs = {what: busy.job(name, FORGET) for what, name in _JOBS.items()}
    requests = {what: busy.request(name) for what, name in _REQUESTS.items()}
    requests["stats that ask CloudWatch for the age"] = requests["stats"] + AGE
    yield _billed("operations", "A million jobs, nobody asks how they end", "job", busy, jobs)
    yield _sheet(
        "habits",
        "A million creates, by what their callers do",
        ("how the caller hears of the end", "busy", "of it API Gateway", "share", "quiet"),
        _habits(busy, quiet),
    )
    yield _billed("comparison", "A million creates, and others", "way", busy, _ways(busy))
    yield _billed(
        "events", "A million creates of 0.1 KB, notified or polled", "how the end is heard of", busy, _told(busy)
    )
    yield _billed("requests", "A million requests of one kind", "request", busy, requests)
    yield _sheet(
        "waits",
        "What hearing of the end costs, for a million jobs",
        ("the job takes", "`Prefer: wait`", "a poll each second", "cheaper"),
        _waits(busy),
    )
    yield _sheet(
        "documents",
        "What the worker of a million creates writes, by size",
        ("document", "write units", "DynamoDB", "S3 PUT", "S3 GET of each read or poll"),
        _documents(busy),
    )
    yield _sheet(
        "claims",
        "A million large commands: in their messages, or as claim checks",
        (
            "command",
            "in its message",
            "as a claim check",
            "of it storage",
            "kept in a failed job's row",
            "kept as a claim check",
        ),
        _claims(busy),
    )
    yield _sheet(
        "job-lists",
        "What the list of all jobs costs, for a million jobs or pages",
        ("what", "`JobLists=off`", "`JobLists=on`"),
        _job_lists(busy),
    )
    yield _sheet(
        "collections",
        "What the worker of a million commands asks of DynamoDB and S3, by what a collection has",
        ("a document", "create", "change", "delete"),
        _collections(busy),
    )
    yield _sheet(
        "lookups",
        "A million reads of a collection, without the request itself",
        ("read", "read units", "DynamoDB"),
        _lookups(busy),
    )
    yield _sheet("savings", "What was done about it", ("what", "instead of", "saves"), savings(busy))
    yield _sheet("levers", "What is left to do", ("what", "costs", "saves"), levers(busy))
    yield _sheet("thresholds", "Break-evens", ("what", "at"), thresholds(busy))
    yield _sheet(
        "standing", "A month, whatever happens in it", ("what", "why so much", "dollars"), _standing(quiet)
    )


def _sheet(name: str, title: str, columns: tuple[str, ...], rows: Iterable[Row]) -> Sheet:
    return Sheet(name, title, columns, tuple(rows))


def _billed(name: str, title: str, what: str, pipeline: Pipeline, usages: Mapping[str, Usage]) -> Sheet:
    """Return a table with each usage by the lines of its bill."""
    rows: list[Row] = []
    for each, usage in usages.items():
        lines = usage.lines(pipeline.data.prices)
        rows.append((each, *(lines[line] * MILLION for line in LINES), pipeline.million(usage)))
    return Sheet(name, title, (what, *LINES, "total"), tuple(rows))


def _habits(busy: Pipeline, quiet: Pipeline) -> Iterator[Row]:
    for habit in HABITS:
        job = busy.job("create", habit)
        total, gateway = busy.million(job), job.lines(busy.data.prices)["API Gateway"] * MILLION
        yield habit.name, total, gateway, f"{gateway / total:.0%}", quiet.million(quiet.job("create", habit))


def _ways(pipeline: Pipeline) -> dict[str, Usage]:
    original = Original(pipeline)
    return {
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


def _told(pipeline: Pipeline) -> dict[str, Usage]:
    habits = (FORGET, UNTOLD, TOLD, PREFER_WAIT, ONE_POLL, FIVE_POLLS)
    return {habit.name: pipeline.job("create", habit) for habit in habits}


def _waits(pipeline: Pipeline) -> Iterator[Row]:
    """Yield the costs of both ways; a caller that polls does so after one second at the earliest."""
    forgotten = pipeline.job("create", FORGET)
    for seconds in map(Decimal, _WAITS):
        polls = Habit("polls", polls=int(seconds.to_integral_value(ROUND_CEILING)))
        waiting, polling = (
            pipeline.million(pipeline.job("create", habit, seconds=seconds) - forgotten)
            for habit in (PREFER_WAIT, polls)
        )
        yield f"{seconds} s", waiting, polling, "wait" if waiting < polling else "poll"


def _documents(pipeline: Pipeline) -> Iterator[Row]:
    for size, name in _DOCUMENTS.items():
        counted = pipeline.data.operation("worker", name)
        bill = pipeline.worked(name).lines(pipeline.data.prices)
        gets = counted.calls.get("s3:PutObject", 0) if size == "100 KB" else 0
        reading = pipeline.million(Usage.of(s3_get=gets))
        yield size, f"{counted.write_units}", bill["DynamoDB"] * MILLION, bill["S3"] * MILLION, reading


def _claims(pipeline: Pipeline) -> Iterator[Row]:
    for kilobytes in _COMMANDS:
        size = kilobytes * 1024
        claim = pipeline.carried(size, by_claim=True)
        yield (
            f"{kilobytes:,} KB",
            pipeline.million(pipeline.carried(size, by_claim=False)),
            pipeline.million(claim),
            claim.lines(pipeline.data.prices)["storage"] * MILLION,
            *(pipeline.million(pipeline.kept(size, by_claim=by_claim)) for by_claim in (False, True)),
        )


def _job_lists(pipeline: Pipeline) -> Iterator[Row]:
    """Yield the costs without and with the index: a job enters it once, and then nothing in its entry changes."""
    entry = Usage.of(dynamodb_write_unit=1)
    for what, habit in {"creates, fire and forget": FORGET, "creates, one poll": ONE_POLL}.items():
        job = pipeline.job("create", habit)
        yield what, pipeline.million(job), pipeline.million(job + entry)
    yield "of it the index", Decimal(), pipeline.million(entry)
    partitions, jobs = len(recent_partitions("")), DEFAULT_PAGE
    reads = Usage.of(dynamodb_read_unit=Decimal(partitions + jobs) / 2)  # each eventually consistent
    yield f"what a page of {jobs} jobs reads", Decimal(), pipeline.million(reads)


def _collections(pipeline: Pipeline) -> Iterator[Row]:
    """Yield what the calls for a plain document cost, and what each property of its collection adds."""

    def dollars(name: str) -> Decimal:
        return pipeline.million(pipeline.calls(pipeline.data.operation("worker", name)))

    def added(*names: str) -> Iterator[Decimal]:
        return (dollars(name) - plain[name.partition("_")[0]] for name in names)

    plain = {
        "create": dollars("create_in_a_collection"),
        "update": dollars("update_in_a_collection"),
        "delete": dollars("delete_in_a_collection"),
    }
    yield "an item, which has a unique name", *map(dollars, plain)
    yield "of another collection, without any of these", *plain.values()
    unique = ("create_with_a_unique_field", "update_beside_a_unique_field", "delete_with_a_unique_field")
    indexed = ("create_with_an_indexed_field", "update_beside_an_indexed_field", "delete_with_an_indexed_field")
    yield "each unique field adds", *added(*unique)
    yield "… if the change gives it another value", Decimal(), *added("update_of_a_unique_field"), Decimal()
    yield "each indexed field adds", *added(*indexed)
    yield "a key adds", *added("create_with_a_key"), Decimal(), Decimal()
    upserts = (dollars(f"upsert_of_{kind}_document") for kind in ("a_new", "an_existing"))
    new, existing = (each - plain[kind] for each, kind in zip(upserts, ("create", "update"), strict=True))
    yield "an upsert adds to a create or a change", new, existing, Decimal()


def _lookups(pipeline: Pipeline) -> Iterator[Row]:
    for what, name in _LOOKUPS.items():
        counted = pipeline.data.operation("api", name)
        yield what, f"{counted.read_units:g}", pipeline.million(pipeline.calls(counted))


def _standing(pipeline: Pipeline) -> Iterator[Row]:
    for what, (why, usage) in month(pipeline.data).items():
        yield what, why, pipeline.dollars(usage)
    container = pipeline.dollars(container_month(pipeline))
    yield "the original's container", "two tasks of 0.25 vCPU, a load balancer; to compare with", container
