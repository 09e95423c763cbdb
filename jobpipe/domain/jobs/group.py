"""The units in which commands of several documents, or several commands of one document, are committed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from jobpipe.domain.documents.item import Change, StoredItem
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.errors import Problem
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import KeptCommand, Success


@dataclass(frozen=True, slots=True)
class Failure:
    """The problem with which a job fails, the command that it keeps for a retry, and its label in lists."""

    problem: Problem
    kept: KeptCommand | None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    """How one job ends."""

    job: JobRef
    outcome: Success | Failure


@dataclass(frozen=True, slots=True)
class Unit:
    """The commands of one document that take effect as a whole or not at all, in their order."""

    item: ItemRef
    ends: tuple[End, ...]
    change: Change | None  # from the committed version to the last one; None if the commands leave no change
    intermediate: tuple[StoredItem, ...] = ()  # the versions before the last one, which are never stored


class Unsettled(Enum):
    """Why a group did not commit a unit, which must then be committed alone."""

    UNKNOWN = auto()  # the group's call may have committed it
    NOT_COMMITTED = auto()  # another transaction or lack of time prevented it, or the cause is not known
