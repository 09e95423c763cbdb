"""A command on its way through SQS."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from jobpipe import json_text
from jobpipe.commands import Command, parse_command
from jobpipe.errors import Refusal, TooLarge, UndecodableMessage
from jobpipe.item_rules import check_item_id
from jobpipe.job_ref import JobRef

MAX_MESSAGE_BYTES = 200 * 1024
"""Of the whole body; SQS itself takes 256 KiB."""

_VERSION = 1
_GROUP_ID = re.compile(r"[A-Za-z0-9!-/:-@\[-`{-~]{1,128}")
_TOKEN = re.compile(r"[0-9a-f]{1,64}")
# What JSON may hold unescaped and SQS refuses: https://www.w3.org/TR/REC-xml/#charsets
_NOT_IN_SQS = re.compile("[\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """One command, the job that tells of it, and the request that brought it."""

    job: JobRef
    command: Command
    request_id: str  # of the HTTP request that queued it, for the worker's log lines


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message as SQS takes it."""

    body: str
    group_id: str  # the item id: FIFO keeps the order within a group and runs groups in parallel
    deduplication_id: str  # the same for every sending of one life of a job: a replay soon after adds nothing


def seal(message: QueueMessage) -> Envelope:
    """The envelope of a message, or TooLarge if SQS could not carry it."""
    body = _encode(message)
    # UTF-8 has at most four bytes a character, so most bodies need no encoding to be told.
    if len(body) * 4 > MAX_MESSAGE_BYTES and len(body.encode()) > MAX_MESSAGE_BYTES:
        raise TooLarge(f"A command must have at most {MAX_MESSAGE_BYTES} bytes in its queued form.")
    return Envelope(
        body=body,
        group_id=_group_id(message.command.item_id),
        deduplication_id=f"{message.job.job_id}:{message.job.generation}",
    )


def _group_id(item_id: str) -> str:
    # An id with characters that SQS does not take belongs to no item, but its commands must fail in order too.
    return item_id if _GROUP_ID.fullmatch(item_id) else hashlib.sha256(item_id.encode()).hexdigest()


def _encode(message: QueueMessage) -> str:
    text = json_text.encode(
        {
            "v": _VERSION,
            "job_id": message.job.job_id,
            "generation": message.job.generation,
            "item_id": message.command.item_id,
            "request_id": message.request_id,
            "command": message.command.to_raw(),
        }
    )
    return _NOT_IN_SQS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def decode_message(body: str) -> QueueMessage:
    """The message of a body, or UndecodableMessage with the reason."""
    try:
        envelope = json_text.decode(body)
        if not isinstance(envelope, dict):
            raise UndecodableMessage("it is not a JSON object")
        if envelope.get("v") != _VERSION:
            raise UndecodableMessage(f"its format is {envelope.get('v')!r}, not {_VERSION}")
        return QueueMessage(
            JobRef(_token(envelope, "job_id"), _token(envelope, "generation")),
            parse_command(envelope.get("command"), new_item_id=check_item_id(envelope.get("item_id"))),
            str(envelope.get("request_id", "")),
        )
    except Refusal as refusal:
        raise UndecodableMessage(refusal.detail) from None


def _token(envelope: dict[str, object], member: str) -> str:
    value = envelope.get(member)
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise UndecodableMessage(f"its {member} is not one of ours")
    return value
