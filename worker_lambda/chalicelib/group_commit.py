"""Commit the commands of several documents, and several commands of one document, in shared calls of AWS.

    read      one BatchGetItem for the rows of all documents
    decide    each document's commands one after the other, each on what the one before left, without a call
    put       the last version of each document, in parallel
    commit    one transaction for all jobs and documents
    clean up  one DeleteObjects for the superseded documents

This only saves calls. Messages are in a group at their first delivery only, when nothing is known against them.
What a group does not settle for certain goes on alone, in a thread for each document: a single command with the
document that is put already, several commands of a document one after the other, as outside a group.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from functools import partial

from jobpipe.domain.clock import now
from jobpipe.domain.commands import (
    Command,
    CreateItem,
    DeleteItem,
    MergePatch,
    ReadItem,
    SetFields,
    UpsertItem,
)
from jobpipe.domain.documents.item import Change, Created, DocumentRef, Removed, Replaced, StoredItem
from jobpipe.domain.errors import (
    CommitRefused,
    JobEnded,
    Refusal,
    UndecodableMessage,
    ValueLocked,
)
from jobpipe.domain.group import End, Failure, Unit, Unsettled
from jobpipe.domain.job import Success
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.queue_message import QueueMessage, decode_message
from jobpipe.domain.violations import within_a_row
from jobpipe.runtime.metrics import ATTEMPT_TIME, COMMAND_AGE, QUEUE_DELAY, SUCCEEDED, meter
from jobpipe.runtime.telemetry import logger

from .clean_up import finish_clean_up, remove_uncommitted
from .command_handlers import Context, Show, Write, decide, open_context
from .consume_batch import Delivery, NoTimeLeft, Progress, threads
from .execute import Execution, count_refusal
from .services import Services
from .versions import next_version, put_later, success_with, taken

GROUPED: tuple[type[Command], ...] = (CreateItem, ReadItem, SetFields, MergePatch, DeleteItem, UpsertItem)
"""The commands of groups. A user's operation is not one: if it did not return, it would hold up the others."""

_LONGEST_BODY = 16 * 1024  # characters; a larger document takes longer to put, and the others would wait for it
_PUT_GRACE = 0.25  # seconds for which a group waits for its other puts when the first has ended


@dataclass(slots=True)
class _Known:
    """The row of one document as the commands before have left it."""

    row: StoredItem | None = None

    def get(self, item_id: str) -> StoredItem | None:  # noqa: ARG002  # there is only one
        return self.row


@dataclass(slots=True)
class _Step:
    """One command of a run."""

    delivery: Delivery
    message: QueueMessage
    command: Command
    context: Context
    execution: Execution
    result: StoredItem | None = None  # the version that the job shows, if it succeeds with one
    refusal: Refusal | None = None

    @property
    def outcome(self) -> str:
        return "succeeded" if self.refusal is None else f"failed: {self.refusal.slug}"


@dataclass(slots=True)
class _Run:
    """The commands of one document that are committed as a whole."""

    deliveries: list[Delivery]
    steps: list[_Step]
    known: _Known
    original: StoredItem | None = None  # the committed version that was read
    made: list[StoredItem] = field(default_factory=list)  # all versions that its commands made, in their order
    text: str = ""  # the last version's document
    written_by: JobRef | None = None  # the job under whose prefix the last version is put
    put: Future[DocumentRef] | None = None

    @property
    def changes(self) -> bool:
        return self.known.row is not self.original

    @property
    def superseded(self) -> str | None:
        return self.original.document.key if self.original is not None and self.changes else None


def plan_groups(
    groups: Sequence[list[Delivery]],
    services: Services,
    seconds_left: Callable[[], float],
    leftovers: set[JobRef],
) -> tuple[GroupCommit | None, list[list[Delivery]]]:
    """Return what is committed together, if anything is, and the documents whose messages go alone.

    To `leftovers` are added the jobs for which a document may be in the bucket that is not committed.
    """
    runs: list[_Run] = []
    apart: list[list[Delivery]] = []
    if len(groups) == 1 and len(groups[0]) == 1:
        return None, [*groups]  # without decoding the message here too
    for group in groups:
        run = _run_of(group, services, seconds_left)
        if run.steps:
            runs.append(run)
        else:
            apart.append(group)
    if sum(len(run.steps) for run in runs) < 2 or seconds_left() < services.reserve_seconds:  # noqa: PLR2004
        return None, list(groups)
    return GroupCommit(runs, services, seconds_left, leftovers), apart


