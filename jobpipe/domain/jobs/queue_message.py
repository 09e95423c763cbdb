"""The messages that carry commands through SQS.

A message has one of two forms. The first is for commands for `items`, and does not change, so that releases can be
rolled back. The second also has the collection, its scope, the owner and the time `at`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Self

from jobpipe.domain import json_text
from jobpipe.domain.commands import not_after, not_before
from jobpipe.domain.commands.command import Command, fingerprint
from jobpipe.domain.commands.command_parsing import decode_command
from jobpipe.domain.documents.item_ref import COLLECTION_NAME, ITEMS, ItemRef
from jobpipe.domain.documents.item_rules import check_item_id
from jobpipe.domain.errors import ClaimUnusable, Refusal, UndecodableMessage
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Job, KeptCommand
from jobpipe.domain.limits import (
    MAX_COMMAND_BYTES,
    MAX_COMMAND_IN_EVENT_BYTES,
    MAX_KEPT_BYTES,
    MAX_QUEUED_BYTES,
    MAX_WAITING_BYTES,
)

_FORM, _FORM_OF_COLLECTIONS = 1, 2
_OWNER = re.compile("[a-z][a-z0-9-]{0,62}")
_TOKEN = re.compile(r"[0-9a-f]{1,64}")
_CLAIMS_PREFIX = "claims/"
WAITING_PREFIX = "scheduled/"
"""The keys of claim checks begin with this until their messages are sent."""
_CLAIM_KEY = re.compile(r"claims/(?P<job_id>[0-9a-f]{1,64})/[0-9a-f]{1,64}/[0-9a-f]{64}\.json")


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim check: the key of a command that is too large for SQS and is stored in the documents bucket."""

    key: str


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
        if not _exceeds(text, MAX_KEPT_BYTES):
            return KeptCommand(command=text), None
        check = _claim_check(self.job, self.content, text)
        return KeptCommand(claim=check.key), check


class UnreadableCommand(UndecodableMessage):
    """The message names a job, but this release cannot read its command."""

    def __init__(self, reason: str, job: JobRef, kept: KeptCommand | None, item: ItemRef | None = None) -> None:
        """`item` is the document that the message names; None if it names none."""
        super().__init__(reason, job, kept, item)  # pickle calls the class with these
        self.reason = reason
        self.job = job
        self.kept = kept
        self.item = item

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class ClaimCheck:
    """An object that must be put into the documents bucket before the envelope that names it is sent."""

    key: str
    text: str


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
    if not isinstance(message.content, Claim) and _is_too_large(body):
        claim = make_claim_check(message.job, message.content)
    if claim is not None:
        body = _encode(replace(message, content=Claim(claim.key)))
    return Envelope(
        body=body,
        group_id=message.item.group_id,
        deduplication_id=f"{message.job.job_id}:{message.job.generation}",
        claim=claim,
        is_large=_exceeds(body, MAX_KEPT_BYTES),
    )


def seal_to_wait(message: QueueMessage, command: Command) -> Envelope:
    """Return the envelope of a scheduled command's message; a large command waits in the bucket.

    The message names the key that the command has when the message is sent. Until then the command has another key
    (`waiting_key`), under which it does not expire.
    """
    text = json_text.encode(command.to_raw())
    if not _exceeds(text, MAX_WAITING_BYTES):
        return seal(message)
    claim = _claim_check(message.job, command, text)
    return replace(seal_claim(message, claim), claim=replace(claim, key=waiting_key(claim.key)))


def waiting_key(claim: str) -> str:
    """Return the key under which a claim check waits until its message is sent."""
    return f"{WAITING_PREFIX}{claim.removeprefix(_CLAIMS_PREFIX)}"


def claim_key(waiting: str) -> str:
    """Return the key by which a message names the claim check that waits under the key `waiting`."""
    return f"{_CLAIMS_PREFIX}{waiting.removeprefix(WAITING_PREFIX)}"


