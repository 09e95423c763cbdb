"""Commits of several documents at once, in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.errors import CommitRefused, Unavailable, UnitRefused
from jobpipe.domain.jobs.group import End, Unit, Unsettled
from jobpipe.domain.jobs.job import Job, Success
from tests.helpers.memory.documents import MemoryItems
from tests.helpers.memory.jobs import MemoryJobs


class MemoryGroups:
    """GroupStore."""

    def __init__(self, jobs: MemoryJobs, items_of: Callable[[ItemRef], MemoryItems]) -> None:
        self._jobs = jobs
        self._items_of = items_of

    def rows(self, refs: Sequence[ItemRef]) -> dict[ItemRef, StoredItem | None]:
        return {ref: self._items_of(ref).rows.get(ref.item_id) for ref in refs}

    def commit(
        self, units: Sequence[Unit], at: datetime, may_go_on: Callable[[], bool]
    ) -> list[CommitRefused | Unsettled | None]:
        results: list[CommitRefused | Unsettled | None] = []
        for unit in units:
            if not may_go_on():
                results.append(Unsettled.NOT_COMMITTED)
                continue
            try:
                self._commit(unit, at)
            except CommitRefused as refused:
                results.append(refused)
            except Unavailable:
                results.append(Unsettled.UNKNOWN)
            else:
                results.append(None)
        return results

    def commit_alone(self, unit: Unit, at: datetime) -> None:
        self._commit(unit, at)

    def _commit(self, unit: Unit, at: datetime) -> None:
        assert len({end.job for end in unit.ends}) == len(unit.ends), "DynamoDB takes no row twice"
        items = self._items_of(unit.item)
        with self._jobs.lock:
            try:
                ended = [self._ended(end, at) for end in unit.ends]
                items.apply(unit.change, unit.intermediate)
            except CommitRefused as refused:
                if len(unit.ends) == 1:
                    raise
                raise UnitRefused from refused
            for job in ended:
                self._jobs.write(job)

    def _ended(self, end: End, at: datetime) -> Job:
        if isinstance(end.outcome, Success):
            return self._jobs.succeeded(end.job, end.outcome, at)
        failed, outcome = self._jobs.failed(end.job, at), end.outcome
        return replace(failed, error=outcome.problem, kept=outcome.kept, label=outcome.label)
