"""The demo's report: the counts of outcomes, and the latencies."""

from __future__ import annotations

from collections import Counter
from statistics import quantiles

from rich.console import Console
from rich.table import Table

from scripts.demo.run import Outcome
from scripts.demo.script import OPERATIONS

SHOWN = 20  # unexpected outcomes to show; a broken deployment has hundreds of the same kind


def print_report(console: Console, outcomes: list[Outcome], seconds: float) -> None:
    """Print the tables, and the unexpected outcomes."""
    console.print(_counts(outcomes))
    console.print(_latencies(outcomes))
    unexpected = [outcome for outcome in outcomes if not outcome.as_expected]
    if unexpected:
        console.print(_details(unexpected))
    ended = sum(1 for outcome in outcomes if outcome.total_ms is not None)
    verdict = f"{len(unexpected)} not as expected" if unexpected else "every outcome as expected"
    console.print(
        f"{len(outcomes)} commands in {seconds:.1f} s, {ended / seconds:.0f} jobs/s: {verdict}",
        style="bold red" if unexpected else "bold green",
        markup=False,
    )


def percentiles(values: list[float]) -> tuple[float, float]:
    """Return the 50th and the 95th percentile."""
    if len(values) < 2:  # noqa: PLR2004
        return (values[0], values[0])
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[94]


def _counts(outcomes: list[Outcome]) -> Table:
    kinds = Counter((o.line.operation, _kind(o)) for o in outcomes)
    columns = sorted({kind for _, kind in kinds}, key=lambda kind: (kind != "succeeded", kind == "other", kind))
    table = Table(title="Commands by outcome", title_justify="left")
    table.add_column("operation")
    for column in (*columns, "total"):
        table.add_column(column, justify="right")
    for operation in OPERATIONS:
        row = [kinds[operation, column] for column in columns]
        table.add_row(operation, *(str(n or "·") for n in row), str(sum(row)))
    table.add_section()
    totals = [sum(kinds[operation, column] for operation in OPERATIONS) for column in columns]
    table.add_row("all", *map(str, totals), str(len(outcomes)))
    return table


def _kind(outcome: Outcome) -> str:
    is_plain = outcome.job is not None and outcome.job.done and " " not in outcome.got
    return outcome.got if is_plain else "other"


def _latencies(outcomes: list[Outcome]) -> Table:
    caption = "the first commands include the start of the Lambdas"
    table = Table(title="Latency in ms", title_justify="left", caption=caption, caption_justify="left")
    table.add_column("operation")
    for column in ("accept p50", "accept p95", "end to end p50", "end to end p95"):
        table.add_column(column, justify="right")
    for operation in (*OPERATIONS, "all"):
        mine = [o for o in outcomes if operation in {o.line.operation, "all"}]
        accepts = [o.accept_ms for o in mine if o.accept_ms is not None]
        totals = [o.total_ms for o in mine if o.total_ms is not None]
        cells = [f"{value:.0f}" for values in (accepts, totals) if values for value in percentiles(values)]
        if operation == "all":
            table.add_section()
        table.add_row(operation, *cells)
    return table


def _details(unexpected: list[Outcome]) -> Table:
    more = f", the first {SHOWN} of {len(unexpected)}" if len(unexpected) > SHOWN else ""
    table = Table("label", "expected", "got", title=f"Not as expected{more}", title_justify="left")
    for outcome in unexpected[:SHOWN]:
        table.add_row(_escaped(outcome.line.label), outcome.line.problem or "succeeded", _escaped(outcome.got))
    return table


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
