"""The report as a self-contained HTML page, without scripts, pictures or other servers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from scripts.prove.findings import PROMISES

_MARKS = {"held": "✓", "broken": "✗", "not tried": "○", "unfinished": "?", "measured": "≈", "held in part": "✓"}
_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --dim: #59636e; --line: #d1d9e0; --back: #fff; --card: #f6f8fa;
  --held: #1a7f37; --broken: #cf222e; --other: #7d4e00; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --dim: #9198a1; --line: #3d444d; --back: #0d1117;
  --card: #151b23; --held: #3fb950; --broken: #ff7b72; --other: #d29922; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 68rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--text); background: var(--back); overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
p { margin: .4rem 0; } .dim { color: var(--dim); }
.verdict { padding: .75rem 1rem; border: 1px solid var(--line); border-left: .4rem solid var(--held);
  border-radius: .4rem; background: var(--card); margin: 1rem 0; font-weight: 600; }
.verdict.broken { border-left-color: var(--broken); } .verdict.unfinished { border-left-color: var(--other); }
.promises { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .5rem; padding: 0;
  margin: 1rem 0; list-style: none; }
.promises li { border: 1px solid var(--line); border-radius: .4rem; padding: .35rem .75rem; display: flex;
  gap: .5rem; }
.promises .state { margin-left: auto; } .promises strong { white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 1rem 0; }
dt { color: var(--dim); } dd { margin: 0; }
section.check { border: 1px solid var(--line); border-radius: .4rem; margin: 0 0 1rem; }
section.check > h3 { margin: 0; padding: .5rem 1rem; font-size: 1rem; background: var(--card);
  border-bottom: 1px solid var(--line); display: flex; justify-content: space-between; gap: 1rem; }
section.check > h3 span { font-weight: 400; color: var(--dim); white-space: nowrap; }
.finding { padding: .6rem 1rem; border-top: 1px solid var(--line); } .finding:first-of-type { border-top: 0; }
.finding p { margin: .15rem 0; } .state { font-weight: 600; white-space: nowrap; }
.held .state, .held-in-part .state { color: var(--held); } .broken .state { color: var(--broken); }
.unfinished .state, .not-tried .state { color: var(--other); } .measured .state { color: var(--dim); }
.table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; } tfoot td { font-weight: 600; }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; }
  table, tbody, tfoot, tr, td { display: block; } thead { display: none; }
  tr { border-bottom: 1px solid var(--line); padding: .4rem 0; } td, td.n { border: 0; text-align: left; padding: 0;
  white-space: normal; } td[data-label]::before { content: attr(data-label) ": "; color: var(--dim); } }
"""


def page(report: Mapping[str, Any]) -> str:
    """Return the page of a report's document."""
    title = f"jobpipe: what the stage {report['stage']} has proved"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{escape(title)}</h1>\n"
        f'<p class="dim">Made by <code>make prove</code> on {escape(_day(report["began"]))}.</p>\n</header>\n'
        "<main>\n"
        f"{_verdict(report)}{_promises(report)}{_about(report)}<h2>Checks</h2>\n"
        f"{''.join(map(_check, report['checks']))}"
        f"{_times(report)}{_costs(report)}{_left(report)}{_limits(report)}</main>\n</body>\n</html>\n"
    )


def _verdict(report: Mapping[str, Any]) -> str:
    found = report["findings"]
    kind = "broken" if found["broken"] else "unfinished" if found["unfinished"] or report["not_begun"] else "held"
    return f'<p class="verdict {kind}">{_MARKS[kind]} {escape(report["verdict"])}</p>\n'


def _promises(report: Mapping[str, Any]) -> str:
    items = "".join(
        f'<li class="{state.replace(" ", "-")}"><strong>{promise}</strong> {PROMISES[promise]} '
        f'<span class="state">{_MARKS[state]} {state}</span></li>\n'
        for promise, state in report["promises"].items()
    )
    return f'<ul class="promises">\n{items}</ul>\n'


def _about(report: Mapping[str, Any]) -> str:
    rows = {
        "stage": f"{report['stage']}, version {report['version']}",
        "where": f"{_place(report['target'])}, {report['region']}",
        "time": f"{report['began']} to {report['ended']}, {report['seconds']:.0f} s",
        "size": "a shortened run (QUICK=yes), which shows little about order under load"
        if report["quick"]
        else "the full run",
        "run": f"{report['run']}, with which the names of its items and owners began",
    }
    return (
        "<dl>\n" + "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>\n" for name, text in rows.items()) + "</dl>\n"
    )


def _place(target: str) -> str:
    return {"aws": "AWS", "embedded": "the embedded emulator, not AWS", "localstack": "LocalStack, not AWS"}.get(
        target, target
    )


def _check(check: Mapping[str, Any]) -> str:
    findings = "".join(map(_finding, check["findings"]))
    return (
        f'<section class="check">\n<h3>{escape(check["name"])}<span>{check["seconds"]:.1f} s</span></h3>\n'
        f"{findings}</section>\n"
    )