def _run_of(group: list[Delivery], services: Services, seconds_left: Callable[[], float]) -> _Run:
    """Return the first messages of a document that can be in a group."""
    run = _Run(group, [], _Known())
    seen: set[str] = set()
    for delivery in group:
        if len(delivery.body) > _LONGEST_BODY:
            break
        try:
            message = decode_message(delivery.body)
            context = open_context(message, services, run.known)
        except (UndecodableMessage, Refusal):
            break
        command = message.content
        if run.steps and message.item != run.steps[0].message.item:
            break  # ids are callers' texts, and two documents can have one message group
        # A row may be in a transaction once, so a second message of a job waits for the first one's commit.
        if not isinstance(command, GROUPED) or message.retry_of is not None or message.job.job_id in seen:
            break
        seen.add(message.job.job_id)
        execution = Execution(message, delivery, services, seconds_left)
        execution.log_fields["operation"] = command.operation
        run.steps.append(_Step(delivery, message, command, context, execution))
    return run


class GroupCommit:
    """The runs of one batch that are committed together."""

    def __init__(
        self,
        runs: list[_Run],
        services: Services,
        seconds_left: Callable[[], float],
        leftovers: set[JobRef],
    ) -> None:
        self._runs = runs
        self._services = services
        self._seconds_left = seconds_left
        self._leftovers = leftovers
        self._started = time.perf_counter()
        self._progress: dict[int, Progress] = {}  # by the identity of the run; those without one go alone

    @property
    def groups(self) -> list[list[Delivery]]:
        """Return the messages of each document."""
        return [run.deliveries for run in self._runs]

    def settle(self) -> list[Progress]:
        """Commit what can be committed together; return for each document how far its messages are."""
        try:
            runs = [run for run in self._read() if self._decide(run)]
            self._clean_up(self._commit(self._put(runs)))
        except Exception:  # noqa: BLE001  # the commands do not need their group
            logger.exception("the group is dissolved: its commands go on one at a time")
            self._leftovers.update(run.written_by for run in self._runs if run.written_by is not None)
        return [self._progress.get(id(run), Progress()) for run in self._runs]

    def _read(self) -> list[_Run]:
        """Read the rows; return the runs whose first command can be decided."""
        wanted = {run.steps[0].message.item: run for run in self._runs if _needs_row(run.steps[0])}
        rows = self._services.groups.rows(list(wanted)) if wanted else {}
        decidable = []
        for run in self._runs:
            ref = run.steps[0].message.item
            if ref in wanted:
                row = rows.get(ref)
                # A document that is not in its row would be read from the bucket while the others wait.
                if ref not in rows or (row is not None and row.inline is None and _needs_document(run.steps[0])):
                    continue
                run.original = run.known.row = row
            decidable.append(run)
        return decidable

    def _decide(self, run: _Run) -> bool:
        """Decide the run's commands, as many as can be committed as a whole; return whether there are any."""
        for n, step in enumerate(run.steps):
            # A document that is in the bucket only would be read there, or is not put yet.
            fits = n == 0 or run.known.row is None or run.known.row.inline is not None
            try:
                fits = fits and self._decide_step(run, step, alone=n == 0)
            except Exception:  # noqa: BLE001  # it is raised again, and told, when this command goes alone
                fits = False
            if not fits:
                del run.steps[n:]
                break
        return bool(run.steps)

    def _decide_step(self, run: _Run, step: _Step, *, alone: bool) -> bool:
        """Decide one command; return False if it must not be in a run with others, and change nothing then."""
        try:
            decision = decide(step.command, step.context)
            made = next_version(decision, step.context, put_later) if isinstance(decision, Write) else None
        except Refusal as refusal:
            step.refusal = refusal
            return True
        if made is not None:
            new, text = made
            if new.inline is None and not alone:
                return False
            step.result = run.known.row = new
            run.made.append(new)
            run.text, run.written_by = text, step.message.job
        elif isinstance(decision, Show):
            step.result = decision.item
        else:
            run.known.row = None
        return True

    def _put(self, runs: list[_Run]) -> list[_Run]:
        """Put the last versions, and return the runs that can be committed now; the others go on on their own."""
        for run in runs:
            if run.changes and run.known.row is not None:
                run.put = threads().submit(self._services.documents.put, run.known.row.document.key, run.text)
        puts = [run.put for run in runs if run.put is not None]
        others = len(puts) < len(runs)  # which need no put, so that they do not wait for the first one to end
        wait(puts, return_when=FIRST_COMPLETED, timeout=_PUT_GRACE if others else None)
        wait(puts, timeout=_PUT_GRACE)
        ready = []
        for run in runs:
            if run.put is None or (run.put.done() and run.put.exception() is None):
                ready.append(run)
            else:
                self._go_on(run, partial(self._commit_late, run, run.put))
        return ready

    def _commit(self, runs: list[_Run]) -> list[_Run]:
        """Commit the runs; return those that are committed."""
        units = [_unit(run) for run in runs]
        results = self._services.groups.commit(units, now(), self._may_go_on) if units else []
        committed = []
        for run, unit, result in zip(runs, units, results, strict=True):
            if result is None:
                self._count(run)
                committed.append(run)
            elif isinstance(result, Unsettled):
                self._go_on(run, partial(self._commit_alone, run, unit))
            else:
                self._go_on(run, partial(self._refused, run, result))
        return committed

    def _clean_up(self, runs: list[_Run]) -> None:
        """Delete what the committed runs superseded."""
        keys = [run.superseded for run in runs if run.superseded is not None]
        undeleted = set(keys)
        try:
            if keys and self._may_go_on():
                undeleted = self._services.documents.delete_together(keys)
        except Exception:  # noqa: BLE001  # it is tried again for each document, and then raised
            logger.warning(
                "superseded documents were not deleted together: they are deleted one by one", exc_info=True
            )
        for run in runs:
            if run.superseded in undeleted:
                self._go_on(run, partial(self._finish, run))
            else:
                self._log(run)
                self._progress[id(run)] = Progress(done=len(run.steps))

    def _go_on(self, run: _Run, resume: Callable[[], int]) -> None:
        """Let the run go on in a thread of its own."""
        self._progress[id(run)] = Progress(resume=partial(self._resumed, run, resume))

    def _resumed(self, run: _Run, resume: Callable[[], int]) -> int:
        """Go on with the run; return how many of its messages are done. Raise what interrupts its first command."""
        # No put may outlive the invocation: its object could arrive when nobody looks for it any more.
        put_failed = run.put is not None and run.put.exception() is not None
        if not put_failed and not self._may_go_on():
            raise NoTimeLeft
        try:
            return resume()
        except JobEnded:
            # It was cancelled, or a call whose answer is not known has committed it. Each command finds out alone.
            return self._dissolve(run)

    def _commit_late(self, run: _Run, put: Future[DocumentRef]) -> int:
        """Commit a run whose put was slower than the others, or failed."""
        try:
            put.result()
        except Exception as error:  # noqa: BLE001  # raised again unless the command is given up
            return self._interrupted(run, error)
        return self._commit_alone(run, _unit(run))

    def _commit_alone(self, run: _Run, unit: Unit) -> int:
        try:
            self._services.groups.commit_alone(unit, now())
        except CommitRefused as refused:
            return self._refused(run, refused)
        except Exception as error:  # noqa: BLE001  # raised again unless the command is given up
            return self._interrupted(run, error)
        self._count(run)
        try:
            if run.superseded is not None:
                self._services.documents.delete([run.superseded])
        except Exception:  # noqa: BLE001  # tried once more, and then raised
            return self._finish(run)
        self._log(run)
        return len(run.steps)

    def _refused(self, run: _Run, refused: CommitRefused) -> int:
        """Settle a run whose transaction was cancelled."""
        step, last = run.steps[0], run.known.row
        if len(run.steps) > 1 or last is None or not isinstance(refused, ValueLocked):
            return self._dissolve(run)
        step.refusal, step.result = taken(last, refused, step.context), None
        problem = within_a_row(step.refusal).to_problem()
        try:
            self._services.jobs.fail(step.message.job, problem, now(), step.message.kept, charge_attempt=True)
        except JobEnded:
            raise
        except Exception as error:  # noqa: BLE001  # raised again unless the command is given up
            return self._interrupted(run, error)
        self._count(run)
        # Only now: before the job had ended, a call whose answer was lost might still have committed the document.
        self._services.documents.delete([last.document.key])
        self._log(run)
        return 1

    def _finish(self, run: _Run) -> int:
        """Complete the clean-up after the commit."""
        for step in run.steps:
            finish_clean_up(step.message, self._services)
        self._log(run)
        return len(run.steps)

    def _dissolve(self, run: _Run) -> int:
        """Let each command of the run go alone; its document, which may be in the bucket, is removed after them."""
        if run.written_by is not None:
            self._leftovers.add(run.written_by)
        return 0

    def _interrupted(self, run: _Run, error: Exception) -> int:
        """Record the interruption of a single command, and raise it unless the command is given up.

        Of several commands it is not known which one the error is for, so each of them goes alone.
        """
        if len(run.steps) > 1:
            logger.warning("several commands of one document were interrupted: each goes on alone", exc_info=True)
            return self._dissolve(run)
        step = run.steps[0]
        try:
            step.execution.interrupted(error, recorded=False)
        except JobEnded:
            raise  # it goes alone, and is counted then
        except Exception:
            self._count_attempt(step)
            raise
        self._count_attempt(step)
        remove_uncommitted(step.message.job, step.message.item, self._services)
        meter.add(QUEUE_DELAY, step.execution.age * 1000)
        step.execution.log("given up", time.perf_counter() - self._started)
        return 1

    def _count_attempt(self, step: _Step) -> None:
        meter.add(COMMAND_AGE, step.execution.age)
        meter.add(ATTEMPT_TIME, (time.perf_counter() - self._started) * 1000)

    def _may_go_on(self) -> bool:
        return self._seconds_left() >= self._services.reserve_seconds

    def _count(self, run: _Run) -> None:
        for step in run.steps:
            if step.refusal is None:
                meter.add(SUCCEEDED, collection=step.message.collection)
            else:
                count_refusal(step.refusal, step.message)

    def _log(self, run: _Run) -> None:
        for step in run.steps:
            self._log_step(step, step.outcome)

    def _log_step(self, step: _Step, outcome: str) -> None:
        self._count_attempt(step)
        meter.add(QUEUE_DELAY, step.execution.age * 1000)
        step.execution.log(outcome, time.perf_counter() - self._started)


