"""From when on another way is cheaper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import ROUND_CEILING, Decimal

from scripts.models.cost.alternatives import Original, container_month
from scripts.models.cost.pipeline import FORGET, ONE_POLL, PREFER_WAIT, Pipeline
from scripts.models.cost.usage import Usage

_MEMORY = (1024, 512, 256)
_TRIES = 40


def thresholds(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """Each with its number."""
    for megabytes in _MEMORY:
        seconds = longest_wait(pipeline, Decimal(megabytes) / 1024)
        yield (
            f"waiting in an API function of {megabytes:,} MB costs less than one poll, while a job ends within",
            (f"{seconds:.2f} s"),
        )
    yield (
        "the original's create costs as much as ours with `Prefer: wait`, with",
        f"{dearest_scan(pipeline):,} items",
    )
    yield (
        "the original in containers, on an empty table, costs less than ours with `Prefer: wait`, from",
        (f"{cheapest_container(pipeline):,} jobs a month"),
    )
    yield (
        "a document of 1 KB, the most, in the rows costs less than in S3 alone, if it is read or polled",
        (f"{inline_reads(pipeline, 'create_of_1_kb')} times"),
    )
    yield (
        "provisioned write units cost less than those on demand, if of them are used at least",
        (f"{provisioned_use(pipeline):.0%}"),
    )
    yield (
        "looking for the name before the PUT would cost less, if for a name that is taken there fail at least",
        (f"{failing_creates(pipeline):.1%} of creates"),
    )


def longest_wait(pipeline: Pipeline, memory_gb: Decimal) -> Decimal:
    """Seconds of waiting that cost what one poll after the 202 costs, in a function with so much memory."""
    poll = pipeline.job("create", ONE_POLL) + _negative(pipeline.job("create", FORGET))

    def dollars(usage: Usage) -> Decimal:
        return _dollars(pipeline, usage.scaled("lambda_gb_second", memory_gb / pipeline.data.memory_gb("api")))

    def dearer(seconds: Decimal) -> bool:
        return dollars(pipeline.waiting(seconds)) > dollars(poll)

    return _boundary(dearer, Decimal(0), Decimal(60))


def dearest_scan(pipeline: Pipeline) -> int:
    """Items in the table, to a hundred; the time of a scan is left at that of an empty table, in its favour."""
    ours = _dollars(pipeline, pipeline.job("create", PREFER_WAIT))
    original = Original(pipeline)
    base = original.create(0) + _negative(original.stored(0))

    def dearer(items: Decimal) -> bool:
        return _dollars(pipeline, base + original.stored(int(items))) > ours

    return int(_boundary(dearer, Decimal(0), Decimal(10_000_000)).quantize(Decimal("1e2")))


def cheapest_container(pipeline: Pipeline) -> int:
    """Jobs a month, to ten thousand."""
    ours = _dollars(pipeline, pipeline.job("create", PREFER_WAIT))
    theirs = _dollars(pipeline, Original(pipeline).in_a_container(0))
    jobs = _dollars(pipeline, container_month(pipeline)) / (ours - theirs)
    return int(jobs.quantize(Decimal("1e4"), ROUND_CEILING))


def inline_reads(pipeline: Pipeline, operation: str) -> int:
    """GETs from S3 that pay for the further write units."""
    small, larger = (pipeline.data.operation("worker", name).write_units for name in ("create", operation))
    further = Usage.of(dynamodb_write_unit=larger - small)
    return int((_dollars(pipeline, further) / pipeline.data.price("s3_get")).to_integral_value(ROUND_CEILING))


def provisioned_use(pipeline: Pipeline) -> Decimal:
    """The share of the hour's capacity that is used."""
    hour = pipeline.data.price("dynamodb_provisioned_write_unit_hour")
    return hour / (3600 * pipeline.data.price("dynamodb_write_unit"))


def failing_creates(pipeline: Pipeline) -> Decimal:
    """The share whose PUT and transaction a read of the name before them would save."""
    read = Usage.of(dynamodb_read_unit=1)
    failing, refused = (
        _dollars(pipeline, pipeline.calls(pipeline.data.operation("worker", name)))
        for name in ("name_taken", "not_found")
    )
    return _dollars(pipeline, read) / (failing - refused)


def _boundary(beyond: Callable[[Decimal], bool], low: Decimal, high: Decimal) -> Decimal:
    for _ in range(_TRIES):
        middle = (low + high) / 2
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return low


def _negative(usage: Usage) -> Usage:
    return usage * -1


def _dollars(pipeline: Pipeline, usage: Usage) -> Decimal:
    return usage.dollars(pipeline.data.prices)
