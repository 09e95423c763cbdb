"""Prints an audit's report, as a table for people or as JSON for scripts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from scripts.audit.findings import Finding
from scripts.audit.repair import Repaired
from scripts.stage.tables import print_table

NO_REMEDY = "nothing: it needs a person"
_COLUMNS = ("kind", "about", "detail")


@dataclass
class Report:
    """The result of one audit."""

    findings: list[Finding]
    more: bool  # whether there are more findings
    not_judged: dict[str, int] = field(default_factory=dict)  # numbers of suspects, by kind
    messages: int = 0  # about how many messages wait, if anything was not judged

    @property
    def is_clean(self) -> bool:
        """Whether everything was judged and nothing was found."""
        return not self.findings and not self.not_judged


def print_report(console: Console, report: Report) -> None:
    """Print the findings, each with what --repair would do."""
    rows = [(each.kind, each.subject, each.detail, each.remedy or NO_REMEDY) for each in report.findings]
    print_table(console, (*_COLUMNS, "--repair would"), rows, "Findings")
    for what, n in report.not_judged.items():
        line = f"{n} {what} not judged: about {report.messages} messages wait"
        console.print(line, markup=False, soft_wrap=True)
    style = "bold red" if report.findings else "bold green" if report.is_clean else "bold yellow"
    console.print(summary(report), style=style, markup=False, soft_wrap=True)


def print_repaired(console: Console, repaired: Sequence[Repaired]) -> None:
    """Print what --repair did."""
    rows = []
    for each in repaired:
        remedy = each.finding.remedy
        outcome = each.note if remedy is None else f"{remedy}: {each.note}"
        rows.append((each.finding.kind, each.finding.subject, each.finding.detail, outcome))
    print_table(console, (*_COLUMNS, "outcome"), rows, "Repairs")


def summary(report: Report) -> str:
    """Return the last line of the report."""
    if report.is_clean:
        return "clean: rows, locks, jobs and documents agree"
    if not report.findings:
        return "nothing found, but not everything was judged: audit again when the queues are empty"
    counts = Counter(finding.kind for finding in report.findings)
    more = "; there are more findings (--limit)" if report.more else ""
    return ", ".join(f"{n} x {kind}" for kind, n in counts.items()) + more


def to_json(report: Report, repaired: Sequence[Repaired] | None) -> str:
    """Return the report as JSON. After repairs, `findings` has the remaining findings."""
    document: dict[str, Any] = {
        "clean": report.is_clean,
        "findings": [_finding(finding) for finding in report.findings],
        "more": report.more,
        "not_judged": report.not_judged,
        "waiting_messages": report.messages,
    }
    if repaired is not None:
        document["repaired"] = [
            {**_finding(each.finding), "mended": each.mended, "note": each.note} for each in repaired
        ]
    return json.dumps(document, indent=2)


def _finding(finding: Finding) -> dict[str, str | None]:
    return {
        "kind": finding.kind,
        "subject": finding.subject,
        "detail": finding.detail,
        "repair": finding.remedy,
    }
