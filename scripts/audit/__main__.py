"""Compares jobs, items, name locks and documents of a stage, and says where they disagree.

Nothing is changed without --repair; the table says what it would do. Exit status: 0 clean, 3 findings, 1 error,
4 nothing found but not everything judged, because messages wait on the queues.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from infra.cli.command_line import duration, run
from infra.cli.console import LastingConsole, emit
from scripts.audit.log import ApiLog
from scripts.audit.places import Places
from scripts.audit.repair import Repaired, repair
from scripts.audit.report import Report, print_repaired, print_report, to_json
from scripts.audit.search import Watch, search
from scripts.stage.aws import StageAws, open_stage
from scripts.stage.commands import command_parser, one_line_errors, positive

FINDINGS, NOT_JUDGED = 3, 4
_EXAMPLES = """examples:
  make audit                              what disagrees, and what a repair would do
  make audit REPAIR=yes                   mend what can be mended safely, and audit again
  python -m scripts.audit --json --older-than 0 --stage local
"""


def main(arguments: list[str] | None = None) -> int:
    """One audit, or with --repair two and the repairs between them."""
    options = _parse(arguments)
    return run("audit", lambda: _command(options))


def _command(options: argparse.Namespace) -> int:
    console = LastingConsole(highlight=False)
    with one_line_errors():
        places = places_of(open_stage(options.stage))
        report = _audit(places, options)
        repaired: list[Repaired] | None = None
        if options.repair:
            if not options.json and report.findings:
                print_report(console, report)
            repaired = _repair(places, report)
            if report.findings:
                if not options.json:
                    print_repaired(console, repaired)
                report = _audit(places, options)
    if options.json:
        emit(to_json(report, repaired))
    else:
        print_report(console, report)
    return exit_status(report)


def exit_status(report: Report) -> int:
    """As the command's help has it."""
    if report.findings:
        return FINDINGS
    return 0 if report.is_clean else NOT_JUDGED


def places_of(stage: StageAws) -> Places:
    """The stage's resources, and its API's log for what they do not tell."""
    log = ApiLog(stage.target.client("logs"), stage.resource("api_log_group"))
    return Places(
        clients=stage.clients,
        jobs_table=stage.resource("jobs_table"),
        items_table=stage.resource("items_table"),
        names_table=stage.resource("names_table"),
        documents_bucket=stage.resource("documents_bucket"),
        queue_urls=(stage.resource("commands_queue_url"), stage.resource("dead_letters_queue_url")),
        job_retention=stage.job_retention(),
        was_answered=log.was_answered,
        # Over a minute on AWS, whose counts are behind by as much; emulators count exactly.
        queue_looks=2 if stage.is_emulated else 5,
        queue_pause=0 if stage.is_emulated else 16,
    )


def _audit(places: Places, options: argparse.Namespace) -> Report:
    with _watching() as watch:
        found = list(islice(search(places, older_than=options.older_than, watch=watch), options.limit + 1))
    more = len(found) > options.limit
    return Report(found[: options.limit], more, watch.left, watch.messages)


def _repair(places: Places, report: Report) -> list[Repaired]:
    with _watching() as watch:
        return repair(report.findings, places, on_repaired=lambda _: watch.repaired())


class _Progress(Watch):
    """Shows how far it is, on a terminal."""

    def __init__(self, progress: Progress) -> None:
        self.left: dict[str, int] = {}
        self.messages = 0
        self._progress = progress
        self._tasks = {"": progress.add_task("starting")}
        self._repaired = 0

    def counted(self, what: str, n: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what)
            self._progress.update(self._tasks[""], visible=False)
        self._progress.update(self._tasks[what], description=f"{n:,} {what}")

    def not_judged(self, what: str, n: int, messages: int) -> None:
        self.left[what] = n
        self.messages = messages

    def repaired(self) -> None:
        self._repaired += 1
        self.counted("looked at for repair", self._repaired)


@contextmanager
def _watching() -> Iterator[_Progress]:
    console = LastingConsole(stderr=True)  # standard output may go to a file
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield _Progress(progress)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = command_parser("audit", __doc__, _EXAMPLES)
    parser.add_argument("--repair", action="store_true", help="mend what can be mended safely, then audit again")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--older-than",
        type=duration("seconds"),
        default=600.0,
        metavar="SECONDS",
        help="leave alone what changed later than so long ago (%(default)g)",
    )
    parser.add_argument(
        "--limit", type=positive, default=1000, help="findings to show and repair at once (%(default)s)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
