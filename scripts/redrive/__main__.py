"""Retries failed jobs: those that match every filter, each in a new place of its item's order.

Safe to repeat: a job that waits again or has ended well is skipped. Ctrl-C stops between two jobs.
"""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from infra.cli.command_line import INTERRUPTED, OneLineParser, run
from infra.cli.console import LastingConsole, emit
from infra.errors import OperatorError
from jobpipe.domain.clock import now
from jobpipe.domain.commands import OPERATIONS
from jobpipe.domain.errors import InvalidRequest, Refusal
from jobpipe.domain.job import Job
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.ports import CommandQueue, DocumentStore, JobStore
from jobpipe.domain.queue_message import Envelope, decode_message
from jobpipe.domain.retry import retry
from jobpipe.stores.dynamodb_jobs import DynamoDbJobs
from jobpipe.stores.s3_documents import S3Documents
from jobpipe.stores.sqs_commands import SqsCommands
from scripts.redrive.selection import Failed, Filter, Selection, reasons, select
from scripts.stage.aws import add_stage_argument, one_line_errors, open_stage, positive
from scripts.stage.tables import print_table

_EXAMPLES = """examples:
  make redrive REASON=attempts-spent SINCE=2026-11-22T20:00:00Z DRY_RUN=yes
  make redrive REASON="internal-error unavailable" OPERATION=create
  make redrive ITEM=5f0c0f4e-… LIMIT=1
  make redrive ALL=yes
"""


@dataclass(frozen=True, slots=True)
class Redrive:
    """Retries one failure after another."""

    jobs: JobStore
    documents: DocumentStore
    queue: CommandQueue
    wanted: Filter
    request_id: str  # finds what this run queued in the worker's log

    def retry(self, failed: Failed) -> str | None:
        """None if the job was queued again, else why it was skipped."""
        try:
            job = self.jobs.get(failed.job_id)  # as it is now: the index may be behind, and time has passed
        except (KeyError, TypeError, ValueError, InvalidRequest):
            return "its row cannot be read: make audit names it"
        if job is None or job.is_expired(now()):
            return "expired"
        return self._why_not(job, failed) or self._retry(job)

    def _why_not(self, job: Job, failed: Failed) -> str | None:
        if not job.status.done:
            return "waits already"
        if job.generation != failed.generation or not self.wanted.matches(job):
            return f"{job.status.value} meanwhile"
        return "never accepted, so there is no command" if job.kept is None else None

    def _retry(self, job: Job) -> str | None:
        sent = _Sent(self.queue)
        try:
            after = retry(
                job,
                jobs=self.jobs,
                documents=self.documents,
                queue=sent,
                request_id=self.request_id,
                at=now(),
            )
        except Refusal as why:
            return why.detail
        if after.ref == sent.life:
            return None  # it waits, or the worker was so fast that it has ended
        return "expired" if after.generation == job.generation else "retried by another"


@dataclass(slots=True)
class _Sent:
    """The command queue, and which life of a job was sent to it last."""

    queue: CommandQueue
    life: JobRef | None = None

    def send(self, envelope: Envelope) -> None:
        self.life = decode_message(envelope.body).job
        self.queue.send(envelope)


@dataclass
class Summary:
    """What a run has done."""

    retried: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # by reason
    stopped: bool = False

    def lines(self, left: int) -> Iterator[str]:
        """For people."""
        yield f"retried: {self.retried}"
        for why, n in self.skipped.most_common():
            yield f"skipped: {n}  {why}"
        if left:
            yield f"left:    {left}; run it again to go on"

    def document(self, left: int) -> dict[str, object]:
        """For programs."""
        return {"retried": self.retried, "skipped": dict(self.skipped), "left": left, "stopped": self.stopped}


def main(arguments: list[str] | None = None) -> int:
    """0 when it came to its end, 130 after Ctrl-C."""
    options = _parse(arguments)
    return run("redrive", lambda: _command(options))


