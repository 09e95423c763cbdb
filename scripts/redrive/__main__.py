"""Retries the failed jobs that match every filter, each after the other commands of its item.

Safe to repeat: a job that is queued again or did not fail is skipped. Ctrl-C stops between two jobs.
"""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType

from rich.console import Console

from infra.cli.command_line import INTERRUPTED, run
from infra.cli.console import LastingConsole, emit
from infra.errors import OperatorError
from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import OPERATION_NAME
from jobpipe.domain.documents.item_ref import COLLECTION_NAME
from jobpipe.domain.errors import InvalidRequest, Refusal
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Job
from jobpipe.domain.jobs.message_decoding import decode_message
from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.domain.jobs.retry import retry
from jobpipe.domain.ports import CommandQueue, DocumentStore, JobStore
from jobpipe.stores.documents.s3_documents import S3Documents
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs
from jobpipe.stores.queues.sqs_commands import SqsCommands
from scripts.redrive.selection import Failed, Filter, Selection, reasons, select
from scripts.stage.aws import open_stage
from scripts.stage.commands import command_parser, one_line_errors, positive, progress_bar
from scripts.stage.tables import print_table

_EXAMPLES = """examples:
  make redrive REASON=attempts-spent SINCE=2026-11-22T20:00:00Z DRY_RUN=yes
  make redrive REASON="internal-error unavailable" OPERATION=create
  make redrive REASON=attempts-spent COLLECTION=orders OPERATION=ship
  make redrive ITEM=5f0c0f4e-… LIMIT=1
  make redrive ALL=yes
"""


@dataclass(frozen=True, slots=True)
class Redrive:
    """Retries failed jobs one after the other."""

    jobs: JobStore
    documents: DocumentStore
    queue: CommandQueue
    job_filter: Filter
    request_id: str  # of the messages that this run sends, in the worker's log

    def retry(self, failed: Failed) -> str | None:
        """Queue the job again and return None, or return why the job was skipped."""
        try:
            # Read the job again, since the index may be outdated.
            job = self.jobs.get(failed.job_id)
        except (KeyError, TypeError, ValueError, InvalidRequest):
            return "its row cannot be read: make audit shows it"
        if job is None or job.is_expired(now()):
            return "expired"
        if not job.status.done:
            return "already queued"
        if job.generation != failed.generation or not self.job_filter.matches(job):
            return f"{job.status.value} meanwhile"
        if job.kept is None:
            return "never accepted, so there is no command"
        return self._retry(job)

    def _retry(self, job: Job) -> str | None:
        queue = _RecordingQueue(self.queue)
        try:
            after = retry(
                job,
                jobs=self.jobs,
                documents=self.documents,
                queue=queue,
                request_id=self.request_id,
                at=now(),
            )
        except Refusal as refusal:
            return refusal.detail
        if after.ref == queue.sent:
            return None  # the job is queued, or the worker has already ended it
        return "expired" if after.generation == job.generation else "retried by another request"


@dataclass(slots=True)
class _RecordingQueue:
    """The command queue, which records the last job and generation that was sent."""

    queue: CommandQueue
    sent: JobRef | None = None

    def send(self, envelope: Envelope) -> None:
        self.sent = decode_message(envelope.body).job
        self.queue.send(envelope)


@dataclass
class Summary:
    """What a run has done."""

    retried: int = 0
    skipped: Counter[str] = field(default_factory=Counter)  # by reason
    stopped: bool = False

    def lines(self, left: int) -> Iterator[str]:
        yield f"retried: {self.retried}"
        for reason, n in self.skipped.most_common():
            yield f"skipped: {n}  {reason}"
        if left:
            yield f"left:    {left}; run this again to continue"

    def document(self, left: int) -> dict[str, object]:
        return {"retried": self.retried, "skipped": dict(self.skipped), "left": left, "stopped": self.stopped}


def main(arguments: list[str] | None = None) -> int:
    """Return 0 at the end of the selection, 130 after Ctrl-C."""
    options = _parse(arguments)
    return run("redrive", lambda: _command(options))


