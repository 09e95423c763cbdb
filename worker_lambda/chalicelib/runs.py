"""A run: the commands of one document in a batch, which are decided without AWS calls and take effect as a whole.

Each command is decided on the version that the previous one produced. Only the document's last version is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import (
    Command,
    CreateItem,
    DeleteItem,
    MergePatch,
    ReadItem,
    SetFields,
    UpsertItem,
)
from jobpipe.domain.commands.label import label_of
from jobpipe.domain.commands.not_before import is_due
from jobpipe.domain.documents.item import Change, Created, DocumentRef, Removed, Replaced, StoredItem
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.errors import Refusal, UndecodableMessage
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.group import End, Failure, Unit
from jobpipe.domain.jobs.job import Success
from jobpipe.domain.jobs.message_decoding import decode_message
from jobpipe.domain.jobs.queue_message import QueueMessage
from jobpipe.domain.violations import fit_in_row

from .command_handlers import Context, Show, Write, decide, open_context
from .execute import Execution
from .services import Services
from .sqs_messages import Delivery
from .versions import defer_put, next_version, success_with

GROUPED: tuple[type[Command], ...] = (CreateItem, ReadItem, SetFields, MergePatch, DeleteItem, UpsertItem)
"""The commands of runs. A user's operation is not among them: if it hung, it would hold up the other runs."""

LONGEST_BODY = 16 * 1024
"""Characters of a message. A larger document takes longer to put, and the other runs would wait for it.

A command of this size fits into the row of a failed job, so a group puts no claim checks.
"""


@dataclass(slots=True)
class CurrentRow:
    """The row of one document after the commands that have been decided."""

    row: StoredItem | None = None

    def get(self, item_id: str) -> StoredItem | None:  # noqa: ARG002  # there is only one row
        """Return the row."""
        return self.row


@dataclass(slots=True)
class Step:
    """One command of a run."""

    message: QueueMessage
    command: Command
    context: Context
    execution: Execution
    result: StoredItem | None = None  # the version that the job shows if it succeeds
    refusal: Refusal | None = None

    @property
    def outcome(self) -> str:
        """Return the outcome for the log."""
        return "succeeded" if self.refusal is None else f"failed: {self.refusal.slug}"

    @property
    def needs_row(self) -> bool:
        """Return whether the command must read the row. An id that the API has generated has no row yet."""
        return not (isinstance(self.command, CreateItem) and self.context.collection.key is None)

    @property
    def needs_document(self) -> bool:
        """Return whether the command must read the document."""
        return not isinstance(self.command, CreateItem | DeleteItem)

    def failure(self, refusal: Refusal) -> Failure:
        """Return the end of the job for this refusal."""
        label = label_of(self.command, self.context.collection) or self.context.stored_label()
        return Failure(fit_in_row(refusal).to_problem(), self.message.kept, label)


@dataclass(slots=True)
class Run:
    """The commands of one document that are committed as a whole."""

    deliveries: list[Delivery]  # all messages of the message group, including those after the run
    steps: list[Step]
    current: CurrentRow
    original: StoredItem | None = None  # the committed version that was read
    versions: list[StoredItem] = field(default_factory=list)  # all versions that the commands produced, in order
    text: str = ""  # the document of the last version
    last_writer: JobRef | None = None  # the job under whose prefix the last version is put
    put: Future[DocumentRef] | None = None

    @property
    def item(self) -> ItemRef:
        """Return the reference to the document."""
        return self.steps[0].message.item

    @property
    def changes_document(self) -> bool:
        """Return whether the run replaces, creates or deletes the document."""
        return self.current.row is not self.original

    @property
    def old_document_key(self) -> str | None:
        """Return the key of the document that the run replaces or deletes, if there is one."""
        return self.original.document.key if self.original is not None and self.changes_document else None

    def decide(self) -> bool:
        """Decide the commands that can be committed as a whole, and drop the rest; return whether any are left."""
        for n, step in enumerate(self.steps):
            # A document that is not in its row is not put yet, or would have to be read from the bucket.
            fits = n == 0 or self.current.row is None or self.current.row.inline is not None
            try:
                fits = fits and self._decide_step(step, alone=n == 0)
            except Exception:  # noqa: BLE001  # the command raises the error again when it is processed alone
                fits = False
            if not fits:
                del self.steps[n:]
                break
        return bool(self.steps)

    def _decide_step(self, step: Step, *, alone: bool) -> bool:
        """Decide one command; return False, and change nothing, if it cannot share a run with others."""
        try:
            decision = decide(step.command, step.context)
            written = next_version(decision, step.context, defer_put) if isinstance(decision, Write) else None
        except Refusal as refusal:
            step.refusal = refusal
            return True
        if written is not None:
            new, text = written
            if new.inline is None and not alone:
                return False
            step.result = self.current.row = new
            self.versions.append(new)
            self.text, self.last_writer = text, step.message.job
        elif isinstance(decision, Show):
            step.result = decision.item
        else:
            self.current.row = None
        return True

    def unit(self) -> Unit:
        """Return the run as a unit to commit. If its document was put, the unit refers to the stored object."""
        if self.put is not None:
            self._refer_to(self.put.result())
        last = self.current.row
        change: Change | None = None
        if self.changes_document:
            if last is None:
                change = None if self.original is None else Removed(self.original)
            else:
                change = Created(last) if self.original is None else Replaced(self.original, last)
        intermediate = tuple(each for each in self.versions if each is not last)
        ends = tuple(End(step.message.job, self._outcome(step)) for step in self.steps)
        return Unit(self.item, ends, change, intermediate)

    def _refer_to(self, document: DocumentRef) -> None:
        """Make the last version, and the jobs that show it, refer to this object."""
        last = self.versions[-1]
        stored = replace(last, document=document)
        self.versions[-1] = self.current.row = stored
        for step in self.steps:
            step.result = stored if step.result is last else step.result

    def _outcome(self, step: Step) -> Success | Failure:
        if step.refusal is not None:
            return step.failure(step.refusal)
        # Each job that changed the document has the key of the old one: a redelivery of any of them deletes it.
        old_key = None if isinstance(step.command, ReadItem) else self.old_document_key
        return Success(old_document_key=old_key) if step.result is None else success_with(step.result, old_key)


def collect_run(deliveries: Sequence[Delivery], services: Services, seconds_left: Callable[[], float]) -> Run:
    """Return a run of the messages, from the first of the group on, that can be decided together.

    The run has no steps if the first message must be processed alone.
    """
    run = Run([*deliveries], [], CurrentRow())
    seen: set[str] = set()
    for delivery in deliveries:
        if len(delivery.body) > LONGEST_BODY:
            break
        try:
            message = decode_message(delivery.body)
            context = open_context(message, services, run.current)
        except (UndecodableMessage, Refusal):
            break
        command = message.content
        if run.steps and message.item != run.item:
            break  # callers choose ids, so two documents may share a message group
        if not is_due(message.not_before, now()):
            break
        # A DynamoDB transaction accepts each row once. A second message of a job is processed after the commit.
        if not isinstance(command, GROUPED) or message.retry_of is not None or message.job.job_id in seen:
            break
        seen.add(message.job.job_id)
        execution = Execution(message, delivery, services, seconds_left)
        execution.log_fields["operation"] = command.operation
        run.steps.append(Step(message, command, context, execution))
    return run