def seal_claim(message: QueueMessage, claim: ClaimCheck) -> Envelope:
    """Return the envelope of the message with this claim check, which is stored already."""
    return seal(replace(message, content=Claim(claim.key)))


def kept_content(kept: KeptCommand, item: ItemRef) -> Command | Claim | None:
    """Return the content for a new message of a failed job; None if the job kept no command."""
    if kept.claim is not None:
        return Claim(kept.claim)
    return None if kept.command is None else _decode_command(kept.command, item)


def redeem(claim: Claim, text: str, item: ItemRef) -> Command:
    """Return the command of a claim check; raise ClaimUnusable if it is not the accepted command.

    The claim's key, which came with the message, has the fingerprint of the command. So nobody can change a waiting
    command by writing to the bucket.
    """
    try:
        command = _decode_command(text, item)
    except Refusal:
        raise ClaimUnusable("The claim check is not a command that this release can read.") from None
    if command.item_id != item.item_id or not claim.key.endswith(f"/{fingerprint(command)}.json"):
        raise ClaimUnusable("The claim check is another command.")
    return command


def _decode_command(text: str, item: ItemRef) -> Command:
    return decode_command(json_text.decode(text), item)


def make_claim_check(job: JobRef, command: Command) -> ClaimCheck | None:
    """Return the claim check of a command that is too large for a message."""
    # Size and key depend on the command only: a replay may have a longer request id or its fields in another order,
    # and must not put a claim check that the message on the queue does not name.
    text = json_text.encode(command.to_raw())
    return _claim_check(job, command, text) if _is_too_large(_for_sqs(text)) else None


def _claim_check(job: JobRef, command: Command, text: str) -> ClaimCheck:
    return ClaimCheck(f"{_CLAIMS_PREFIX}{job.job_id}/{job.generation}/{fingerprint(command)}.json", text)


def _is_too_large(text: str) -> bool:
    # A command that a failed job keeps in its row must fit the message of a retry, which puts no claim check.
    return _exceeds(text, MAX_KEPT_BYTES) and (
        _exceeds(text, MAX_COMMAND_BYTES) or len(json.dumps(text)) > MAX_COMMAND_IN_EVENT_BYTES
    )


def _exceeds(text: str, limit: int) -> bool:
    # UTF-8 has at most four bytes for a character, so most texts need not be encoded.
    return len(text) * 4 > limit and len(text.encode()) > limit