def _command(options: argparse.Namespace) -> int:
    console, job_filter = LastingConsole(highlight=False, quiet=options.json), _filter(options)
    with one_line_errors(), ExitStack() as selecting:
        stage = open_stage(options.stage)
        table = stage.resource("jobs_table")
        redrive = Redrive(
            jobs=DynamoDbJobs(stage.clients, table, stage.job_retention()),
            documents=S3Documents(stage.clients, stage.resource("documents_bucket")),
            queue=SqsCommands(stage.clients, stage.resource("commands_queue_url")),
            job_filter=job_filter,
            request_id=f"redrive-{secrets.token_hex(4)}",
        )
        with console.status("looking for failed jobs") as status:

            def on_found(n: int) -> None:
                status.update(f"looking for failed jobs: {n:,}")

            selection = selecting.enter_context(
                select(stage.clients, table, job_filter, now(), limit=options.limit, on_found=on_found)
            )
        if selection.malformed:
            line = f"redrive: {selection.malformed} malformed rows are skipped: make audit shows them"
            print(line, file=sys.stderr)
        if not options.dry_run and len(selection):
            return retry_all(console, redrive, selection, as_json=options.json)
        _print_counts(console, selection)
        if options.json:
            emit(json.dumps(_counts(selection)))
        return 0


def retry_all(console: Console, redrive: Redrive, selection: Selection, *, as_json: bool = False) -> int:
    """Retry the jobs and return the exit status; print what was done, even if an error ends the run."""
    summary, total = Summary(), len(selection)
    console.print(f"{total} failed jobs; in the worker's log as request_id {redrive.request_id}", soft_wrap=True)
    try:
        with _stop_on_interrupt(summary), progress_bar(console, "jobs", total) as advance:
            for failed in selection.chosen(summary.skipped.total):
                if summary.stopped:
                    break
                why_skipped = redrive.retry(failed)
                if why_skipped is None:
                    summary.retried += 1
                else:
                    summary.skipped[why_skipped] += 1
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
def _stop_on_interrupt(summary: Summary) -> Iterator[None]:
    """Let the first Ctrl-C stop the run after the current job, and a second Ctrl-C stop it at once."""

    def stop(_: int, __: FrameType | None) -> None:
        summary.stopped = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _filter(options: argparse.Namespace) -> Filter:
    job_filter = Filter(
        *(tuple(options.reason), options.since, options.until, options.operation, options.owner, options.item),
        collection=options.collection,
    )
    if job_filter.is_empty and not options.all:
        raise OperatorError(
            "say which jobs: REASON, SINCE, UNTIL, OPERATION, COLLECTION, OWNER, ITEM, or ALL=yes (see --help)"
        )
    return job_filter


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = command_parser("redrive", __doc__, _EXAMPLES)
    known = reasons()
    parser.add_argument(
        "--reason",
        action="append",
        default=[],
        choices=known,
        metavar="SLUG",
        help=f"jobs that failed with this problem; may be repeated ({', '.join(known)})",
    )
    parser.add_argument("--since", type=_time, metavar="TIME", help="jobs that failed then or later (RFC 3339)")
    parser.add_argument("--until", type=_time, metavar="TIME", help="jobs that failed before then (RFC 3339)")
    parser.add_argument(
        "--operation",
        type=_operation,
        metavar="NAME",
        help="jobs of this operation: create, read, update, delete, upsert or an operation of a collection",
    )
    parser.add_argument("--collection", type=_collection, metavar="NAME", help="jobs of this collection")
    parser.add_argument("--owner", help="jobs of this caller")
    parser.add_argument("--item", metavar="ID", help="jobs of this item")
    parser.add_argument("--limit", type=positive, help="the maximum number of jobs; the first failures are retried")
    parser.add_argument("--all", action="store_true", help="every failed job, if no filter is given")
    parser.add_argument("--dry-run", action="store_true", help="only count the jobs")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args(arguments)


def _operation(text: str) -> str:
    # A collection that the folder no longer has may have failed jobs, so any name is accepted.
    if not OPERATION_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name of an operation, such as create or ship")
    return text


def _collection(text: str) -> str:
    if not COLLECTION_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a name of a collection, such as items or orders")
    return text


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2026-11-22T20:57:44Z") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone: end it with Z for UTC")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise argparse.ArgumentTypeError(f"{text!r} is outside the years 1 to 9999 of UTC") from None


if __name__ == "__main__":
    sys.exit(main())
