"""Claim checks: large commands that are stored in the documents bucket, while the message has only the key."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from jobpipe.domain import json_text
from jobpipe.domain.commands.command import Command, fingerprint
from jobpipe.domain.commands.command_parsing import decode_command
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.errors import ClaimUnusable, Refusal, UndecodableMessage
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.limits import MAX_COMMAND_BYTES, MAX_COMMAND_IN_EVENT_BYTES, MAX_KEPT_BYTES

_CLAIMS_PREFIX = "claims/"
WAITING_PREFIX = "scheduled/"
"""The keys of claim checks begin with this until their messages are sent."""
_CLAIM_KEY = re.compile(r"claims/(?P<job_id>[0-9a-f]{1,64})/[0-9a-f]{1,64}/[0-9a-f]{64}\.json")


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim check: the key of a command that is too large for SQS and is stored in the documents bucket."""

    key: str


@dataclass(frozen=True, slots=True)
class ClaimCheck:
    """An object that must be put into the documents bucket before the envelope that names it is sent."""

    key: str
    text: str


def make_claim_check(job: JobRef, command: Command) -> ClaimCheck | None:
    """Return the claim check of a command that is too large for a message."""
    # Size and key depend on the command only: a replay may have a longer request id or its fields in another order,
    # and must not put a claim check that the message on the queue does not name.
    text = json_text.encode(command.to_raw())
    return new_claim_check(job, command, text) if is_too_large(escape_for_sqs(text)) else None


def new_claim_check(job: JobRef, command: Command, text: str) -> ClaimCheck:
    """Return the claim check of a command, whose encoded raw form is `text`."""
    return ClaimCheck(f"{_CLAIMS_PREFIX}{job.job_id}/{job.generation}/{fingerprint(command)}.json", text)


def is_too_large(text: str) -> bool:
    """Return whether a message must name a claim check instead of this text."""
    # A command that a failed job keeps in its row must fit the message of a retry, which puts no claim check.
    return exceeds(text, MAX_KEPT_BYTES) and (
        exceeds(text, MAX_COMMAND_BYTES) or len(json.dumps(text)) > MAX_COMMAND_IN_EVENT_BYTES
    )


def exceeds(text: str, limit: int) -> bool:
    """Return whether the text has more bytes of UTF-8 than the limit."""
    # UTF-8 has at most four bytes for a character, so most texts need not be encoded.
    return len(text) * 4 > limit and len(text.encode()) > limit


def escape_for_sqs(text: str) -> str:
    """Return the JSON text with the characters escaped that SQS refuses."""
    # JSON may have these characters unescaped, but SQS refuses them: https://www.w3.org/TR/REC-xml/#charsets
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def waiting_key(claim: str) -> str:
    """Return the key under which a claim check waits until its message is sent."""
    return f"{WAITING_PREFIX}{claim.removeprefix(_CLAIMS_PREFIX)}"


def claim_key(waiting: str) -> str:
    """Return the key by which a message names the claim check that waits under the key `waiting`."""
    return f"{_CLAIMS_PREFIX}{waiting.removeprefix(WAITING_PREFIX)}"


def parse_claim(key: object, job: JobRef) -> Claim:
    """Return the claim check of this job with the key; raise UndecodableMessage if the key is of another form."""
    match = _CLAIM_KEY.fullmatch(key) if isinstance(key, str) else None
    # A message must not name, and so delete, the claim check of another job.
    if match is None or match["job_id"] != job.job_id:
        raise UndecodableMessage("its claim check belongs to another job")
    return Claim(match[0])


def redeem(claim: Claim, text: str, item: ItemRef) -> Command:
    """Return the command of a claim check; raise ClaimUnusable if it is not the accepted command.

    The claim's key, which came with the message, has the fingerprint of the command. So nobody can change a waiting
    command by writing to the bucket.
    """
    try:
        command = decode_stored_command(text, item)
    except Refusal:
        raise ClaimUnusable("The claim check is not a command that this release can read.") from None
    if command.item_id != item.item_id or not claim.key.endswith(f"/{fingerprint(command)}.json"):
        raise ClaimUnusable("The claim check is another command.")
    return command


def decode_stored_command(text: str, item: ItemRef) -> Command:
    """Return the command that is stored as this text; raise Refusal if it is not valid."""
    return decode_command(json_text.decode(text), item)
