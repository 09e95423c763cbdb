"""A command on its way through SQS."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Self

from jobpipe.domain import json_text
from jobpipe.domain.commands import Command, fingerprint, parse_command
from jobpipe.domain.errors import ClaimUnusable, Refusal, UndecodableMessage
from jobpipe.domain.item_rules import check_item_id
from jobpipe.domain.job import KeptCommand
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.limits import MAX_COMMAND_BYTES, MAX_QUEUED_BYTES

_VERSION = 1
_GROUP_ID = re.compile(r"[A-Za-z0-9!-/:-@\[-`{-~]{1,128}")
_TOKEN = re.compile(r"[0-9a-f]{1,64}")
_CLAIM_KEY = re.compile(r"claims/(?P<job_id>[0-9a-f]{1,64})/[0-9a-f]{1,64}/[0-9a-f]{64}\.json")


@dataclass(frozen=True, slots=True)
class Claim:
    """A command that is too large for SQS, by the key under which it lies in the documents bucket."""

    key: str


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """One command, the job that tells of it, and the request that brought it."""

    job: JobRef
    item_id: str
    content: Command | Claim
    request_id: str  # of the HTTP request that queued it, for the worker's log lines
    retry_of: str | None = None  # of an explicit retry: the generation that had failed

    @classmethod
    def of(cls, job: JobRef, command: Command, request_id: str) -> Self:
        """The message of a command that was just accepted."""
        return cls(job, command.item_id, command, request_id)

    @property
    def kept(self) -> KeptCommand:
        """The command as a failed job keeps it."""
        if isinstance(self.content, Claim):
            return KeptCommand(claim=self.content.key)
        return KeptCommand(command=json_text.encode(self.content.to_raw()))


class UnreadableCommand(UndecodableMessage):
    """The message names a job of ours, and a command that this release does not understand."""

    def __init__(self, reason: str, job: JobRef, kept: KeptCommand | None) -> None:
        super().__init__(reason, job, kept)  # pickle calls the class with these
        self.reason = reason
        self.job = job
        self.kept = kept

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class ClaimCheck:
    """What has to lie in the documents bucket before the envelope that names it is sent."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message as SQS takes it."""

    body: str
    group_id: str  # the item id: FIFO keeps the order within a group and runs groups in parallel
    deduplication_id: str  # the same for every sending of one life of a job: a replay soon after adds nothing
    claim: ClaimCheck | None = None


def seal(message: QueueMessage) -> Envelope:
    """The envelope of a message; a command that SQS could not carry goes beside it, as a claim check."""
    body, claim = _encode(message), None
    if not isinstance(message.content, Claim) and _exceeds(body, MAX_COMMAND_BYTES):
        claim = _check_in(message.job, message.content)
    if claim is not None:
        body = _encode(replace(message, content=Claim(claim.key)))
    return Envelope(
        body=body,
        group_id=_group_id(message.item_id),
        deduplication_id=f"{message.job.job_id}:{message.job.generation}",
        claim=claim,
    )


def kept_content(kept: KeptCommand, item_id: str) -> Command | Claim | None:
    """What a message of a failed job has to carry; None if nothing was kept."""
    if kept.claim is not None:
        return Claim(kept.claim)
    return None if kept.command is None else _decode_command(kept.command, item_id)


def redeem(claim: Claim, text: str, item_id: str) -> Command:
    """The command that lies under a claim; ClaimUnusable if it is not the one that was accepted.

    The key, which came with the message, has the digest of its command. So who can write to the bucket still cannot
    say what a waiting job is to do.
    """
    try:
        command = _decode_command(text, item_id)
    except Refusal:
        raise ClaimUnusable("What lies under the claim check is no command of this release.") from None
    if command.item_id != item_id or not claim.key.endswith(f"/{fingerprint(command)}.json"):
        raise ClaimUnusable("What lies under the claim check is another command.")
    return command


def _decode_command(text: str, item_id: str) -> Command:
    return parse_command(json_text.decode(text), new_item_id=item_id)


