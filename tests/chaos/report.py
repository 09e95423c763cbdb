"""The printed summary of a run."""

from __future__ import annotations

from collections import Counter
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.chaos.run import Verdict

SHOWN = 10  # violations of each check


def print_report(console: Console, verdict: Verdict) -> None:
    """Print outcomes, injected faults, and the results of the checks."""
    console.print(_outcomes(verdict))
    console.print(_faults(verdict))
    console.print(_checks(verdict))
    for name, found in verdict.checks.items():
        for violation in found[:SHOWN]:
            console.print(f"{name}: {violation}", style="red", markup=False)
        if len(found) > SHOWN:
            console.print(f"{name}: {len(found) - SHOWN} more", style="red", markup=False)
    console.print(_summary(verdict), style="bold green" if verdict.passed else "bold red", markup=False)


def _outcomes(verdict: Verdict) -> Table:
    kinds: Counter[tuple[str, str]] = Counter()
    for command in verdict.state.commands:
        if command.end is None:
            outcome = "never answered" if not command.accepted else "not ended"
        else:
            outcome = command.end.problem or command.end.status
        kinds[command.operation, outcome] += 1
    operations = sorted({operation for operation, _ in kinds})
    table = Table(title="Commands by outcome", title_justify="left")
    table.add_column("outcome")
    for column in (*operations, "all"):
        table.add_column(column, justify="right")
    for outcome, total in Counter(outcome for _, outcome in kinds.elements()).most_common():
        counts = (str(kinds[operation, outcome] or "·") for operation in operations)
        table.add_row(outcome, *counts, str(total))
    table.add_section()
    sums = (str(sum(n for (of, _), n in kinds.items() if of == operation)) for operation in operations)
    table.add_row("all", *sums, str(kinds.total()))
    return table


def _faults(verdict: Verdict) -> Table:
    table = Table("fault", "times", title="Injected faults", title_justify="left")
    table.columns[1].justify = "right"
    kinds = (
        ("killed: ", verdict.chaos.kills.counts()),
        ("", verdict.chaos.injected.counts()),
        ("", verdict.messages.counts()),
        ("callers: ", verdict.record.tally.counts()),
        ("", verdict.receivers.tally.counts() if verdict.receivers else Counter[str]()),
        ("answers: ", Counter(exchange.outcome for exchange in verdict.record.exchanges)),
    )
    for prefix, counts in kinds:
        for kind, number in sorted(counts.items()):
            table.add_row(prefix + kind, str(number))
        table.add_section()
    return table


def _checks(verdict: Verdict) -> Table:
    table = Table("check", "", title="Checks", title_justify="left")
    for name, found in verdict.checks.items():
        table.add_row(name, f"[red]{len(found)} violations[/]" if found else "[green]holds[/]")
    return table


def _summary(verdict: Verdict) -> str:
    ended = [c for c in verdict.state.commands if c.end is not None]
    ends = [c.end.seconds for c in ended if c.end is not None and c.retry_sent is None]
    kills = sum(verdict.chaos.kills.counts().values())
    faults = sum(verdict.chaos.injected.counts().values())
    retries = sum(1 for c in verdict.state.commands if c.retry_sent is not None)
    cancels = sum(1 for c in verdict.state.commands if c.cancelled)
    grouping = verdict.grouping
    together = (
        f"{grouping.groups} groups, {grouping.full} of them full, committed {grouping.grouped} jobs, "
        f"{grouping.folded} of them in {grouping.folds} folds"
    )
    sent = verdict.receivers.summary() if verdict.receivers else "no events"
    return (
        f"seed {verdict.plan.seed}: {len(ended)} jobs, {kills} kills, {faults} faults, {retries} retries, "
        f"{cancels} cancelled; {together}; {sent}; "
        f"{verdict.seconds:.0f} s of chaos, and {verdict.settled:.0f} s until all had ended; "
        f"from accept to end {median(ends or [0.0]):.1f} s in the median, {max(ends, default=0.0):.1f} s at most: "
        f"{'all checks hold' if verdict.passed else 'NOT ALL CHECKS HOLD'}"
    )
