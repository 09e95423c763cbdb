"""What a run of the load generator says at its end."""

from __future__ import annotations

from http import HTTPStatus

from rich.console import Console
from rich.table import Table

from scripts.load.figures import summary
from scripts.load.generator import Measured
from scripts.load.http_calls import ACCEPTED, NO_ANSWER


def print_report(console: Console, measured: Measured) -> None:
    """Counts, latencies and the verdict."""
    console.print(counts(measured))
    console.print(latencies(measured))
    lost = f", {len(measured.lost)} of {len(measured.followed)} followed jobs lost" if measured.lost else ""
    what = "interrupted: this is what was measured until then; " if measured.interrupted else ""
    verdict = "the service failed" if measured.failed else "no server error and nothing lost"
    console.print(f"{what}{verdict}{lost}", style="bold red" if measured.failed else "bold green", markup=False)


def counts(measured: Measured) -> Table:
    """Offered, sent, accepted, and the others by status."""
    table = Table("", title="Requests", title_justify="left")
    table.add_column("requests", justify="right")
    table.add_column("a second", justify="right")

    def row(name: str, count: int) -> None:
        table.add_row(name, str(count), f"{count / measured.seconds:.1f}" if measured.seconds else "")

    row("offered", measured.offered)
    row("sent", len(measured.outcomes))
    row("accepted (202)", len(measured.accepted))
    for status, count in sorted(measured.statuses.items()):
        if status != ACCEPTED:
            row("no answer" if status == NO_ANSWER else f"{status} {_phrase(status)}".strip(), count)
    return table


def latencies(measured: Measured) -> Table:
    """Milliseconds from when a request was due."""
    caption = "from when a request was due, so that nothing hides behind a slow answer"
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
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
