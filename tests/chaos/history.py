"""Checks of all requests of a run and their answers, as pure functions.

Every create and update writes a field with a unique name, its *mark*. The result of a command therefore shows which
others took effect before it. The number of marks in the results of an item gives the order of its effects.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]
MARK = "mark-"

SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
DONE = {SUCCEEDED, FAILED, CANCELLED}
CAN_FAIL = {"not-found", "name-taken", "version-mismatch"}
"""The problems with which a command may fail. No outage and no crash may make one fail."""


@dataclass(frozen=True, slots=True)
class End:
    """The last answer to the caller about a job."""

    job_id: str
    status: str
    problem: str | None = None  # the last part of the type, if it failed
    result: Document | None = None  # without the id, if it succeeded
    etag: str | None = None
    attempts: int = 0
    seconds: float = 0.0  # from accept to end


@dataclass(slots=True)
class Command:
    """One command of one caller, sent once or several times. Its times are those of the monotonic clock."""

    number: int
    operation: str
    item_id: str | None  # None for a create that was never answered
    sent: float  # when it was sent first
    fields: dict[str, Any] = field(default_factory=dict)  # which a create or an update sets
    if_match: str | None = None
    keyed: bool = True  # it carries an Idempotency-Key
    received: float = math.inf  # when it was accepted first
    job_ids: set[str] = field(default_factory=set)  # in all answers
    seen: list[str] = field(default_factory=list)  # the terminal statuses in earlier answers
    retry_sent: float | None = None  # when it was sent first
    retry_received: float = math.inf
    poisonous: bool = False  # it kills its worker at every attempt
    cancelled: bool = False  # a DELETE of the job was answered with 200
    end: End | None = None
    api_key: str = ""  # its caller's

    @property
    def mark(self) -> str:
        return f"{MARK}{self.number}"

    @property
    def accepted(self) -> bool:
        return self.received < math.inf

    @property
    def succeeded(self) -> bool:
        return self.end is not None and self.end.status == SUCCEEDED

    @property
    def effect_after(self) -> float:
        """The command takes effect after all that was accepted before this time. A retry gets a new place."""
        return self.sent if self.retry_sent is None else self.retry_sent

    @property
    def effect_before(self) -> float:
        """The command takes effect before all that is sent after this time."""
        return self.received if self.retry_sent is None else self.retry_received

    def __str__(self) -> str:
        end = "not ended" if self.end is None else self.end.problem or self.end.status
        return f"{self.operation} {self.number} of {self.item_id} ({end})"


@dataclass(frozen=True, slots=True)
class History:
    """All commands of a run, and the items that exist at its end, by id and without it."""

    commands: list[Command]
    items: Mapping[str, Document]


def violations(history: History) -> dict[str, list[str]]:
    """Return the violations by the name of the check; the list of a check that holds is empty."""
    return {name: list(check(history)) for name, check in CHECKS.items()}


def _answered(history: History) -> Iterator[str]:
    for command in history.commands:
        if command.keyed and not command.accepted:
            yield f"{command} was never answered"


def _terminal(history: History) -> Iterator[str]:
    for command in history.commands:
        if command.accepted and (command.end is None or command.end.status not in DONE):
            yield f"{command} was accepted and has not ended: {command.job_ids}"


def _one_job(history: History) -> Iterator[str]:
    jobs: Counter[str] = Counter()
    for command in history.commands:
        if len(command.job_ids) > 1:
            yield f"{command} has several jobs: {command.job_ids}"
        jobs.update(command.job_ids)
    for job_id, commands in jobs.items():
        if commands > 1:
            yield f"job {job_id} belongs to {commands} commands"


def _failures(history: History) -> Iterator[str]:
    users: dict[str, list[Command]] = defaultdict(list)
    for command in history.commands:
        if "name" in command.fields and (command.succeeded or not command.accepted):
            users[command.fields["name"]].append(command)
    for command in _ended(history, FAILED):
        problem = command.end.problem if command.end else None
        if command.poisonous:
            continue
        if problem not in CAN_FAIL:
            yield f"{command} failed with no problem of the command"
        elif problem == "version-mismatch" and command.if_match is None:
            yield f"{command} has no precondition"
        elif problem == "name-taken" and not any(
            other.item_id != command.item_id for other in users[command.fields.get("name", "")]
        ):
            yield f"{command} failed for a name that no other item had"


def _ends(history: History) -> Iterator[str]:
    for command in history.commands:
        if command.end is None:
            continue
        if command.retry_sent is None and any(status != command.end.status for status in command.seen):
            yield f"{command} was reported as {command.seen} before"
        if command.cancelled and command.end.status != CANCELLED:
            yield f"{command} was reported as cancelled"
        if command.end.status == CANCELLED and not command.cancelled:
            yield f"{command} was cancelled, but no answer reported it"


def _names(history: History) -> Iterator[str]:
    for name, number in Counter(str(item.get("name")) for item in history.items.values()).items():
        if number > 1:
            yield f"{number} items have the name {name!r}"


def _known_items(history: History) -> Iterator[str]:
    known = {command.item_id for command in history.commands}
    unanswered = {command.mark for command in history.commands if not command.accepted}
    for item_id, document in history.items.items():
        if item_id not in known and not marks(document) & unanswered:
            yield f"no command created item {item_id}: {dict(document)}"


def _effects(history: History) -> Iterator[str]:
    for commands in _by_item(history).values():
        yield from _ItemHistory(commands, history).effects()


def _order(history: History) -> Iterator[str]:
    for commands in _by_item(history).values():
        yield from _ItemHistory(commands, history).order()


CHECKS: dict[str, Callable[[History], Iterator[str]]] = {
    "every command is answered": _answered,
    "every accepted job ends": _terminal,
    "each key has one job": _one_job,
    "every failure has a cause in its command": _failures,
    "no end changes": _ends,
    "names are unique": _names,
    "every item has its command": _known_items,
    "effects agree with outcomes": _effects,
    "the commands of each item are in order": _order,
}


def marks(document: Document) -> set[str]:
    """Return the marks in the document."""
    return {name for name in document if name.startswith(MARK)}


def _ended(history: History, status: str) -> Iterator[Command]:
    return (command for command in history.commands if command.end is not None and command.end.status == status)


def _by_item(history: History) -> dict[str, list[Command]]:
    grouped: dict[str, list[Command]] = defaultdict(list)
    for command in history.commands:
        if command.item_id is not None:
            grouped[command.item_id].append(command)
    return grouped


class _ItemHistory:
    """The commands of one item."""

    def __init__(self, commands: list[Command], history: History) -> None:
        self.item_id = str(commands[0].item_id)
        self.final = history.items.get(self.item_id)
        self.commands = commands
        changes = [c for c in commands if c.operation in {"create", "update"} and c.succeeded]
        self.changes = sorted(changes, key=lambda c: len(marks(_result(c))))
        self.reads = [c for c in commands if c.operation == "read" and c.succeeded]
        self.deletes = [c for c in commands if c.operation == "delete" and c.succeeded]
        # An item is not found before its create, which a retry may delay, or after its delete.
        late = any(c.operation == "create" and c.retry_sent is not None for c in commands)
        self.misses = [c for c in commands if not late and c.end is not None and c.end.problem == "not-found"]
        # These were sent without a key and never answered. They may have taken effect or not.
        self.unknown = {c.mark: c for c in commands if not c.accepted}

    def effects(self) -> Iterator[str]:
        """Every later state contains the effect of each success, and no other effects."""
        yield from self._existence()
        before: Document = {}
        etag: str | None = None
        for command in self.changes:
            after = _result(command)
            yield from self._follows(before, after, command.fields, str(command))
            alone = not marks(after) - marks(before) - {command.mark}
            if alone and command.if_match not in {None, etag}:
                yield f"{command} took effect on version {etag}, not on {command.if_match}"
            before, etag = after, command.end.etag if command.end else None
        for command in self.reads:
            yield from self._is_a_state(_result(command), command.end.etag if command.end else None, str(command))
        if self.final is not None and not self.deletes:
            yield from self._follows(before, self.final, {}, f"item {self.item_id} at the end")

    def _existence(self) -> Iterator[str]:
        created = [c for c in self.changes if c.operation == "create"]
        if len(created) != 1 and (self.changes or self.reads or self.deletes or self.final is not None):
            yield f"item {self.item_id} was created {len(created)} times"
        if len(self.deletes) > 1:
            yield f"item {self.item_id} was deleted {len(self.deletes)} times"
        if self.deletes and self.final is not None:
            yield f"item {self.item_id} was deleted but exists"
        if created and not self.deletes:
            if self.final is None:
                yield f"item {self.item_id} was never deleted but does not exist"
            for command in self.misses:
                yield f"{command} did not find an item that was never deleted"

    def _follows(self, before: Document, after: Document, fields: Document, subject: str) -> Iterator[str]:
        """`after` is `before` with these fields, and with the effects of commands whose outcome is unknown."""
        expected = {**before, **fields}
        skipped = marks(after) - marks(expected)
        if not skipped <= set(self.unknown):
            yield f"{subject} shows {skipped - set(self.unknown)}, which had no effect, or a later one"
        elif not skipped and dict(after) != expected:
            yield f"{subject} is {_short(after)}, not {_short(expected)}"
        elif marks(expected) - marks(after):
            yield f"{subject} does not show {marks(expected) - marks(after)}"

    def _is_a_state(self, document: Document, etag: str | None, subject: str) -> Iterator[str]:
        shown = marks(document)
        for change in self.changes:
            if marks(_result(change)) == shown:
                if dict(_result(change)) != dict(document) or (change.end and change.end.etag != etag):
                    yield f"{subject} shows a document that differs from that of {change}"
                return
        if not shown & set(self.unknown):
            yield f"{subject} shows a state that never existed: {_short(document)}"

    def order(self) -> Iterator[str]:
        """P3: a command that is sent after another's 202 takes effect after it."""
        last: Command | None = None  # the one that was sent last, of those in earlier places
        for place in self._places():
            for command in place:
                if last is not None and command.effect_before < last.effect_after:
                    yield (
                        f"{last} took effect before {command}, but was sent "
                        f"{last.effect_after - command.effect_before:.3f} s after that was accepted"
                    )
            last = max([*place, *([last] if last else [])], key=lambda c: c.effect_after, default=None)

    def _places(self) -> Iterator[list[Command]]:
        """Return the commands in the order of their effects; those of one place may have any order."""
        if not self.changes:
            return
        reads: dict[int, list[Command]] = defaultdict(list)
        shown = [len(marks(_result(change))) for change in self.changes]
        for read in self.reads:
            reads[bisect_right(shown, len(marks(_result(read))))].append(read)
        for number, change in enumerate(self.changes, 1):
            yield [change]
            yield reads[number]
        yield self.deletes
        yield self.misses


def _result(command: Command) -> Document:
    return (command.end.result if command.end else None) or {}


def _short(document: Document) -> str:
    text = str(dict(document))
    return text if len(text) <= 400 else f"{text[:400]} …"
