"""Compares the jobs, items, documents, locks and index entries of a stage, and reports where they disagree.

Nothing is changed without --repair; the table shows what a repair would do. Exit status: 0 clean, 3 findings,
1 error, 4 nothing found, but not everything could be judged because messages wait in the queues.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from infra.cli.command_line import duration, run
from infra.cli.console import LastingConsole, emit
from scripts.audit.log import ApiLog
from scripts.audit.repair import Repaired, repair
from scripts.audit.report import Report, print_repaired, print_report, to_json
from scripts.audit.resources import Backlog, Resources
from scripts.audit.search import search
from scripts.audit.tables import OnProgress
from scripts.stage.aws import StageAws, open_stage
from scripts.stage.commands import command_parser, one_line_errors, positive

FINDINGS, NOT_JUDGED = 3, 4
_EXAMPLES = """examples:
  make audit                              show what disagrees, and what a repair would do
  make audit REPAIR=yes                   repair what is safe to repair, and audit again
  python -m scripts.audit --json --older-than 0 --stage local
"""


def main(arguments: list[str] | None = None) -> int:
    """Audit a stage; with --repair, repair the findings and audit again."""
    options = _parse(arguments)
    return run("audit", lambda: _command(options))


def _command(options: argparse.Namespace) -> int:
    console = LastingConsole(highlight=False)
    with one_line_errors():
        resources = resources_of(open_stage(options.stage))
        report = _audit(resources, options)
        repaired: list[Repaired] | None = None
        if options.repair:
            if not options.json and report.findings:
                print_report(console, report)
            repaired = _repair(resources, report)
            if report.findings:
                if not options.json:
                    print_repaired(console, repaired)
                report = _audit(resources, options)
    if options.json:
        emit(to_json(report, repaired))
    else:
        print_report(console, report)
    if report.findings:
        return FINDINGS
    return 0 if report.is_clean else NOT_JUDGED


def resources_of(stage: StageAws) -> Resources:
    """Return the resources of a deployed stage."""
    log = ApiLog(stage.target.client("logs"), stage.resource("api_log_group"))
    return Resources(
        clients=stage.clients,
        jobs_table=stage.resource("jobs_table"),
        items_table=stage.resource("items_table"),
        names_table=stage.resource("names_table"),
        documents_bucket=stage.resource("documents_bucket"),
        # A stage that an earlier release deployed has no collections.
        collections_table=stage.deployment.resources.get("collections_table", ""),
        lookups_table=stage.deployment.resources.get("lookups_table", ""),
        queue_urls=(stage.resource("commands_queue_url"), stage.resource("dead_letters_queue_url")),
        job_retention=stage.job_retention(),
        was_answered=log.was_answered,
        # AWS's counts of messages are up to a minute late; emulators count exactly.
        queue_looks=2 if stage.is_emulated else 5,
        queue_pause=0 if stage.is_emulated else 16,
    )


def _audit(resources: Resources, options: argparse.Namespace) -> Report:
    backlog = Backlog(resources)
    with _progress() as on_progress:
        findings = search(resources, backlog, older_than=options.older_than, on_progress=on_progress)
        found = list(itertools.islice(findings, options.limit + 1))
    if len(found) > options.limit:
        return Report(found[: options.limit], more=True)
    not_judged = dict(backlog.not_judged)
    return Report(found, more=False, not_judged=not_judged, messages=backlog.messages if not_judged else 0)


def _repair(resources: Resources, report: Report) -> list[Repaired]:
    count = itertools.count(1)
    with _progress() as on_progress:
        return repair(
            report.findings,
            resources,
            on_repaired=lambda _: on_progress("looked at for repair", next(count)),
        )


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """Show on a terminal how many rows, suspects or findings were processed."""
    console = LastingConsole(stderr=True)  # standard output may go to a file
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}
        starting = progress.add_task("starting")

        def show(what: str, n: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
                progress.update(starting, visible=False)
            progress.update(tasks[what], description=f"{n:,} {what}")

        yield show


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = command_parser("audit", __doc__, _EXAMPLES)
    parser.add_argument("--repair", action="store_true", help="repair what is safe to repair, then audit again")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--older-than",
        type=duration("seconds"),
        default=600.0,
        metavar="SECONDS",
        help="leave out what has changed in the last SECONDS (%(default)g)",
    )
    parser.add_argument(
        "--limit", type=positive, default=1000, help="findings to show and repair at once (%(default)s)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
