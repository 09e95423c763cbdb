"""docs/scaling.json, and the tables of docs/scaling.md that show its figures."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from infra.settings import ROOT
from scripts.markdown import table, with_tables
from scripts.models.scaling.assumptions import assumptions

Figures = dict[str, Any]
Row = tuple[str, ...]
_FIGURES, _PAGE = ROOT / "docs" / "scaling.json", ROOT / "docs" / "scaling.md"
_DIGITS = 4
_POINT = re.compile(r"\[\s+([\d.]+),\s+([\d.]+)\s+\]")  # a pair, which is written on one line
_LIMITS = {
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
    "window": "the queue's window of 120,000 messages",
}
_OUT = {"worker": "the worker", "dynamodb": "DynamoDB", "s3": "S3"}
_SERVICES = {
    "api_gateway": "API Gateway",
    "lambda": "Lambda",
    "sqs": "SQS",
    "dynamodb": "DynamoDB",
    "s3": "S3",
    "total": "together",
}


def read_figures() -> Figures:
    """Return the committed figures."""
    found: Figures = json.loads(_FIGURES.read_text())
    return found


def write_figures(figures: Figures) -> Figures:
    """Write the figures and the tables of the page, and return the figures with their significant digits."""
    figures = rounded(figures)
    _FIGURES.write_text(_POINT.sub(r"[\1, \2]", json.dumps(figures, indent=1)) + "\n")
    _PAGE.write_text(with_tables(_PAGE.read_text(), tables(figures)))
    return figures


def rounded(figures: Any) -> Any:
    """Round every float to its significant digits."""
    if isinstance(figures, dict):
        return {name: rounded(value) for name, value in figures.items()}
    if isinstance(figures, list):
        return [rounded(value) for value in figures]
    return float(f"{figures:.{_DIGITS}g}") if isinstance(figures, float) else figures


def tables(figures: Figures) -> dict[str, str]:
    """Return each table in Markdown, by its name in the page."""
    return {name: table(columns, rows(figures)) for name, (columns, rows) in _TABLES.items()}


def seconds(value: float | None) -> str:
    """Return a time such as 120 ms, 3.4 s, 23 min or 1.5 h, or a dash for None."""
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


def _rates(figures: Figures) -> Iterable[Row]:
    for rate, run in figures["rates"].items():
        steady = run["steady"]
        yield (
            _rate(rate),
            _LIMITS[steady["steps"][0]["cause"]] if steady["steps"] else "nothing",
            seconds(steady["p50"]),
            seconds(steady["p99"]),
            f"{steady['batch']:.1f}",
            f"{steady['most_running']:.0f}",
            f"${steady['cost']['total']:.2f}",
        )


def _steps(figures: Figures, run: str) -> Iterable[Row]:
    for rate, runs in figures["rates"].items():
        for i, step in enumerate(runs[run]["steps"]):
            refused, p99 = _share(step["refused"]), seconds(step["p99"])
            yield ("" if i else _rate(rate), _LIMITS[step["cause"]], refused, p99, step["raised"])


def _bursts(figures: Figures) -> Iterable[Row]:
    for rate, run in figures["rates"].items():
        before, after = run["burst"]["before"], run["burst"]["after"]
        yield (
            _rate(rate),
            _share(before["refused_share"]),
            f"{after['highest_backlog']:,}",
            seconds(after["drain_seconds"]),
            seconds(after["p99"]),
        )


def _outages(figures: Figures) -> Iterable[Row]:
    for rate, runs in figures["rates"].items():
        for service, outages in runs["outages"].items():
            for i, (size, run) in enumerate(outages.items()):
                yield (
                    "" if i else f"{_rate(rate)}, {_OUT[service]} out",
                    size,
                    f"{run['workers']:,.0f}",
                    f"{run['jobs_table']:,.0f}",
                    _share(run["refused_share"]),
                    f"{run['highest_backlog']:,}",
                    seconds(run["drain_seconds"]),
                    seconds(run["p99"]),
                )


def _hot(figures: Figures) -> Iterable[Row]:
    for name, run in figures["hot"].items():
        yield (
            name,
            f"{run['hot_per_second']:.1f}/s",
            seconds(run["hot_hours"] * 3600),
            seconds(run["others_blocked_seconds"]),
            seconds(run["others_caught_up_seconds"]),
            f"{max(backlog for _, backlog in run['series']):,}",
            seconds(run["others"]["p99"]),
        )


def _costs(figures: Figures) -> Iterable[Row]:
    for rate, run in figures["rates"].items():
        yield (_rate(rate), *(f"${run['steady']['cost'][service]:.2f}" for service in _SERVICES))


def _index(figures: Figures) -> Iterable[Row]:
    for rate, runs in figures["index"].items():
        for i, (shards, run) in enumerate(runs.items()):
            times = seconds(run["p99"]), seconds(run["all_ended"])
            yield ("" if i else _rate(rate), shards, f"{run['put_off']:.1f}", f"{run['highest_backlog']:,}", *times)


def _validation(figures: Figures) -> Iterable[Row]:
    for name, runs in figures["validation"].items():
        for i, (how, run) in enumerate(runs.items()):
            times = seconds(run["p50"]), seconds(run["p99"])
            yield ("" if i else name, how, *times, f"{run['highest_backlog']:,}", seconds(run["drain_seconds"]))


def _emulator(figures: Figures) -> Iterable[Row]:
    for name, run in figures["emulator"]["runs"].items():
        yield (name, seconds(run["predicted"]), seconds(run["measured"]), f"{run['error']:+.0%}")


def _quotas(_: Figures) -> Iterable[Row]:
    for quota in assumptions()["quotas"].values():
        yield (quota["what"], f"{quota['value']:,} {quota['unit']}", f"[AWS]({quota['source']})")


def _times(_: Figures) -> Iterable[Row]:
    for name, time in assumptions()["times"].items():
        yield (f"{name}: {time['what']}", f"{time['median_ms']} ms", f"{time['p99_ms']} ms", time["source"])


_STEP = ("breaks", "refused by then", "p99 by then", "raise or shard")
_TABLES: dict[str, tuple[Row, Callable[[Figures], Iterable[Row]]]] = {
    "rates": (
        ("jobs/s", "breaks first", "p50", "p99", "jobs a batch", "batches at once", "a million jobs"),
        _rates,
    ),
    "steps": (("jobs/s", *_STEP), lambda figures: _steps(figures, "steady")),
    "bursts": (
        ("jobs/s", "refused, as sized for the rate", "backlog, nobody refused", "drained after", "p99"),
        _bursts,
    ),
    "burst-steps": (("jobs/s, ten times in the burst", *_STEP), lambda figures: _steps(figures, "burst")),
    "outages": (
        ("jobs/s", "", "workers", "write units/s", "refused", "backlog", "drained after", "p99 of 4 h"),
        _outages,
    ),
    "hot": (
        (
            "commands of the hot item",
            "done",
            "all done after",
            "first job of others ends after",
            "others caught up after",
            "backlog of others",
            "p99 of others",
        ),
        _hot,
    ),
    "index": (
        ("failing jobs/s", "partitions", "put off, for each job", "backlog", "p99", "all ended after"),
        _index,
    ),
    "costs": (("jobs/s", *_SERVICES.values()), _costs),
    "emulator": (("run on the emulator", "predicted", "measured", "error"), _emulator),
    "validation": (("100 jobs/s", "simulated", "p50", "p99", "highest backlog", "drained after"), _validation),
    "quotas": (("quota", "value", "source"), _quotas),
    "times": (("step", "median", "p99", "source"), _times),
}
