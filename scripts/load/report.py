"""Percentiles, and the report of a run of the load generator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from http import HTTPStatus

from rich.console import Console
from rich.table import Table

from scripts.load.generator import Measured
from scripts.load.http_calls import ACCEPTED, NO_ANSWER


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` percent of the values do not exceed (nearest rank)."""
    if not values or not 0 < percent <= 100:  # noqa: PLR2004
        raise ValueError("percentiles need values, and a number above 0 up to 100")
    return sorted(values)[math.ceil(percent / 100 * len(values)) - 1]


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50, p95 and p99 in milliseconds and the count n, or only the count if there are no values."""
    percents = (50, 95, 99) if seconds else ()
    found = {f"p{percent}": round(percentile(seconds, percent) * 1000, 2) for percent in percents}
    return {**found, "n": len(seconds)}


def print_report(console: Console, measured: Measured) -> None:
    """Print counts, latencies and whether the service failed."""
    console.print(_counts(measured))
    console.print(_latencies(measured))
    lost = f", {len(measured.lost)} of {len(measured.followed)} followed jobs lost" if measured.lost else ""
    until = "interrupted, with the results until then; " if measured.interrupted else ""
    verdict = "the service failed" if measured.failed else "no server error and nothing lost"
    style = "bold red" if measured.failed else "bold green"
    console.print(f"{until}{verdict}{lost}", style=style, markup=False)


def _counts(measured: Measured) -> Table:
    table = Table("", title="Requests", title_justify="left")
    table.add_column("requests", justify="right")
    table.add_column("a second", justify="right")
    others = {status: count for status, count in sorted(measured.statuses.items()) if status != ACCEPTED}
    counts = {
        "offered": measured.offered,
        "sent": len(measured.outcomes),
        "accepted (202)": len(measured.accepted),
        **{_phrase(status): count for status, count in others.items()},
    }
    for name, count in counts.items():
        table.add_row(name, str(count), f"{count / measured.seconds:.1f}" if measured.seconds else "")
    return table


def _latencies(measured: Measured) -> Table:
    caption = "since a request was due, so that the waiting behind slow responses counts"
    table = Table("ms", title="Latency", title_justify="left", caption=caption, caption_justify="left")
    for column in ("p50", "p95", "p99", "of"):
        table.add_column(column, justify="right")
    kinds = {
        "accepted": [outcome.seconds for outcome in measured.accepted],
        "ended, as a poller sees it": [each.ended for each in measured.followed if each.ended is not None],
        "sent late by this machine": [outcome.late for outcome in measured.outcomes],
    }
    for name, seconds in kinds.items():
        found = summary(seconds)
        cells = [f"{found[column]:.0f}" if column in found else "·" for column in ("p50", "p95", "p99")]
        table.add_row(name, *cells, str(found["n"]))
    return table


def _phrase(status: int) -> str:
    if status == NO_ANSWER:
        return "no answer"
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
