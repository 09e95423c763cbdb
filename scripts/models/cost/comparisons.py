"""What measures save or would save on a million jobs, and where an alternative becomes cheaper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from itertools import count

from scripts.models.cost.alternatives import Original, container_month
from scripts.models.cost.pipeline import BATCHES, FORGET, ONE_POLL, PREFER_WAIT, TOLD, Habit, Pipeline
from scripts.models.cost.usage import Usage

_MEMORY = (1024, 512, 256)  # MB of a function
_BISECTIONS = 40


def savings(busy: Pipeline) -> Iterator[tuple[str, str, Decimal]]:
    """Yield each measure that was taken, what it replaces, and what it saves."""
    write, get = busy.million(Usage.of(dynamodb_write_unit=1)), busy.million(Usage.of(s3_get=1))
    one_poll, waiting, batches = (
        busy.million(busy.job("create", habit)) for habit in (ONE_POLL, PREFER_WAIT, BATCHES)
    )
    alone = replace(busy, load=replace(busy.load, batch=1))
    scan = Original(busy).stores(10_000) - Usage.of(dynamodb_write_unit=1, s3_put=1)
    metric_calls = Usage.of(put_metric_data_request=_invocations(busy))
    yield "`Prefer: wait`", "one poll after the 202", one_poll - waiting
    yield "`POST /batches` of 100", "100 requests and 100 polls", one_poll - batches
    yield (
        "a name lock in the transaction",
        "a scan for the name in 10,000 items",
        busy.million(scan - Usage.of(dynamodb_write_unit=2)),
    )
    yield "metrics as log lines", "PutMetricData in both Lambdas", busy.million(metric_calls)
    yield (
        "a sparse index of failed and retrying jobs",
        "an index by status: one write, then two",
        write * 3,
    )
    yield "the job's own condition", "an idempotency table: two writes", write * 2
    yield "no `running` state", "a write before the attempt", write
    yield "the result in the job's row", "a GET from S3 at the end", get
    yield "documents over 1 KB in S3 alone", "4 KB in two rows: two units a kilobyte", write * 16
    worked = (pipeline.million(pipeline.worked("create")) for pipeline in (alone, busy))
    yield "ten messages to an invocation", "one", next(worked) - next(worked)


def levers(pipeline: Pipeline) -> Iterator[tuple[str, str, Decimal]]:
    """Yield each further measure, its other costs, and what it would save on creates with `Prefer: wait`."""
    job, data = pipeline.job("create", PREFER_WAIT), pipeline.data

    def saved(changed: Usage) -> Decimal:
        return pipeline.million(job - changed)

    on_demand = ("dynamodb_write_unit", "dynamodb_read_unit")
    hours = {key.replace("_", "_provisioned_", 1) + "_hour": job.amounts[key] / 3600 for key in on_demand}
    provisioned = Usage({key: amount for key, amount in job.amounts.items() if key not in on_demand} | hours)
    small, large = data.operation("worker", "create"), data.operation("worker", "create_of_1_kb")
    inline = Usage.of(dynamodb_write_unit=large.write_units - small.write_units)
    platform_lines = pipeline.logs(Decimal(), Decimal(), invocations=_invocations(pipeline))
    yield (
        "small documents in the row alone",
        "a second home for documents; the bucket's undo window",
        saved(job.scaled("s3_put", 0)),
    )
    yield "documents of 1 KB in S3 alone", "a GET for each read and poll of one", pipeline.million(inline)
    yield "provisioned tables, always full", "throttling beyond it", saved(provisioned)
    yield (
        "an HTTP API",
        "API keys, usage plans, the gateway's own problem documents and traces",
        saved(job.replaced("api_gateway_rest_request", "api_gateway_http_request")),
    )
    half = job.scaled(f"lambda_gb_second_{data.default('api', 'Architecture')}", Decimal("0.5"))
    yield "functions of 512 MB", "half the CPU: slower cold starts and large documents", saved(half)
    yield (
        "no START, END and REPORT lines",
        "Lambda's own record of time and memory",
        pipeline.million(platform_lines),
    )
    yield "no traces", "what an operator sees", saved(job.scaled("xray", 0))


def _invocations(pipeline: Pipeline) -> Decimal:
    """Return the invocations of both Lambdas for a job."""
    return 1 + 1 / Decimal(pipeline.load.batch)


# --- break-evens ------------------------------------------------------------------------------------------------


def thresholds(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """Yield each break-even and its number."""
    for megabytes in _MEMORY:
        seconds = longest_wait(pipeline, Decimal(megabytes) / 1024)
        yield (
            f"waiting in an API function of {megabytes:,} MB costs less than one poll, while a job ends within",
            f"{seconds:.2f} s",
        )
    yield (
        "a notification by a webhook costs less than polls, if a caller would need at least",
        f"{polls_of_told(pipeline)}",
    )
    yield (
        "the original's create costs as much as ours with `Prefer: wait`, with",
        f"{dearest_scan(pipeline):,} items",
    )
    yield (
        "the original in containers, on an empty table, costs less than ours with `Prefer: wait`, from",
        f"{cheapest_container(pipeline):,} jobs a month",
    )
    yield (
        "a document of 1 KB, the most, in the rows costs less than in S3 alone, if it is read or polled",
        f"{inline_reads(pipeline, 'create_of_1_kb')} times",
    )
    hour, unit = (pipeline.data.price(f"dynamodb_{key}") for key in ("provisioned_write_unit_hour", "write_unit"))
    yield (
        "provisioned write units cost less than those on demand, if of them are used at least",
        f"{hour / (3600 * unit):.0%}",
    )
    yield (
        "looking for the name before the PUT would cost less, if for a name that is taken there fail at least",
        f"{failing_creates(pipeline):.1%} of creates",
    )


def longest_wait(pipeline: Pipeline, memory_gb: Decimal) -> Decimal:
    """Return the seconds of waiting, in a function with this much memory, that cost as much as a poll."""
    memory = memory_gb / pipeline.data.memory_gb("api")
    poll = pipeline.job("create", ONE_POLL) - pipeline.job("create", FORGET)
    dollars = pipeline.dollars(poll.scaled("lambda_gb_second", memory))

    def costs_more(seconds: Decimal) -> bool:
        return pipeline.dollars(pipeline.waiting(seconds).scaled("lambda_gb_second", memory)) > dollars

    return _boundary(costs_more, Decimal(60))


def polls_of_told(pipeline: Pipeline) -> int:
    """Return the smallest number of polls that cost more than notifying a webhook."""
    told = pipeline.dollars(pipeline.job("create", TOLD))
    return next(n for n in count(1) if pipeline.dollars(pipeline.job("create", Habit("polls", polls=n))) > told)


def dearest_scan(pipeline: Pipeline) -> int:
    """Return the items, to a hundred, at which both cost the same, if scans are as fast as in an empty table."""
    ours = pipeline.dollars(pipeline.job("create", PREFER_WAIT))
    original = Original(pipeline)
    request = original.create(0) - original.stores(0)

    def costs_more(items: Decimal) -> bool:
        return pipeline.dollars(request + original.stores(int(items))) > ours

    return int(_boundary(costs_more, Decimal(10_000_000)).quantize(Decimal("1e2")))


def cheapest_container(pipeline: Pipeline) -> int:
    """Return the jobs a month, to ten thousand, that pay for the containers."""
    ours, theirs = pipeline.job("create", PREFER_WAIT), Original(pipeline).in_a_container(0)
    jobs = pipeline.dollars(container_month(pipeline)) / pipeline.dollars(ours - theirs)
    return int(jobs.quantize(Decimal("1e4"), ROUND_CEILING))


def inline_reads(pipeline: Pipeline, operation: str) -> int:
    """Return how many GETs from S3 cost as much as the additional write units."""
    small, larger = (pipeline.data.operation("worker", name).write_units for name in ("create", operation))
    further = pipeline.dollars(Usage.of(dynamodb_write_unit=larger - small))
    return int((further / pipeline.data.price("s3_get")).to_integral_value(ROUND_CEILING))


def failing_creates(pipeline: Pipeline) -> Decimal:
    """Return the share of creates whose PUT and transaction a read of the name before them would save."""
    failing, refused = (
        pipeline.dollars(pipeline.calls(pipeline.data.operation("worker", name)))
        for name in ("name_taken", "not_found")
    )
    return pipeline.data.price("dynamodb_read_unit") / (failing - refused)


def _boundary(is_beyond: Callable[[Decimal], bool], high: Decimal) -> Decimal:
    low = Decimal(0)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_beyond(middle) else (middle, high)
    return low
