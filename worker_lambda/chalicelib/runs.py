"""A run: the commands of one document in a batch, which are decided without a call and take effect as a whole.

Each command is decided on what the one before it left, and only the last version of the document is stored.
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
from jobpipe.domain.jobs.queue_message import QueueMessage, decode_message
from jobpipe.domain.violations import fit_in_row

from .command_handlers import Context, Show, Write, decide, open_context
from .execute import Execution
from .received import Delivery
from .services import Services
from .versions import next_version, put_later, success_with

GROUPED: tuple[type[Command], ...] = (CreateItem, ReadItem, SetFields, MergePatch, DeleteItem, UpsertItem)
"""The commands of runs. A user's operation is not one: if it did not return, it would hold up the other runs."""

LONGEST_BODY = 16 * 1024
"""Characters of a message. A larger document takes longer to put, and the other runs would wait for it.

The row of a failed job has room for every such command, so a group puts no claim check.
"""


@dataclass(slots=True)
class Known:
    """The row of one document, as the commands that were decided have left it."""

    row: StoredItem | None = None

    def get(self, item_id: str) -> StoredItem | None:  # noqa: ARG002  # there is only one
        """Return the row."""
        return self.row


@dataclass(slots=True)
class Step:
    """One command of a run."""

    message: QueueMessage
    command: Command
    context: Context
    execution: Execution
    result: StoredItem | None = None  # the version that the job shows, if it succeeds with one
    refusal: Refusal | None = None

    @property
    def outcome(self) -> str:
        """Return the outcome for the log."""
        return "succeeded" if self.refusal is None else f"failed: {self.refusal.slug}"

    @property
    def needs_row(self) -> bool:
        """Return whether the command must read the row: a new id, which the API has made, has none."""
        return not (isinstance(self.command, CreateItem) and self.context.collection.key is None)

    @property
    def needs_document(self) -> bool:
        """Return whether the command must read the document."""
        return not isinstance(self.command, CreateItem | DeleteItem)

    def failure(self, refusal: Refusal) -> Failure:
        """Return how the job ends that is refused."""
        label = label_of(self.command, self.context.collection) or self.context.label_of_stored()
        return Failure(fit_in_row(refusal).to_problem(), self.message.kept, label)


@dataclass(slots=True)
class Run:
    """The commands of one document that are committed as a whole."""

    deliveries: list[Delivery]  # all messages of its message group, also those that follow the run
    steps: list[Step]
    known: Known
    original: StoredItem | None = None  # the committed version that was read
    made: list[StoredItem] = field(default_factory=list)  # all versions that its commands made, in their order
    text: str = ""  # the last version's document
    written_by: JobRef | None = None  # the job under whose prefix the last version is put
    put: Future[DocumentRef] | None = None

    @property
    def item(self) -> ItemRef:
        """Return the reference to the document."""
        return self.steps[0].message.item

    @property
    def changes(self) -> bool:
        """Return whether the document will be another one, or none."""
        return self.known.row is not self.original

    @property
    def superseded(self) -> str | None:
        """Return the key of the document that the run replaces or deletes, if there is one."""
        return self.original.document.key if self.original is not None and self.changes else None

    def decide(self) -> bool:
        """Decide as many of the commands as can be committed as a whole; return whether there are any."""
        for n, step in enumerate(self.steps):
            # A document that is in the bucket only would have to be read there, or is not put yet.
            fits = n == 0 or self.known.row is None or self.known.row.inline is not None
            try:
                fits = fits and self._decide_step(step, alone=n == 0)
            except Exception:  # noqa: BLE001  # the command raises it again when it goes alone
                fits = False
            if not fits:
                del self.steps[n:]
                break
        return bool(self.steps)

    def _decide_step(self, step: Step, *, alone: bool) -> bool:
        """Decide one command; return False, and change nothing, if it cannot be in a run with others."""
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
            step.result = self.known.row = new
            self.made.append(new)
            self.text, self.written_by = text, step.message.job
        elif isinstance(decision, Show):
            step.result = decision.item
        else:
            self.known.row = None
        return True

    def unit(self) -> Unit:
        """Return the run as a unit to commit. If its document was put, the unit refers to the stored object."""
        if self.put is not None:
            self._refer_to(self.put.result())
        last = self.known.row
        change: Change | None = None
        if self.changes:
            if last is None:
                change = None if self.original is None else Removed(self.original)
            else:
                change = Created(last) if self.original is None else Replaced(self.original, last)
        between = tuple(each for each in self.made if each is not last)
        ends = tuple(End(step.message.job, self._outcome(step)) for step in self.steps)
        return Unit(self.item, ends, change, between)

    def _refer_to(self, document: DocumentRef) -> None:
        """Let the last version, and the jobs that show it, refer to this object."""
        last = self.made[-1]
        stored = replace(last, document=document)
        self.made[-1] = self.known.row = stored
        for step in self.steps:
            step.result = stored if step.result is last else step.result

    def _outcome(self, step: Step) -> Success | Failure:
        if step.refusal is not None:
            return step.failure(step.refusal)
        # Each job that changed the document names the superseded key: a redelivery of any of them deletes it.
        superseded = None if isinstance(step.command, ReadItem) else self.superseded
        return (
            Success(old_document_key=superseded) if step.result is None else success_with(step.result, superseded)
        )


def run_of(deliveries: Sequence[Delivery], services: Services, seconds_left: Callable[[], float]) -> Run:
    """Return a run of as many messages as can be decided together, from the first of the group on.

    It has no steps if the first message must be processed alone.
    """
    run = Run([*deliveries], [], Known())
    seen: set[str] = set()
    for delivery in deliveries:
        if len(delivery.body) > LONGEST_BODY:
            break
        try:
            message = decode_message(delivery.body)
            context = open_context(message, services, run.known)
        except (UndecodableMessage, Refusal):
            break
        command = message.content
        if run.steps and message.item != run.item:
            break  # ids are callers' texts, and two documents can have one message group
        if not is_due(message.not_before, now()):
            break
        # DynamoDB takes a row only once in a transaction. A second message of a job is processed after the commit.
        if not isinstance(command, GROUPED) or message.retry_of is not None or message.job.job_id in seen:
            break
        seen.add(message.job.job_id)
        execution = Execution(message, delivery, services, seconds_left)
        execution.log_fields["operation"] = command.operation
        run.steps.append(Step(message, command, context, execution))
    return run