def _command(options: argparse.Namespace) -> int:
    console, wanted = LastingConsole(highlight=False, quiet=options.json), _filter(options)
    with one_line_errors():
        stage = open_stage(options.stage)
        jobs = DynamoDbJobs(stage.clients, stage.resource("jobs_table"), stage.job_retention())
        redrive = Redrive(
            jobs=jobs,
            documents=S3Documents(stage.clients, stage.resource("documents_bucket")),
            queue=SqsCommands(stage.clients, stage.resource("commands_queue_url")),
            wanted=wanted,
            request_id=f"redrive-{secrets.token_hex(4)}",
        )
        table = stage.resource("jobs_table")
        with ExitStack() as open_until_the_end:
            with console.status("looking for failed jobs") as status:

                def counted(n: int) -> None:
                    status.update(f"looking for failed jobs: {n:,}")

                selecting = select(stage.clients, table, wanted, now(), limit=options.limit, counted=counted)
                selection = open_until_the_end.enter_context(selecting)
            if selection.malformed:
                line = f"redrive: {selection.malformed} malformed rows are skipped: make audit names them"
                print(line, file=sys.stderr)
            if options.dry_run or not len(selection):
                _print_counts(console, selection)
                if options.json:
                    emit(json.dumps(_counts(selection)))
                return 0
            return retry_all(console, redrive, selection, as_json=options.json)


class Chosen(Protocol):
    """What is to be retried: a Selection."""

    def __len__(self) -> int:
        """How many."""

    def left(self, retried: int, skipped: int) -> int:
        """How many still, after so many."""

    def chosen(self, skipped: Callable[[], int]) -> Iterator[Failed]:
        """Which; given how many were skipped so far."""


def retry_all(console: Console, redrive: Redrive, selection: Chosen, *, as_json: bool = False) -> int:
    """The exit status; says what was done even if it cannot go on."""
    summary, total = Summary(), len(selection)
    console.print(f"{total} failed jobs; in the worker's log as request_id {redrive.request_id}", soft_wrap=True)
    try:
        with _stop_on_interrupt(summary), _progress(console, total) as advance:
            for failed in selection.chosen(summary.skipped.total):
                if summary.stopped:
                    break
                why = redrive.retry(failed)
                if why is None:
                    summary.retried += 1
                else:
                    summary.skipped[why] += 1
                advance()
    finally:
        left = selection.left(summary.retried, summary.skipped.total())
        for line in summary.lines(left):
            console.print(line, markup=False, soft_wrap=True)
        if as_json:
            emit(json.dumps(summary.document(left) | {"request_id": redrive.request_id}))
    if summary.stopped:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def _counts(selection: Selection) -> dict[str, object]:
    by_reason = [{"reason": r, "operation": operation, "jobs": n} for r, operation, n in selection.counts()]
    return {"would_retry": len(selection), "by_reason": by_reason}


def _print_counts(console: Console, selection: Selection) -> None:
    if not len(selection):
        console.print("no failed job matches")
        return
    rows = ((reason, operation, str(n)) for reason, operation, n in selection.counts())
    print_table(console, ("reason", "operation", "jobs"), rows, "Would be retried")
    console.print(f"{len(selection)} failed jobs would be retried")


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[], None]]:
    columns = (TextColumn("jobs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)


@contextmanager
def _stop_on_interrupt(summary: Summary) -> Iterator[None]:
    """The first Ctrl-C lets the job under way be finished; a second one does not."""

    def stop(_: int, __: FrameType | None) -> None:
        summary.stopped = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _filter(options: argparse.Namespace) -> Filter:
    wanted = Filter(
        tuple(options.reason), options.since, options.until, options.operation, options.owner, options.item
    )
    if wanted.is_empty and not options.all:
        raise OperatorError("say which jobs: REASON, SINCE, UNTIL, OPERATION, OWNER, ITEM, or ALL=yes (see --help)")
    return wanted


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        prog="python -m scripts.redrive",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_stage_argument(parser)
    known = reasons()
    parser.add_argument(
        "--reason",
        action="append",
        default=[],
        choices=known,
        metavar="SLUG",
        help=f"failed with this problem; may be repeated ({', '.join(known)})",
    )
    parser.add_argument("--since", type=_time, metavar="TIME", help="failed then or later (RFC 3339)")
    parser.add_argument("--until", type=_time, metavar="TIME", help="failed before then (RFC 3339)")
    parser.add_argument("--operation", choices=OPERATIONS)
    parser.add_argument("--owner", help="the caller whose jobs they are")
    parser.add_argument("--item", metavar="ID", help="the item that they are for")
    parser.add_argument("--limit", type=positive, help="so many at most, those that failed longest ago")
    parser.add_argument("--all", action="store_true", help="every failed job, if no filter is given")
    parser.add_argument("--dry-run", action="store_true", help="only count them")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args(arguments)


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time as in 2026-11-22T20:57:44Z") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone: end it with Z for UTC")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise argparse.ArgumentTypeError(f"{text!r} is before the first year of UTC, or after its last") from None


if __name__ == "__main__":
    sys.exit(main())