def _encode(message: QueueMessage) -> str:
    envelope: dict[str, object] = {
        "v": _FORM,
        "job_id": message.job.job_id,
        "generation": message.job.generation,
        "item_id": message.item_id,
        "request_id": message.request_id,
    }
    if message.collection != ITEMS:
        envelope |= {
            "v": _FORM_OF_COLLECTIONS,
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
    return _for_sqs(json_text.encode(envelope))


def _for_sqs(text: str) -> str:
    # JSON may have these characters unescaped, but SQS refuses them: https://www.w3.org/TR/REC-xml/#charsets
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def decode_message(body: str) -> QueueMessage:
    """Return the message; raise UndecodableMessage with the reason, or UnreadableCommand if its job is known."""
    try:
        envelope = json_text.decode(body)
    except Refusal as refusal:
        raise UndecodableMessage(refusal.detail) from None
    if not isinstance(envelope, dict):
        raise UndecodableMessage("it is not a JSON object")
    job = JobRef(_token(envelope, "job_id"), _token(envelope, "generation"))
    try:
        return _read(envelope, job)
    except (Refusal, UndecodableMessage) as why:
        raise UnreadableCommand(str(why), job, _unread_command(envelope, job), _unread_item(envelope)) from None


def _read(envelope: dict[str, object], job: JobRef) -> QueueMessage:
    form = envelope.get("v")
    if form not in (_FORM, _FORM_OF_COLLECTIONS) or isinstance(form, bool):
        raise UndecodableMessage(
            f"its format is {form if isinstance(form, int) else 'none'}, not {_FORM} or {_FORM_OF_COLLECTIONS}"
        )
    item_id = check_item_id(envelope.get("item_id"))
    request_id = envelope.get("request_id", "")
    if not isinstance(request_id, str) or not request_id.isascii():
        raise UndecodableMessage("its request_id is not valid")
    retry_of = _token(envelope, "retry_of") if "retry_of" in envelope else None
    if form == _FORM:
        content = _decode_content(envelope, job, ItemRef(ITEMS, "", item_id))
        return QueueMessage(
            *(job, item_id, content, request_id, retry_of),
            not_before=_time(envelope, content, not_before.MEMBER),
            not_after=_time(envelope, content, not_after.MEMBER),
        )
    collection, owner = _text(envelope, "collection", COLLECTION_NAME), _text(envelope, "owner", _OWNER)
    scope = envelope.get("scope")
    if scope not in ("", owner) or collection == ITEMS:
        raise UndecodableMessage("its collection or scope is not valid")
    content = _decode_content(envelope, job, ItemRef(collection, str(scope), item_id))
    return QueueMessage(
        *(job, item_id, content, request_id, retry_of),
        collection=collection,
        scope=str(scope),
        owner=owner,
        at=_text(envelope, "at", not_after.STORED_FORM),
        not_before=_time(envelope, content, not_before.MEMBER),
        not_after=_time(envelope, content, not_after.MEMBER),
    )


def _time(envelope: dict[str, object], content: Command | Claim, member: str) -> str | None:
    """Return one of the command's times; beside a claim check, the message has them."""
    if not isinstance(content, Claim):
        return content.not_before if member == not_before.MEMBER else content.not_after
    return _text(envelope, member, not_after.STORED_FORM) if member in envelope else None


def _unread_command(envelope: dict[str, object], job: JobRef) -> KeptCommand | None:
    """Return the command for a release that can read it."""
    if "command" in envelope:
        return _storable(envelope["command"])
    try:
        return KeptCommand(claim=_claim(envelope.get("claim"), job).key)
    except UndecodableMessage:
        return None


def _unread_item(envelope: dict[str, object]) -> ItemRef | None:
    """Return the document that the message names, if it names one."""
    try:
        item_id = check_item_id(envelope.get("item_id"))
        if "collection" not in envelope:
            return ItemRef(ITEMS, "", item_id)
        scope = _text(envelope, "scope", _OWNER) if envelope.get("scope") else ""
        return ItemRef(_text(envelope, "collection", COLLECTION_NAME), scope, item_id)
    except (Refusal, UndecodableMessage):
        return None


def _storable(command: object) -> KeptCommand | None:
    # A forged message may have a command that no job can store. The message must be parked nevertheless.
    try:
        text = json_text.encode(command)
        size = len(text.encode())
    except (RecursionError, UnicodeEncodeError):
        return None
    return KeptCommand(command=text) if size <= MAX_QUEUED_BYTES else None


def _decode_content(envelope: dict[str, object], job: JobRef, item: ItemRef) -> Command | Claim:
    if "claim" in envelope:
        return _claim(envelope["claim"], job)
    command = decode_command(envelope.get("command"), item)
    if command.item_id != item.item_id:
        raise UndecodableMessage("its item is not the command's item")
    return command


def _token(envelope: dict[str, object], member: str) -> str:
    return _text(envelope, member, _TOKEN)


def _text(envelope: dict[str, object], member: str, form: re.Pattern[str]) -> str:
    value = envelope.get(member)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise UndecodableMessage(f"its {member} is not valid")
    return value


def _claim(key: object, job: JobRef) -> Claim:
    match = _CLAIM_KEY.fullmatch(key) if isinstance(key, str) else None
    # A message must not name, and so delete, the claim check of another job.
    if match is None or match["job_id"] != job.job_id:
        raise UndecodableMessage("its claim check belongs to another job")
    return Claim(match[0])
