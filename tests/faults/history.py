"""The commands of callers and their responses, in order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass
class Asked:
    """One command that a caller sent, however often it had to repeat the request."""

    operation: str  # create, read, set, merge or delete
    body: dict[str, Any]
    item_id: str = ""  # of a create: once it is known
    if_match: str | None = None
    job_id: str = ""  # empty when nothing of it was stored
    promised: bool = False  # answered 202
    called_off: bool = False  # answered that it could not be queued, and nothing hindered that from becoming true
    cancelled: bool | None = None  # whether a cancel was answered 200, or 409
    doomed: bool = False  # it kills its worker every time, or the test sees to its end: it may fail without a rule


Snapshot = list[tuple[Asked, Asked]]


@dataclass
class History:
    """The commands in the order in which they were accepted; a retry takes a new place."""

    asked: list[Asked] = field(default_factory=list)

    def snapshot(self) -> Snapshot:
        return [(one, replace(one)) for one in self.asked]

    def restore(self, snapshot: Snapshot) -> None:
        """As it was: the same objects, with what they said then."""
        self.asked = [one for one, _ in snapshot]
        for one, then in snapshot:
            vars(one).update(vars(then))

    def again(self, one: Asked) -> None:
        """Record an accepted retry."""
        self.asked.remove(one)
        self.asked.append(one)
