"""Decode the messages of the commands queue."""

from __future__ import annotations

import re

from jobpipe.domain import json_text
from jobpipe.domain.commands import not_after, not_before
from jobpipe.domain.commands.command import Command
from jobpipe.domain.commands.command_parsing import decode_command
from jobpipe.domain.documents.item_ref import COLLECTION_NAME, ITEMS, ItemRef
from jobpipe.domain.documents.item_rules import check_item_id
from jobpipe.domain.errors import Refusal, UndecodableMessage
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.claim_check import Claim, parse_claim
from jobpipe.domain.jobs.job import KeptCommand
from jobpipe.domain.jobs.queue_message import FORM, FORM_OF_COLLECTIONS, QueueMessage
from jobpipe.domain.limits import MAX_QUEUED_BYTES

_OWNER = re.compile("[a-z][a-z0-9-]{0,62}")
_TOKEN = re.compile(r"[0-9a-f]{1,64}")


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
    if form not in (FORM, FORM_OF_COLLECTIONS) or isinstance(form, bool):
        raise UndecodableMessage(
            f"its format is {form if isinstance(form, int) else 'none'}, not {FORM} or {FORM_OF_COLLECTIONS}"
        )
    item_id = check_item_id(envelope.get("item_id"))
    request_id = envelope.get("request_id", "")
    if not isinstance(request_id, str) or not request_id.isascii():
        raise UndecodableMessage("its request_id is not valid")
    retry_of = _token(envelope, "retry_of") if "retry_of" in envelope else None
    if form == FORM:
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
        return KeptCommand(claim=parse_claim(envelope.get("claim"), job).key)
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
        return parse_claim(envelope["claim"], job)
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
