"""P6: after all checks, an audit finds nothing wrong with what they have made."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from scripts.audit.__main__ import resources_of
from scripts.audit.findings import Finding as Disagreement
from scripts.audit.resources import Backlog
from scripts.audit.search import search
from scripts.prove.bench import Bench
from scripts.prove.findings import Finding, judge, not_tried, unfinished
from scripts.prove.plan import MOST_ROWS

NAME = "jobs, items, documents and locks agree"


def run(bench: Bench) -> list[Finding]:
    """Audit the stage."""
    if not bench.plan.audits:
        rows = bench.plan.facts.rows
        why = f"about {rows:,} rows would be read, more than {MOST_ROWS:,}; `make audit` reads any number"
        return [not_tried(NAME, "P6", why)]
    resources = resources_of(bench.stage)
    backlog = Backlog(resources)

    def progress(_: str, __: int) -> None:
        bench.remaining_seconds()

    found = list(search(resources, backlog, on_progress=progress))
    done = "read all tables and the bucket, and confirmed each suspect by consistent reads, as make audit does"
    ours, others = split(found, bench.name, {*bench.jobs, *bench.items.ids})
    more = f"; {len(others)} findings are about other data (make audit)" if others else ""
    if not ours and backlog.not_judged:
        return [unfinished(NAME, "P6", done, "nothing was found, but other messages wait, so not all was judged")]
    seen = f"nothing about the {len(bench.items.ids)} items and {len(bench.jobs)} jobs of this run{more}"
    return [judge(NAME, "P6", done, seen, ours)]


def split(found: Sequence[Disagreement], name: str, ids: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the findings about what the run has made, and the other findings, as texts."""
    ours, others = list[str](), list[str]()
    for each in found:
        text = f"{each.kind}: {each.subject}: {each.detail}"
        (ours if name in text or any(known in text for known in ids) else others).append(text)
    return ours, others
