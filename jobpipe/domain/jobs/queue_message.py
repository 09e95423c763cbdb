"""The messages that carry commands through SQS, and their envelopes.

A message has one of two forms. The first is for commands for `items`, and does not change, so that releases can be
rolled back. The second also has the collection, its scope, the owner and the time `at`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from jobpipe.domain import json_text
from jobpipe.domain.commands import not_after, not_before
from jobpipe.domain.commands.command import Command
from jobpipe.domain.documents.item_ref import ITEMS, ItemRef
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.claim_check import (
    Claim,
    ClaimCheck,
    decode_stored_command,
    escape_for_sqs,
    exceeds,
    is_too_large,
    make_claim_check,
    new_claim_check,
    waiting_key,
)
from jobpipe.domain.jobs.job import Job, KeptCommand
from jobpipe.domain.limits import MAX_KEPT_BYTES, MAX_WAITING_BYTES

FORM, FORM_OF_COLLECTIONS = 1, 2
"""The two forms of a message, its member `v`."""


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A command with its job and the request that submitted it."""

    job: JobRef
    item_id: str
    content: Command | Claim
    request_id: str  # of the HTTP request, for the worker's log lines
    retry_of: str | None = None  # the generation that failed, if a retry sent the message
    collection: str = field(default=ITEMS, kw_only=True)
    scope: str = field(default="", kw_only=True)
    owner: str = field(default="", kw_only=True)  # the job's owner; not in a message for `items`
    # When the command was accepted or became due, or its retry was requested; not in a message for `items`.
    at: str = field(default="", kw_only=True)
    not_before: str | None = field(default=None, kw_only=True)  # the earliest time of its effect
    # The command's time limit. It overrides the limit in a claim check, since a retry may have set it.
    not_after: str | None = field(default=None, kw_only=True)

    @classmethod
    def of(cls, job: Job, command: Command, request_id: str) -> Self:
        """Return the message of a command that was just accepted as this job."""
        common = (job.ref, command.item_id, command, request_id)
        if command.collection == ITEMS:
            return cls(*common, not_before=command.not_before, not_after=command.not_after)
        return cls(
            *common,
            collection=command.collection,
            scope=command.scope,
            owner=job.owner,
            at=max(job.created_at, command.not_before or ""),
            not_before=command.not_before,
            not_after=command.not_after,
        )

    @property
    def item(self) -> ItemRef:
        """Return the reference to the command's item."""
        return ItemRef(self.collection, self.scope, self.item_id)

    @property
    def kept(self) -> KeptCommand:
        """Return the command as a failed job keeps it."""
        return self.keep()[0]

    def keep(self) -> tuple[KeptCommand, ClaimCheck | None]:
        """Return the command as a failed job keeps it, and the claim check to put before the job ends, if any.

        A row holds at most 400 KB, and each kilobyte is billed, so a large command is kept as a claim check. Every
        attempt uses the same key.
        """
        if isinstance(self.content, Claim):
            return KeptCommand(claim=self.content.key), None
        text = json_text.encode(self.content.to_raw())
        if not exceeds(text, MAX_KEPT_BYTES):
            return KeptCommand(command=text), None
        check = new_claim_check(self.job, self.content, text)
        return KeptCommand(claim=check.key), check


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message in the form that SQS takes."""

    body: str
    group_id: str  # the item id: SQS keeps the order within a group
    deduplication_id: str  # the same for all sends of one generation, so that SQS drops repeated ones
    claim: ClaimCheck | None = None
    is_large: bool = False  # has no claim check, but a failed job may keep one


def seal(message: QueueMessage) -> Envelope:
    """Return the envelope of a message; a command that is too large for SQS becomes a claim check."""
    body, claim = _encode(message), None
    if not isinstance(message.content, Claim) and is_too_large(body):
        claim = make_claim_check(message.job, message.content)
    if claim is not None:
        body = _encode(replace(message, content=Claim(claim.key)))
    return Envelope(
        body=body,
        group_id=message.item.group_id,
        deduplication_id=f"{message.job.job_id}:{message.job.generation}",
        claim=claim,
        is_large=exceeds(body, MAX_KEPT_BYTES),
    )


def seal_to_wait(message: QueueMessage, command: Command) -> Envelope:
    """Return the envelope of a scheduled command's message; a large command waits in the bucket.

    The message names the key that the command has when the message is sent. Until then the command has another key
    (`waiting_key`), under which it does not expire.
    """
    text = json_text.encode(command.to_raw())
    if not exceeds(text, MAX_WAITING_BYTES):
        return seal(message)
    claim = new_claim_check(message.job, command, text)
    return replace(seal_claim(message, claim), claim=replace(claim, key=waiting_key(claim.key)))


def seal_claim(message: QueueMessage, claim: ClaimCheck) -> Envelope:
    """Return the envelope of the message with this claim check, which is stored already."""
    return seal(replace(message, content=Claim(claim.key)))


def kept_content(kept: KeptCommand, item: ItemRef) -> Command | Claim | None:
    """Return the content for a new message of a failed job; None if the job kept no command."""
    if kept.claim is not None:
        return Claim(kept.claim)
    return None if kept.command is None else decode_stored_command(kept.command, item)


def _encode(message: QueueMessage) -> str:
    envelope: dict[str, object] = {
        "v": FORM,
        "job_id": message.job.job_id,
        "generation": message.job.generation,
        "item_id": message.item_id,
        "request_id": message.request_id,
    }
    if message.collection != ITEMS:
        envelope |= {
            "v": FORM_OF_COLLECTIONS,
            "collection": message.collection,
            "scope": message.scope,
            "owner": message.owner,
            "at": message.at,
        }
    if message.retry_of is not None:
        envelope["retry_of"] = message.retry_of
    if isinstance(message.content, Claim):
        envelope["claim"] = message.content.key
        for member, time in ((not_before.MEMBER, message.not_before), (not_after.MEMBER, message.not_after)):
            if time is not None:
                envelope[member] = time
    else:
        envelope["command"] = message.content.to_raw()
    return escape_for_sqs(json_text.encode(envelope))