def _unit(run: _Run) -> Unit:
    """Return what is committed for the run, with the reference to the document that was put."""
    last = run.known.row
    if run.put is not None and last is not None:
        stored = replace(last, document=run.put.result())
        run.made = [stored if each is last else each for each in run.made]
        for step in run.steps:
            step.result = stored if step.result is last else step.result
        run.known.row = last = stored
    change: Change | None = None
    if run.changes:
        if last is None:
            change = None if run.original is None else Removed(run.original)
        else:
            change = Created(last) if run.original is None else Replaced(run.original, last)
    between = tuple(each for each in run.made if each is not last)
    ends = tuple(End(step.message.job, _job_outcome(run, step)) for step in run.steps)
    return Unit(run.steps[0].message.item, ends, change, between)


def _job_outcome(run: _Run, step: _Step) -> Success | Failure:
    if step.refusal is not None:
        return Failure(within_a_row(step.refusal).to_problem(), step.message.kept)
    # Any of the run's jobs leads a redelivery to what they superseded together.
    superseded = None if isinstance(step.command, ReadItem) else run.superseded
    return Success(superseded=superseded) if step.result is None else success_with(step.result, superseded)


def _needs_row(step: _Step) -> bool:
    """Return whether the first command must read: a new id, which the API has made, has no row."""
    return not (isinstance(step.command, CreateItem) and step.context.collection.key is None)


def _needs_document(step: _Step) -> bool:
    return not isinstance(step.command, CreateItem | DeleteItem)
