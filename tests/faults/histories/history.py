"""The commands of callers and their responses, in order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from jobpipe.domain.documents.item_ref import ITEMS


@dataclass
class SentCommand:
    """A command of a caller, who may have repeated its request."""

    operation: str  # create, read, set, merge, delete, upsert, or an operation of the collection
    body: dict[str, Any]
    item_id: str = ""  # of a create, once it is known
    if_match: str | None = None
    job_id: str = ""  # empty if no job was stored
    accepted: bool = False  # answered 202
    withdrawn: bool = False  # answered 503 because it was not queued, with no other fault
    cancelled: bool | None = None  # whether a cancel was answered 200, or 409
    must_fail: bool = False  # it always kills its worker, or the test ends its job
    collection: str = ITEMS
    not_before: str | None = None  # the time for which it waits
    not_after: str | None = None  # its time limit
    tokens: list[str] = field(default_factory=list)  # of the tasks that wait for it; a request has the last one


Snapshot = list[tuple[SentCommand, SentCommand]]


@dataclass
class History:
    """The commands in the order in which they were accepted; a retry takes a new place."""

    commands: list[SentCommand] = field(default_factory=list)

    def snapshot(self) -> Snapshot:
        return [(command, replace(command, tokens=[*command.tokens])) for command in self.commands]

    def restore(self, snapshot: Snapshot) -> None:
        """Restore the same objects with their earlier values."""
        self.commands = [command for command, _ in snapshot]
        for command, saved in snapshot:
            vars(command).update(vars(saved) | {"tokens": [*saved.tokens]})

    def record_retry(self, command: SentCommand) -> None:
        """Record an accepted retry."""
        self.commands.remove(command)
        self.commands.append(command)
