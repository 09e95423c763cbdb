"""A batch: the commands of one request. Each becomes a job, or is refused by itself.

Its row lies in the jobs table beside those of its jobs, under a key that no job can have. It holds what a replay
with the same Idempotency-Key needs: a random seed, from which come the ids of its jobs and of the items it makes.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from jobpipe.domain import json_text
from jobpipe.domain.clock import rfc3339
from jobpipe.domain.commands import Command, CreateItem, fingerprint, parse_command, with_item_id
from jobpipe.domain.errors import InvalidRequest, NothingValid, Problem, Refusal, Violation
from jobpipe.domain.job import Job, new_job, waiting_until
from jobpipe.domain.violations import Violations

MAX_COMMANDS = 100
"""Of one batch; its jobs are read in one BatchGetItem, which takes no more."""
MOST_AT_ONCE = 99
"""Jobs that are stored in one transaction with the batch's own row: DynamoDB takes 100 writes."""

# A hundred refusals must fit in a row of 400 KB, each with at least its first violation.
_LONGEST_POINTER = 1024
_MOST_BYTES = 2000  # of one refusal's violations

BATCH_ID = re.compile("batch-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class AskedBatch:
    """What a request asks for: by their places in it the good commands, and why the others are refused."""

    commands: Mapping[int, Command]  # creates without an item id yet
    fingerprints: Mapping[int, str]  # of the good commands
    refused: Mapping[int, Problem]
    fingerprint: str  # of them all

    @property
    def size(self) -> int:
        return len(self.commands) + len(self.refused)


@dataclass(frozen=True, slots=True)
class Batch:
    """One row of a batch."""

    batch_id: str  # unguessable, or derived from caller and Idempotency-Key
    owner: str  # the caller that may see it
    fingerprint: str  # of its commands, to tell a replay from another use of its Idempotency-Key
    seed: str  # random, and told to nobody
    size: int  # commands, refused ones included
    refused: Mapping[int, Problem]  # by their places
    stored: int  # how many of its jobs have rows, in the order of their places
    created_at: str  # RFC 3339
    expires_at: int  # seconds since 1970; its jobs that have ended expire sooner

    @property
    def accepted(self) -> list[int]:
        """The places of the commands that became jobs."""
        return [place for place in range(self.size) if place not in self.refused]

    def job_id(self, place: int) -> str:
        """Of the command at this place."""
        return self._derived("job", place).hex()

    def item_id(self, place: int) -> str:
        """Of the item that the command at this place creates."""
        return str(uuid.UUID(bytes=self._derived("item", place), version=4))

    def is_expired(self, at: datetime) -> bool:
        """Whether it counts as gone, though the row may still be there."""
        return self.expires_at <= at.timestamp()

    def _derived(self, what: str, place: int) -> bytes:
        return hashlib.sha256(f"{what}:{self.seed}:{place}".encode()).digest()[:16]


def parse_batch(raw: Any, check: Callable[[Command], None]) -> AskedBatch:
    """What a body asks for; a Refusal if it is no batch, or none of its commands is good.

    `check` refuses commands beyond what their form tells.
    """
    commands: dict[int, Command] = {}
    refusals: dict[int, Refusal] = {}
    listed = _listed(raw)
    for place, each in enumerate(listed):
        try:
            command = parse_command(each, new_item_id="")
            check(command)
            commands[place] = command
        except Refusal as refusal:
            refusals[place] = _within_a_row(refusal.inside(f"#/commands/{place}"), f"#/commands/{place}")
    if not commands:
        raise NothingValid(list(refusals.values()))
    fingerprints = {place: fingerprint(command) for place, command in commands.items()}
    # Marked, so that what another release refuses, or no longer does, is another batch.
    try:
        parts = [fingerprints.get(place) or f"refused {_digest(each)}" for place, each in enumerate(listed)]
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None
    problems = {place: refusal.to_problem() for place, refusal in refusals.items()}
    return AskedBatch(commands, fingerprints, problems, _digest(parts))


def new_batch(
    asked: AskedBatch, owner: str, idempotency_key: str | None, at: datetime, retention: timedelta
) -> Batch:
    """The batch that is about to be stored."""
    return Batch(
        batch_id=_batch_id(owner, idempotency_key),
        owner=owner,
        fingerprint=asked.fingerprint,
        seed=secrets.token_hex(16),
        size=asked.size,
        refused=asked.refused,
        stored=min(len(asked.commands), MOST_AT_ONCE),
        created_at=rfc3339(at),
        expires_at=waiting_until(at, retention),
    )


def commands_of(batch: Batch, asked: AskedBatch) -> dict[int, Command]:
    """The commands with the item ids that the batch gives those who create."""
    return {
        place: with_item_id(command, batch.item_id(place)) if isinstance(command, CreateItem) else command
        for place, command in asked.commands.items()
    }


def jobs_of(
    batch: Batch, commands: Mapping[int, Command], asked: AskedBatch, at: datetime, retention: timedelta
) -> list[Job]:
    """The jobs of the batch as they are about to be stored, in the order of their places."""
    return [
        new_job(
            command,
            batch.owner,
            None,
            at,
            retention,
            known=(batch.job_id(place), asked.fingerprints[place]),
        )
        for place, command in commands.items()
    ]


def is_batch_id(text: str) -> bool:
    """Whether a batch could have this id."""
    return BATCH_ID.fullmatch(text) is not None


def _listed(raw: Any) -> list[Any]:
    if not isinstance(raw, dict):
        raise InvalidRequest("A batch must be a JSON object.")
    found = Violations()
    for member in raw:
        if member != "commands":
            found.add(f"A batch must not have a member {member[:80]!r}.")
    listed = raw.get("commands")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_COMMANDS:
        found.add(f"A batch needs commands, an array of 1 to {MAX_COMMANDS}.", "#/commands")
    found.check()
    return cast("list[Any]", listed)


def _within_a_row(refusal: Refusal, command: str) -> Refusal:
    """The refusal with as many of its violations as fit in the row."""
    fitting: list[Violation] = []
    size = 0
    for each in refusal.violations:
        there = each if len(each.pointer) <= _LONGEST_POINTER else Violation(each.detail, command)
        size += len(json_text.encode([there.pointer, there.detail]).encode(errors="surrogatepass"))
        if fitting and size > _MOST_BYTES:
            break
        fitting.append(there)
    refusal.violations = tuple(fitting)
    return refusal


def _batch_id(owner: str, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return f"batch-{secrets.token_hex(16)}"
    # The length keeps ("a", "bc") apart from ("ab", "c").
    return f"batch-{_digest(f'{len(owner)}:{owner}{idempotency_key}')[:32]}"


def _digest(value: Any) -> str:
    # What is refused may have lone surrogates.
    return hashlib.sha256(json_text.encode(value, sort_keys=True).encode(errors="surrogatepass")).hexdigest()
