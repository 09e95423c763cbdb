"""The tables of docs/scaling.md, from the figures of docs/scaling.json."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.models.scaling.assumptions import assumptions

Figures = dict[str, Any]
NAMES = {
    "key": "the usage plan of one key",
    "route": "the stage's limit of a route",
    "account": "API Gateway, the account",
    "lambda": "Lambda, the account's concurrency",
    "scale-up": "Lambda, growth of one function",
    "send": "SQS, SendMessage",
    "jobs table": "DynamoDB, the jobs table",
    "items table": "DynamoDB, the items table",
    "names table": "DynamoDB, the names table",
    "prefix": "S3, one prefix",
    "pollers": "pollers, how fast they multiply",
    "worker concurrency": "batches at once",
    "window": "the queue's look at 120,000 messages",
}


_OUT = {"worker": "the worker", "dynamodb": "DynamoDB", "s3": "S3"}


@dataclass(frozen=True, slots=True)
class Table:
    """Its head and its lines."""

    head: tuple[str, ...]
    lines: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        """As it stands in a page."""
        rows = [self.head, ["---"] * len(self.head), *self.lines]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def seconds(value: float | None) -> str:
    """A time as one says it: 120 ms, 3.4 s, 23 min, 1.5 h; a dash for what never came."""
    if value is None or math.isnan(value):
        return "–"  # noqa: RUF001  # a dash, for no value
    for limit, unit, size, digits in ((1, "ms", 0.001, 0), (90, "s", 1, 1), (5_400, "min", 60, 0)):
        if value < limit:
            return f"{value / size:.{digits}f} {unit}"
    return f"{value / 3600:.1f} h"


def _share(value: float) -> str:
    return f"{value:.1%}" if value else "0"


def _rate(rate: str) -> str:
    return f"{int(rate):,}"


def _rates(figures: Figures) -> Table:
    lines = [
        (
            _rate(rate),
            NAMES[of["steady"]["steps"][0]["cause"]] if of["steady"]["steps"] else "nothing",
            seconds(of["steady"]["p50"]),
            seconds(of["steady"]["p99"]),
            f"{of['steady']['batch']:.1f}",
            f"{of['steady']['most_running']:.0f}",
            f"${of['steady']['cost']['total']:.2f}",
        )
        for rate, of in figures["rates"].items()
    ]
    head = ("jobs/s", "breaks first", "p50", "p99", "jobs a batch", "batches at once", "a million jobs")
    return Table(head, lines)


def _steps(figures: Figures) -> Table:
    return Table(
        ("jobs/s", "breaks", "refused by then", "p99 by then", "raise or shard"),
        list(_stepped((rate, of["steady"]["steps"]) for rate, of in figures["rates"].items())),
    )


def _burst_steps(figures: Figures) -> Table:
    return Table(
        ("jobs/s, ten times in the burst", "breaks", "refused by then", "p99 by then", "raise or shard"),
        list(_stepped((rate, of["burst"]["steps"]) for rate, of in figures["rates"].items())),
    )


def _stepped(steps: Iterable[tuple[str, list[Figures]]]) -> Iterable[tuple[str, ...]]:
    for rate, those in steps:
        for i, step in enumerate(those):
            yield (
                _rate(rate) if i == 0 else "",
                NAMES[step["cause"]],
                _share(step["refused"]),
                seconds(step["p99"]),
                step["raised"],
            )


def _bursts(figures: Figures) -> Table:
    lines = [
        (
            _rate(rate),
            _share(of["burst"]["before"]["refused_share"]),
            f"{of['burst']['after']['highest_backlog']:,}",
            seconds(of["burst"]["after"]["drain_seconds"]),
            seconds(of["burst"]["after"]["p99"]),
        )
        for rate, of in figures["rates"].items()
    ]
    head = ("jobs/s", "refused, as sized for the rate", "backlog, nobody refused", "drained after", "p99")
    return Table(head, lines)


def _outages(figures: Figures) -> Table:
    lines = [
        (
            f"{_rate(rate)}, {_OUT[of_what]} out" if i == 0 else "",
            size,
            f"{run['workers']:,.0f}",
            f"{run['jobs_table']:,.0f}",
            _share(run["refused_share"]),
            f"{run['highest_backlog']:,}",
            seconds(run["drain_seconds"]),
            seconds(run["p99"]),
        )
        for rate, of in figures["rates"].items()
        for of_what, runs in of["outages"].items()
        for i, (size, run) in enumerate(runs.items())
    ]
    head = ("jobs/s", "", "workers", "write units/s", "refused", "backlog", "drained after", "p99 of 4 h")
    return Table(head, lines)


def _hot(figures: Figures) -> Table:
    lines = [
        (
            name,
            f"{of['hot_per_second']:.1f}/s",
            seconds(of["hot_hours"] * 3600),
            seconds(of["others_blocked_seconds"]),
            seconds(of["others_caught_up_seconds"]),
            f"{max(backlog for _, backlog in of['series']):,}",
            seconds(of["others"]["p99"]),
        )
        for name, of in figures["hot"].items()
    ]
    head = (
        "commands of the hot item",
        "done",
        "all done after",
        "first job of others ends after",
        "others caught up after",
        "backlog of others",
        "p99 of others",
    )
    return Table(head, lines)


def _costs(figures: Figures) -> Table:
    services = {
        "api_gateway": "API Gateway",
        "lambda": "Lambda",
        "sqs": "SQS",
        "dynamodb": "DynamoDB",
        "s3": "S3",
        "total": "together",
    }
    lines = [
        (_rate(rate), *(f"${of['steady']['cost'][service]:.2f}" for service in services))
        for rate, of in figures["rates"].items()
    ]
    return Table(("jobs/s", *services.values()), lines)


def _validation(figures: Figures) -> Table:
    lines = [
        (
            name if i == 0 else "",
            how,
            seconds(run["p50"]),
            seconds(run["p99"]),
            f"{run['highest_backlog']:,}",
            seconds(run["drain_seconds"]),
        )
        for name, of in figures["validation"].items()
        for i, (how, run) in enumerate(of.items())
    ]
    return Table(("100 jobs/s", "simulated", "p50", "p99", "highest backlog", "drained after"), lines)


def _emulator(figures: Figures) -> Table:
    lines = [
        (name, seconds(run["predicted"]), seconds(run["measured"]), f"{run['error']:+.0%}")
        for name, run in figures["emulator"]["runs"].items()
    ]
    return Table(("run on the emulator", "predicted", "measured", "error"), lines)


def _index(figures: Figures) -> Table:
    lines = [
        (
            _rate(rate) if i == 0 else "",
            shards,
            f"{run['put_off']:.1f}",
            f"{run['highest_backlog']:,}",
            seconds(run["p99"]),
            seconds(run["all_ended"]),
        )
        for rate, of in figures["index"].items()
        for i, (shards, run) in enumerate(of.items())
    ]
    head = ("failing jobs/s", "partitions", "put off, for each job", "backlog", "p99", "all ended after")
    return Table(head, lines)


def _quotas(_: Figures) -> Table:
    lines = [
        (f"{quota['what']}", f"{quota['value']:,} {quota['unit']}", f"[AWS]({quota['source']})")
        for quota in assumptions()["quotas"].values()
    ]
    return Table(("quota", "value", "source"), lines)


def _times(_: Figures) -> Table:
    lines = [
        (f"{name}: {time['what']}", f"{time['median_ms']} ms", f"{time['p99_ms']} ms", time["source"])
        for name, time in assumptions()["times"].items()
    ]
    return Table(("step", "median", "p99", "source"), lines)


TABLES: dict[str, Callable[[Figures], Table]] = {
    "rates": _rates,
    "steps": _steps,
    "bursts": _bursts,
    "burst-steps": _burst_steps,
    "outages": _outages,
    "hot": _hot,
    "index": _index,
    "costs": _costs,
    "validation": _validation,
    "emulator": _emulator,
    "quotas": _quotas,
    "times": _times,
}


def filled_in(page: str, figures: Figures) -> str:
    """The page with each of its marked tables as the figures have it."""

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}\n{TABLES[found[2]](figures).markdown()}\n{found[3]}"

    return re.sub(r"(<!-- figures: ([\w-]+) -->).*?(<!-- end -->)", table, page, flags=re.DOTALL)
