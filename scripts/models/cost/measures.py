"""What was done to make a job cheaper, and what else could be: each as dollars for a million jobs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from scripts.models.cost.alternatives import Original
from scripts.models.cost.pipeline import BATCHES, ONE_POLL, PREFER_WAIT, Habit, Pipeline
from scripts.models.cost.usage import MILLION, Usage

Row = tuple[str, str, Decimal]


def savings(busy: Pipeline) -> Iterator[Row]:
    """Each against the way it is often done."""
    prices = busy.data.prices
    write, get = (Usage.of(**{key: MILLION}).dollars(prices) for key in ("dynamodb_write_unit", "s3_get"))
    one_poll = _job(busy, ONE_POLL)
    alone = replace(busy, load=replace(busy.load, batch=1))
    lock = Usage.of(dynamodb_write_unit=2)
    scan = Original(busy).stored(10_000) + Usage.of(dynamodb_write_unit=-1, s3_put=-1)
    scanned = _dollars(busy, scan) - _dollars(busy, lock)
    yield "`Prefer: wait`", "one poll after the 202", one_poll - _job(busy, PREFER_WAIT)
    yield "`POST /batches` of 100", "100 requests and 100 polls", one_poll - _job(busy, BATCHES)
    yield "a name lock in the transaction", "a scan for the name in 10,000 items", scanned
    yield "metrics as log lines", "PutMetricData in both Lambdas", _metric_calls(busy)
    yield "a sparse index of jobs in trouble", "an index by status: one write, then two", write * 3
    yield "the job's own condition", "an idempotency table: two writes", write * 2
    yield "no `running` state", "a write before the attempt", write
    yield "the result stands in the job's row", "a GET from S3 at the end", get
    yield "documents over 1 KB stand in S3 alone", "4 KB in two rows: two units a kilobyte", write * 16
    yield "ten messages to an invocation", "one", _worked(alone) - _worked(busy)


def levers(pipeline: Pipeline) -> Iterator[Row]:
    """Of a create with `Prefer: wait`; what each would cost besides money stands before the saving."""
    job = pipeline.job("create", PREFER_WAIT)
    now = _dollars(pipeline, job)
    data = pipeline.data
    small, large = data.operation("worker", "create"), data.operation("worker", "create_of_1_kb")
    inline = Usage.of(dynamodb_write_unit=large.write_units - small.write_units)
    gb_second = f"lambda_gb_second_{data.default('api', 'Architecture')}"
    unit_hours = Usage.of(
        dynamodb_provisioned_write_unit_hour=job.amounts["dynamodb_write_unit"] / 3600,
        dynamodb_provisioned_read_unit_hour=job.amounts["dynamodb_read_unit"] / 3600,
    )
    on_demand = Usage({key: job.amounts[key] for key in ("dynamodb_write_unit", "dynamodb_read_unit")})
    http = now - _dollars(pipeline, job.instead("api_gateway_rest_request", "api_gateway_http_request"))
    provisioned = _dollars(pipeline, on_demand) - _dollars(pipeline, unit_hours)
    half = now - _dollars(pipeline, job.scaled(gb_second, Decimal("0.5")))
    no_put = now - _dollars(pipeline, job.scaled("s3_put", 0))
    yield "small documents in the row alone", "a second home for documents; the bucket's undo window", no_put
    yield "documents of 1 KB in S3 alone", "a GET for each read and poll of one", _dollars(pipeline, inline)
    yield "provisioned tables, always full", "throttling beyond it", provisioned
    yield "an HTTP API", "API keys, usage plans, the gateway's own problem documents and traces", http
    yield "functions of 512 MB", "half the CPU: slower cold starts and large documents", half
    yield "no START, END and REPORT lines", "Lambda's own word on time and memory", _platform_lines(pipeline)
    yield "no traces", "what an operator sees", now - _dollars(pipeline, job.scaled("xray", 0))


def _job(pipeline: Pipeline, habit: Habit) -> Decimal:
    return _dollars(pipeline, pipeline.job("create", habit))


def _worked(pipeline: Pipeline) -> Decimal:
    return _dollars(pipeline, pipeline.worked("create"))


def _metric_calls(pipeline: Pipeline) -> Decimal:
    calls = 1 + 1 / Decimal(pipeline.load.batch)
    return _dollars(pipeline, Usage.of(put_metric_data_request=calls))


def _platform_lines(pipeline: Pipeline) -> Decimal:
    invocations = 1 + 1 / Decimal(pipeline.load.batch)
    return _dollars(pipeline, pipeline.logs(Decimal(), Decimal(), invocations=invocations))


def _dollars(pipeline: Pipeline, usage: Usage) -> Decimal:
    return usage.dollars(pipeline.data.prices) * MILLION
