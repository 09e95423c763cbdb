"""What names the document of a command that fails, in the lists of failed jobs. Nothing is read for it."""

from __future__ import annotations

from jobpipe.domain.commands.command import Command
from jobpipe.domain.commands.label import label_of
from jobpipe.domain.errors import Refusal
from jobpipe.domain.jobs.queue_message import Claim, QueueMessage
from jobpipe.stores.aws_stores import Stores


def label_of_failed(
    message: QueueMessage, stores: Stores, refusal: Refusal | None = None, command: Command | None = None
) -> str | None:
    """Return the label of the document in the command, or else of the stored one that was read before the refusal.

    `command` is that of a claim check, if it was read.
    """
    content = command or message.content
    collection = stores.registry.get(message.collection)
    named = None if collection is None or isinstance(content, Claim) else label_of(content, collection)
    return named or (None if refusal is None else refusal.stored_label)
