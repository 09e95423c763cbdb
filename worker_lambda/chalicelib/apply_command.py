"""Apply one command: read → decide → put the document → one transaction → delete the superseded document.

After an exception other than a Refusal, the job stays unfinished and SQS delivers its message again.
"""

from __future__ import annotations

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import Command
from jobpipe.domain.documents.item import Change, Created, Removed, Replaced
from jobpipe.domain.documents.item_ref import ITEMS
from jobpipe.domain.errors import ItemChanged, Refusal, ValueLocked
from jobpipe.domain.jobs.job import Success
from jobpipe.domain.jobs.queue_message import QueueMessage
from jobpipe.runtime.metrics import SUCCEEDED, meter
from jobpipe.stores.aws_stores import Stores

from .command_handlers import Context, Remove, Write, decide, open_context
from .versions import next_version, success_with, value_taken


def apply_command(command: Command, message: QueueMessage, stores: Stores, *, emits: bool = False) -> None:
    """Apply the command and end the job as succeeded; raise a Refusal if a rule fails.

    `emits` says whether the job stores the events that an operation emits, so that they can be sent.
    """
    context = open_context(message, stores)
    context.emits = emits
    try:
        _apply(command, context, stores)
    except Refusal as refusal:
        refusal.stored_label = context.stored_label()
        raise


def _apply(command: Command, context: Context, stores: Stores) -> None:
    try:
        _apply_once(command, context, stores)
    except ItemChanged:
        if context.item.collection == ITEMS:
            raise
        # `make reindex` has written locks or entries of the document meanwhile. It does so only once.
        _apply_once(command, context, stores)


def _apply_once(command: Command, context: Context, stores: Stores) -> None:
    decision = decide(command, context)
    if isinstance(decision, Write):
        old = decision.old
        # The new document becomes visible only when its row is committed.
        new, _ = next_version(decision, context, stores.documents.put)
        if old is None:
            _commit(Created(new), success_with(new), context, stores)
        else:
            success = success_with(new, emitted_events=decision.emitted_events, old_document_key=old.document.key)
            _commit(Replaced(old, new), success, context, stores)
            stores.documents.delete([old.document.key])
    elif isinstance(decision, Remove):
        old = decision.old
        _commit(Removed(old), Success(old_document_key=old.document.key), context, stores)
        stores.documents.delete([old.document.key])
    else:
        stores.jobs.succeed(context.job, success_with(decision.item), now())
        meter.add(SUCCEEDED, collection=context.item.collection)


def _commit(change: Change, success: Success, context: Context, stores: Stores) -> None:
    try:
        stores.items_of(context.item.collection, context.item.scope).commit(change, context.job, success, now())
    except ValueLocked as locked:
        if isinstance(change, Removed):
            raise
        # The transaction was cancelled, so nothing refers to the document.
        stores.documents.delete([change.new.document.key])
        raise value_taken(change.new, locked, context) from None
    except ItemChanged:
        if context.item.collection != ITEMS and not isinstance(change, Removed):
            stores.documents.delete([change.new.document.key])  # the next attempt puts a new document
        raise
    meter.add(SUCCEEDED, collection=context.item.collection)  # before the clean-up, which may fail
