"""The label under which lists show a failed or interrupted command. Finding it reads nothing from AWS."""

from __future__ import annotations

from jobpipe.domain.commands.command import Command
from jobpipe.domain.commands.label import label_of
from jobpipe.domain.errors import Refusal
from jobpipe.domain.jobs.claim_check import Claim
from jobpipe.domain.jobs.queue_message import QueueMessage
from jobpipe.stores.aws_stores import Stores


def find_label(
    message: QueueMessage, stores: Stores, refusal: Refusal | None = None, command: Command | None = None
) -> str | None:
    """Return the label of a command that did not succeed, or None if none is known.

    The label comes from the document in the command, else from the stored document if it was read before the
    `refusal`. `command` is the command from a claim check that was read.
    """
    content = command or message.content
    collection = stores.registry.get(message.collection)
    named = None if collection is None or isinstance(content, Claim) else label_of(content, collection)
    return named or (None if refusal is None else refusal.stored_label)