def _check_in(job: JobRef, command: Command) -> ClaimCheck | None:
    # The command alone decides, and names the key: a replay may have a longer request id or its fields in another
    # order, and must not leave a claim check that the message which SQS has kept does not know.
    text = json_text.encode(command.to_raw())
    if not _exceeds(_for_sqs(text), MAX_COMMAND_BYTES):
        return None
    return ClaimCheck(f"claims/{job.job_id}/{job.generation}/{fingerprint(command)}.json", text)


def _exceeds(text: str, limit: int) -> bool:
    # UTF-8 has at most four bytes a character, so most texts need no encoding to be told.
    return len(text) * 4 > limit and len(text.encode()) > limit


def _group_id(item_id: str) -> str:
    # An id with characters that SQS does not take belongs to no item, but its commands must fail in order too.
    return item_id if _GROUP_ID.fullmatch(item_id) else hashlib.sha256(item_id.encode()).hexdigest()


def _encode(message: QueueMessage) -> str:
    envelope: dict[str, object] = {
        "v": _VERSION,
        "job_id": message.job.job_id,
        "generation": message.job.generation,
        "item_id": message.item_id,
        "request_id": message.request_id,
    }
    if message.retry_of is not None:
        envelope["retry_of"] = message.retry_of
    if isinstance(message.content, Claim):
        envelope["claim"] = message.content.key
    else:
        envelope["command"] = message.content.to_raw()
    return _for_sqs(json_text.encode(envelope))


def _for_sqs(text: str) -> str:
    # What JSON may hold unescaped and SQS refuses: https://www.w3.org/TR/REC-xml/#charsets
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def decode_message(body: str) -> QueueMessage:
    """The message of a body, or UndecodableMessage with the reason: UnreadableCommand if its job is known."""
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
        raise UnreadableCommand(str(why), job, _kept_unread(envelope, job)) from None


def _read(envelope: dict[str, object], job: JobRef) -> QueueMessage:
    if envelope.get("v") != _VERSION:
        found = envelope.get("v")
        raise UndecodableMessage(f"its format is {found if isinstance(found, int) else 'none'}, not {_VERSION}")
    item_id = check_item_id(envelope.get("item_id"))
    request_id = envelope.get("request_id", "")
    if not isinstance(request_id, str) or not request_id.isascii():
        raise UndecodableMessage("its request_id is not one of ours")
    return QueueMessage(
        job,
        item_id,
        _content(envelope, job, item_id),
        request_id,
        _token(envelope, "retry_of") if "retry_of" in envelope else None,
    )


def _kept_unread(envelope: dict[str, object], job: JobRef) -> KeptCommand | None:
    """What a release that reads the message may find in it."""
    if "command" in envelope:
        return _storable(envelope["command"])
    try:
        return KeptCommand(claim=_claim(envelope.get("claim"), job).key)
    except UndecodableMessage:
        return None


def _storable(command: object) -> KeptCommand | None:
    # What no release has sent may be what no job can hold, and must not keep its message from being parked.
    try:
        text = json_text.encode(command)
        size = len(text.encode())
    except (RecursionError, UnicodeEncodeError):
        return None
    return KeptCommand(command=text) if size <= MAX_QUEUED_BYTES else None


def _content(envelope: dict[str, object], job: JobRef, item_id: str) -> Command | Claim:
    if "claim" in envelope:
        return _claim(envelope["claim"], job)
    command = parse_command(envelope.get("command"), new_item_id=item_id)
    if command.item_id != item_id:
        raise UndecodableMessage("its item is not its command's")
    return command


def _token(envelope: dict[str, object], member: str) -> str:
    value = envelope.get(member)
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise UndecodableMessage(f"its {member} is not one of ours")
    return value


def _claim(key: object, job: JobRef) -> Claim:
    match = _CLAIM_KEY.fullmatch(key) if isinstance(key, str) else None
    # Nobody may claim, and so delete, what belongs to another job.
    if match is None or match["job_id"] != job.job_id:
        raise UndecodableMessage("its claim is not one of its job's")
    return Claim(match[0])
