"""What must hold of all that was asked and answered; pure.

Every create and update writes a field of its own, its *mark*. So the result of a command tells which others had
taken effect before it, and the marks of one item's results, sorted by their number, are the order of its effects.
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
"""What a command may fail with when all is well; that an outage or a crash fails one is what must not be."""


@dataclass(frozen=True, slots=True)
class End:
    """A job as its caller saw it at the end of the run."""

    job_id: str
    status: str
    problem: str | None = None  # the slug, of a failed one
    result: Document | None = None  # of a succeeded one, without the id
    etag: str | None = None
    attempts: int = 0
    seconds: float = 0.0  # from accept to end


@dataclass(slots=True)
class Command:
    """One command of one caller, sent once or several times. Times are of the monotonic clock."""

    number: int
    operation: str
    item_id: str | None  # None: a create that was never answered
    sent: float  # the first time
    fields: dict[str, Any] = field(default_factory=dict)  # that a create or an update sets
    if_match: str | None = None
    keyed: bool = True  # it carries an Idempotency-Key
    received: float = math.inf  # the first time that it was answered as accepted
    job_ids: set[str] = field(default_factory=set)  # of all answers
    seen: list[str] = field(default_factory=list)  # terminal statuses, as they were seen on the way
    retry_sent: float | None = None  # the first time; it was seen failed before
    retry_received: float = math.inf
    poisonous: bool = False  # it kills its worker every time
    cancelled: bool = False  # a DELETE of the job was answered with 200
    end: End | None = None

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
    def starts(self) -> float:
        """It takes effect after everything that was accepted before this; an explicit retry takes a new place."""
        return self.sent if self.retry_sent is None else self.retry_sent

    @property
    def stands(self) -> float:
        """It takes effect before everything that was sent after this."""
        return self.received if self.retry_sent is None else self.retry_received

    def __str__(self) -> str:
        ended = "no end" if self.end is None else self.end.problem or self.end.status
        return f"{self.operation} {self.number} of {self.item_id} ({ended})"


@dataclass(frozen=True, slots=True)
class History:
    """All commands of a run, and the items that are there at its end, by id and without it."""

    commands: list[Command]
    items: Mapping[str, Document]


def violations(history: History) -> dict[str, list[str]]:
    """What does not hold, by the name of the check; a check that holds has an empty list."""
    return {name: list(check(history)) for name, check in CHECKS.items()}


def _answered(history: History) -> Iterator[str]:
    for command in history.commands:
        if command.keyed and not command.accepted:
            yield f"{command} was never answered, however often it was sent"


def _terminal(history: History) -> Iterator[str]:
    for command in history.commands:
        if command.accepted and (command.end is None or command.end.status not in DONE):
            yield f"{command} was accepted and did not end: {command.job_ids}"


def _one_job(history: History) -> Iterator[str]:
    jobs: Counter[str] = Counter()
    for command in history.commands:
        if len(command.job_ids) > 1:
            yield f"{command} became several jobs: {command.job_ids}"
        jobs.update(command.job_ids)
    for job_id, commands in jobs.items():
        if commands > 1:
            yield f"job {job_id} is that of {commands} commands"


def _reasons(history: History) -> Iterator[str]:
    given: dict[str, list[Command]] = defaultdict(list)
    for command in history.commands:
        if "name" in command.fields and (command.succeeded or not command.accepted):
            given[command.fields["name"]].append(command)
    for command in _ended(history, FAILED):
        problem = command.end.problem if command.end else None
        if command.poisonous:
            continue
        if problem not in CAN_FAIL:
            yield f"{command} failed for no reason of its own"
        elif problem == "version-mismatch" and command.if_match is None:
            yield f"{command} asked for no version"
        elif problem == "name-taken" and not any(
            other.item_id != command.item_id for other in given[command.fields.get("name", "")]
        ):
            yield f"{command} wanted a name that nobody ever got"


def _ends_stay(history: History) -> Iterator[str]:
    for command in history.commands:
        if command.end is None:
            continue
        if command.retry_sent is None and any(status != command.end.status for status in command.seen):
            yield f"{command} was seen as {command.seen} before"
        if command.cancelled and command.end.status != CANCELLED:
            yield f"{command} was said to be cancelled"
        if command.end.status == CANCELLED and not command.cancelled:
            yield f"{command} was cancelled, and nobody was told so"


def _names(history: History) -> Iterator[str]:
    for name, number in Counter(str(item.get("name")) for item in history.items.values()).items():
        if number > 1:
            yield f"{number} items are named {name!r}"


def _known_items(history: History) -> Iterator[str]:
    known = {command.item_id for command in history.commands}
    lost = {command.mark for command in history.commands if not command.accepted}
    for item_id, document in history.items.items():
        if item_id not in known and not marks(document) & lost:
            yield f"item {item_id} is of no command: {dict(document)}"


def _effects(history: History) -> Iterator[str]:
    for commands in _by_item(history).values():
        yield from _Line(commands, history).effects()


def _order(history: History) -> Iterator[str]:
    for commands in _by_item(history).values():
        yield from _Line(commands, history).order()


CHECKS: dict[str, Callable[[History], Iterator[str]]] = {
    "every command was answered at last": _answered,
    "every 202 is terminal": _terminal,
    "one key, one job": _one_job,
    "no end but for a reason": _reasons,
    "an end stays an end": _ends_stay,
    "no name twice": _names,
    "no item of nobody": _known_items,
    "effects equal outcomes": _effects,
    "order of each item kept": _order,
}


def marks(document: Document) -> set[str]:
    """Of the commands that the document shows."""
    return {name for name in document if name.startswith(MARK)}


def _ended(history: History, status: str) -> Iterator[Command]:
    return (command for command in history.commands if command.end is not None and command.end.status == status)


def _by_item(history: History) -> dict[str, list[Command]]:
    lines: dict[str, list[Command]] = defaultdict(list)
    for command in history.commands:
        if command.item_id is not None:
            lines[command.item_id].append(command)
    return lines


class _Line:
    """The commands of one item."""

    def __init__(self, commands: list[Command], history: History) -> None:
        self.item_id = str(commands[0].item_id)
        self.final = history.items.get(self.item_id)
        self.commands = commands
        changes = [c for c in commands if c.operation in {"create", "update"} and c.succeeded]
        self.changes = sorted(changes, key=lambda c: len(marks(_result(c))))
        self.reads = [c for c in commands if c.operation == "read" and c.succeeded]
        self.deletes = [c for c in commands if c.operation == "delete" and c.succeeded]
        # Before a create that succeeded when it was retried, and after a delete, nothing is found.
        late = any(c.operation == "create" and c.retry_sent is not None for c in commands)
        self.misses = [c for c in commands if not late and c.end is not None and c.end.problem == "not-found"]
        # Sent without a key and never answered: they may have taken effect, or not.
        self.unknown = {c.mark: c for c in commands if not c.accepted}

    def effects(self) -> Iterator[str]:
        """Each success shows in all that came after it, and nothing else does."""
        yield from self._life()
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

    def _life(self) -> Iterator[str]:
        created = [c for c in self.changes if c.operation == "create"]
        if len(created) != 1 and (self.changes or self.reads or self.deletes or self.final is not None):
            yield f"item {self.item_id} was created {len(created)} times"
        if len(self.deletes) > 1:
            yield f"item {self.item_id} was deleted {len(self.deletes)} times"
        if self.deletes and self.final is not None:
            yield f"item {self.item_id} was deleted and is there"
        if created and not self.deletes:
            if self.final is None:
                yield f"item {self.item_id} was never deleted and is not there"
            for command in self.misses:
                yield f"{command} did not find an item that was never deleted"

    def _follows(self, before: Document, after: Document, fields: Document, what: str) -> Iterator[str]:
        """`after` is `before` with these fields, but for what commands did whose outcome nobody knows."""
        expected = {**before, **fields}
        skipped = marks(after) - marks(expected)
        if not skipped <= set(self.unknown):
            yield f"{what} shows {skipped - set(self.unknown)}, which took no effect or a later one"
        elif not skipped and dict(after) != expected:
            yield f"{what} is {_short(after)}, not {_short(expected)}"
        elif marks(expected) - marks(after):
            yield f"{what} does not show {marks(expected) - marks(after)}"

    def _is_a_state(self, document: Document, etag: str | None, what: str) -> Iterator[str]:
        shown = marks(document)
        for change in self.changes:
            if marks(_result(change)) == shown:
                if dict(_result(change)) != dict(document) or (change.end and change.end.etag != etag):
                    yield f"{what} shows another document than {change} made"
                return
        if not shown & set(self.unknown):
            yield f"{what} shows a state that never was: {_short(document)}"

    def order(self) -> Iterator[str]:
        """P3: a command sent after another's 202 was received takes effect after it."""
        last: Command | None = None  # of those in earlier places: the one that was sent last
        for place in self._places():
            for command in place:
                if last is not None and command.stands < last.starts:
                    yield (
                        f"{last} took effect before {command}, though it was sent "
                        f"{last.starts - command.stands:.3f} s after that one was accepted"
                    )
            last = max([*place, *([last] if last else [])], key=lambda c: c.starts, default=None)

    def _places(self) -> Iterator[list[Command]]:
        """The commands whose place is known, in the order of effects; those of one place in either order."""
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
