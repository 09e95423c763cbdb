"""A batch: the commands of one request, each of which becomes a job or is refused.

The batch has a row in the jobs table, beside the rows of its jobs. The row has a random seed from which the ids of
its jobs and of created items are derived, so that a replay with the same Idempotency-Key finds them all.
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
from jobpipe.domain.commands import task_token
from jobpipe.domain.commands.command import Command, CreateItem, fingerprint, with_item_id
from jobpipe.domain.commands.command_parsing import parse_command
from jobpipe.domain.documents.collection import ONLY_ITEMS, Registry
from jobpipe.domain.documents.item_rules import check_tree
from jobpipe.domain.errors import InvalidRequest, NoValidCommand, Problem, Refusal
from jobpipe.domain.jobs.job import Job, expiry_of_queued_job, new_job, queued_at
from jobpipe.domain.violations import Violations, fit_in_row

MAX_COMMANDS = 100
"""The most commands in a batch: its jobs are read in one BatchGetItem, which takes 100 keys."""
MOST_AT_ONCE = 99
"""The most jobs that are stored in one transaction with the batch's own row: DynamoDB takes 100 writes."""

MAX_BATCH_NAME = 100

BATCH_ID = re.compile("batch-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class RequestedBatch:
    """The commands of a request by position: the valid ones, and the problems of the refused ones."""

    commands: Mapping[int, Command]  # creates have no item id yet
    fingerprints: Mapping[int, str]  # of the valid commands
    refused: Mapping[int, Problem]
    fingerprint: str  # of all commands together
    name: str | None = None

    @property
    def size(self) -> int:
        return len(self.commands) + len(self.refused)


@dataclass(frozen=True, slots=True)
class Batch:
    """One row of a batch."""

    batch_id: str  # random, or derived from caller and Idempotency-Key
    owner: str  # the caller that may read it
    fingerprint: str  # of its commands, to recognise a replay of its Idempotency-Key
    seed: str  # random, and never shown
    size: int  # commands, refused ones included
    refused: Mapping[int, Problem]  # by position
    stored: int  # how many of its jobs have rows, counted from the first position
    created_at: str  # RFC 3339
    expires_at: int  # seconds since 1970; its ended jobs expire sooner
    idempotency_key: str | None = None  # of its request; earlier releases did not store it
    name: str | None = None  # such as the name of an imported file

    @property
    def accepted_positions(self) -> list[int]:
        """Return the positions of the commands that became jobs."""
        return [position for position in range(self.size) if position not in self.refused]

    def job_id(self, position: int) -> str:
        """Return the id of the job for the command at this position."""
        return self._derived("job", position).hex()

    def item_id(self, position: int) -> str:
        """Return the id of the item that the command at this position creates."""
        return str(uuid.UUID(bytes=self._derived("item", position), version=4))

    def is_expired(self, at: datetime) -> bool:
        """Return whether the batch has expired; its row may still exist."""
        return self.expires_at <= at.timestamp()

    def _derived(self, what: str, position: int) -> bytes:
        return hashlib.sha256(f"{what}:{self.seed}:{position}".encode()).digest()[:16]


def parse_batch(
    raw: Any, check: Callable[[Command], None], *, registry: Registry = ONLY_ITEMS, owner: str = ""
) -> RequestedBatch:
    """Return the batch of a caller's request; raise a Refusal if it has no valid command.

    `check` raises a Refusal for valid commands that are not allowed in a batch.
    """
    commands: dict[int, Command] = {}
    refusals: dict[int, Refusal] = {}
    raw_commands = _parse_body(raw)
    for position, each in enumerate(raw_commands):
        try:
            command = parse_command(each, new_item_id="", registry=registry, owner=owner)
            check(command)
            commands[position] = command
        except Refusal as refusal:
            refusals[position] = fit_in_row(refusal.with_prefix(f"#/commands/{position}"), f"#/commands/{position}")
    if not commands:
        raise NoValidCommand(list(refusals.values()))
    fingerprints = {position: fingerprint(command) for position, command in commands.items()}
    # The mark gives another fingerprint if another release refuses other commands.
    try:
        parts = [
            fingerprints.get(position) or f"refused {_digest(_without_token(each))}"
            for position, each in enumerate(raw_commands)
        ]
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply.") from None
    problems = {position: refusal.to_problem() for position, refusal in refusals.items()}
    return RequestedBatch(commands, fingerprints, problems, _digest(parts), raw.get("name"))


def new_batch(
    requested: RequestedBatch, owner: str, idempotency_key: str | None, at: datetime, retention: timedelta
) -> Batch:
    """Return a new batch of these commands, with a random seed."""
    last = queued_at(at, *(command.not_before for command in requested.commands.values()))
    return Batch(
        batch_id=batch_id_of(owner, idempotency_key),
        owner=owner,
        fingerprint=requested.fingerprint,
        seed=secrets.token_hex(16),
        size=requested.size,
        refused=requested.refused,
        stored=min(len(requested.commands), MOST_AT_ONCE),
        created_at=rfc3339(at),
        expires_at=expiry_of_queued_job(last, retention),
        idempotency_key=idempotency_key,
        name=requested.name,
    )


def commands_of(batch: Batch, requested: RequestedBatch) -> dict[int, Command]:
    """Return the commands; creates get ids from the batch, unless their ids derive from keys."""
    return {
        position: with_item_id(command, batch.item_id(position))
        if isinstance(command, CreateItem) and not command.item_id
        else command
        for position, command in requested.commands.items()
    }


def jobs_of(
    batch: Batch, commands: Mapping[int, Command], requested: RequestedBatch, at: datetime, retention: timedelta
) -> list[Job]:
    """Return the jobs of the batch as they are about to be stored, by position."""
    ids = {position: (batch.job_id(position), requested.fingerprints[position]) for position in commands}
    return [
        new_job(
            command,
            batch.owner,
            None,
            at,
            retention,
            id_and_fingerprint=ids[position],
            batch_id=batch.batch_id,
        )
        for position, command in commands.items()
    ]


def is_batch_id(text: str) -> bool:
    """Return whether the text has the form of a batch id."""
    return BATCH_ID.fullmatch(text) is not None


def _parse_body(raw: Any) -> list[Any]:
    if not isinstance(raw, dict):
        raise InvalidRequest("A batch must be a JSON object.")
    found = Violations()
    for member in raw:
        if member not in ("commands", "name"):
            found.add(f"A batch must not have a member {member[:80]!r}.")
    commands = raw.get("commands")
    if not isinstance(commands, list) or not 1 <= len(commands) <= MAX_COMMANDS:
        found.add(f"A batch needs commands, an array of 1 to {MAX_COMMANDS}.", "#/commands")
    name = raw.get("name", "-")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_BATCH_NAME:
        found.add(f"A name must be text of 1 to {MAX_BATCH_NAME} characters.", "#/name")
    check_tree({"name": name}, found)
    found.check()
    return cast("list[Any]", commands)


def _without_token(raw: Any) -> Any:
    """Return a raw command without its token, since a repeated batch may have other tokens."""
    return {name: raw[name] for name in raw.keys() - {task_token.MEMBER}} if isinstance(raw, dict) else raw


def batch_id_of(owner: str, idempotency_key: str | None) -> str:
    """Return a random id, or the id that derives from the caller and the key."""
    if idempotency_key is None:
        return f"batch-{secrets.token_hex(16)}"
    # With the length, ("a", "bc") and ("ab", "c") give different ids.
    return f"batch-{_digest(f'{len(owner)}:{owner}{idempotency_key}')[:32]}"


def _digest(value: Any) -> str:
    # Refused commands may have lone surrogates.
    return hashlib.sha256(json_text.encode(value, sort_keys=True).encode(errors="surrogatepass")).hexdigest()