def _finding(finding: Mapping[str, str]) -> str:
    state, promise = finding["state"], finding["promise"]
    named = f" · {promise} {PROMISES[promise]}" if promise else ""
    done = f'<p class="dim">Done: {escape(finding["done"])}.</p>\n' if finding["state"] != "not tried" else ""
    label = {"not tried": "Why", "unfinished": "Why", "broken": "Seen"}.get(state, "Seen")
    return (
        f'<div class="finding {state.replace(" ", "-")}">\n<p><span class="state">{_MARKS[state]} {state}</span> '
        f'<strong>{escape(finding["name"])}</strong><span class="dim">{named}</span></p>\n{done}'
        f"<p>{label}: {escape(finding['seen'])}.</p>\n</div>\n"
    )


def _times(report: Mapping[str, Any]) -> str:
    rows = [
        (each["what"], f"{each['number']}", f"{each['p50']:.0f} ms", f"{each['p95']:.0f} ms", each["documented"])
        for each in report["milliseconds"]
    ]
    if not rows:
        return ""
    table = _table(("one command", "n", "p50", "p95", "documented"), rows, numbers={1, 2, 3})
    return (
        f"<h2>Times</h2>\n{table}<p>Except in the last row, the times include the network between the machine that "
        "ran this command and the stage. They are not promises.</p>\n"
    )


def _costs(report: Mapping[str, Any]) -> str:
    rows = [
        (each["what"], f"{each['number']:,}", f"${each['dollars_a_million']:,.2f}", f"${each['dollars']:.4f}")
        for each in report["calls"]
    ]
    total = ("together", "", "", f"${report['dollars']:.4f}")
    table = _table(("what was sent", "number", "a million of them", "price"), rows, numbers={1, 2, 3}, total=total)
    documented = report["documented_dollars_a_million_creates_with_one_poll"]
    beside = (
        f"<p>That is ${report['dollars_a_million_commands']:,.2f} for a million such commands, whose jobs "
        f"were polled several times. For a million creates with one poll each, docs/cost.md has "
        f"${documented['busy']:,.2f} in a busy stage and ${documented['quiet']:,.2f} in a quiet stage.</p>\n"
    )
    real = "" if report["target"] == "aws" else " The run itself was on an emulator, and cost nothing."
    return (
        f"<h2>Calls and cost</h2>\n{table}<p>At list prices, by the model of docs/cost.md for a quiet "
        f"stage; a bill was not read. At most ${report['dollars_planned']:.4f} was announced before the run. "
        f"{report['throttled']} requests got a 429 and were sent again.{real}</p>\n{beside}"
    )


def _left(report: Mapping[str, Any]) -> str:
    text = "<ul>\n" + "".join(f"<li>{escape(each)}</li>\n" for each in report["left"]) + "</ul>\n"
    if not report["left"]:
        text = "<p>Items, keys and webhooks are deleted. The records of the run's jobs expire by themselves.</p>\n"
    return f"<h2>Left behind</h2>\n{text}"


def _limits(report: Mapping[str, Any]) -> str:
    begun = "".join(f"<li>{escape(name)}: the run was interrupted before it</li>\n" for name in report["not_begun"])
    begun += "".join(f"<li>{escape(name)}: it was left out (ONLY=…)</li>\n" for name in report["left_out"])
    return (
        "<h2>What this does not show</h2>\n<ul>\n"
        f"{begun}"
        "<li>Some minutes of one stage show nothing about rare faults. docs/reliability.md describes what the "
        "tests try at every AWS call, on emulators.</li>\n"
        "<li>Only the version of its item shows that a command took effect twice without a change in between. The "
        "versions were compared at the end of each check.</li>\n</ul>\n"
    )


def _table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: set[int], total: Sequence[str] = ()
) -> str:
    def cells(row: Sequence[str]) -> str:
        return "".join(
            f'<td{" class=" + chr(34) + "n" + chr(34) if n in numbers else ""} data-label="{escape(columns[n])}">'
            f"{escape(cell)}</td>"
            for n, cell in enumerate(row)
            if cell or not total
        )

    head = "".join(
        f"<th{' class=' + chr(34) + 'n' + chr(34) if n in numbers else ''}>{escape(name)}</th>"
        for n, name in enumerate(columns)
    )
    body = "".join(f"<tr>{cells(row)}</tr>\n" for row in rows)
    foot = f"<tfoot><tr>{_total(columns, total)}</tr></tfoot>\n" if total else ""
    rows_of_body = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n{foot}"
    return f'<div class="table"><table>\n{rows_of_body}</table></div>\n'


def _total(columns: Sequence[str], total: Sequence[str]) -> str:
    return f'<td colspan="{len(columns) - 1}">{escape(total[0])}</td><td class="n">{escape(total[-1])}</td>'


def _day(time: str) -> str:
    return time[:10]
