"""Commit the runs of a batch in shared calls of AWS.

    read      one BatchGetItem for the rows of all documents
    decide    each run, without a call (runs.py)
    put       the last version of each document, in parallel
    commit    one transaction for all jobs and documents
    clean up  one DeleteObjects for the superseded documents

This only saves calls. Messages are in a group at their first delivery only, when nothing is known against them.
What a group does not settle for certain goes on alone, in a thread for each document (run_alone.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from functools import partial

from jobpipe.domain.clock import now
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.group import Unsettled
from jobpipe.runtime.telemetry import logger

from .consume_batch import threads
from .consumer import Progress
from .received import Delivery
from .run_alone import RunAlone
from .runs import Run, run_of
from .services import Services

_PUT_GRACE = 0.25  # seconds for which a group waits for its other puts when the first has ended


def plan_groups(
    groups: Sequence[list[Delivery]],
    services: Services,
    seconds_left: Callable[[], float],
    leftovers: set[JobRef],
) -> tuple[GroupCommit | None, list[list[Delivery]]]:
    """Return what is committed together, if anything is, and the documents whose messages go alone.

    To `leftovers` are added the jobs for which a document may be in the bucket that is not committed.
    """
    # A single message has nothing to share, and would be decoded twice.
    if sum(map(len, groups)) < 2 or seconds_left() < services.reserve_seconds:  # noqa: PLR2004
        return None, [*groups]
    runs = [run_of(group, services, seconds_left) for group in groups]
    grouped = [run for run in runs if run.steps]
    if sum(len(run.steps) for run in grouped) < 2:  # noqa: PLR2004
        return None, [*groups]
    alone = RunAlone(services, seconds_left, leftovers)
    return GroupCommit(grouped, services, alone), [run.deliveries for run in runs if not run.steps]


class GroupCommit:
    """The runs of one batch that are committed together."""

    def __init__(self, runs: list[Run], services: Services, alone: RunAlone) -> None:
        self._runs = runs
        self._services = services
        self._alone = alone
        self._progress: dict[int, Progress] = {}  # by the identity of the run; those without one go alone

    @property
    def groups(self) -> list[list[Delivery]]:
        """Return the messages of each document."""
        return [run.deliveries for run in self._runs]

    def settle(self) -> list[Progress]:
        """Commit what can be committed together; return for each document how far its messages are."""
        try:
            runs = [run for run in self._read() if run.decide()]
            self._clean_up(self._commit(self._put(runs)))
        except Exception:  # noqa: BLE001  # the commands do not need their group
            logger.exception("the group is dissolved: its commands go on one at a time")
            for run in self._runs:
                self._alone.dissolve(run)
        return [self._progress.get(id(run), Progress()) for run in self._runs]

    def _read(self) -> list[Run]:
        """Read the rows; return the runs whose first command can be decided."""
        wanted = [run.item for run in self._runs if run.steps[0].needs_row]
        rows = self._services.groups.rows(wanted) if wanted else {}
        decidable = []
        for run in self._runs:
            first = run.steps[0]
            if first.needs_row:
                row = rows.get(run.item)
                # A document that is not in its row would be read from the bucket while the others wait.
                if run.item not in rows or (row is not None and row.inline is None and first.needs_document):
                    continue
                run.original = run.known.row = row
            decidable.append(run)
        return decidable

    def _put(self, runs: list[Run]) -> list[Run]:
        """Put the last versions, and return the runs that can be committed now."""
        for run in runs:
            if run.changes and run.known.row is not None:
                run.put = threads().submit(self._services.documents.put, run.known.row.document.key, run.text)
        puts = [run.put for run in runs if run.put is not None]
        # Runs without a put do not wait until the first put ends, which may hang.
        wait(puts, return_when=FIRST_COMPLETED, timeout=None if len(puts) == len(runs) else _PUT_GRACE)
        wait(puts, timeout=_PUT_GRACE)
        ready = []
        for run in runs:
            if run.put is None or (run.put.done() and run.put.exception() is None):
                ready.append(run)
            else:
                self._go_on(run, partial(self._alone.commit_late, run, run.put))
        return ready

    def _commit(self, runs: list[Run]) -> list[Run]:
        """Commit the runs; return those that are committed."""
        units = [run.unit() for run in runs]
        results = self._services.groups.commit(units, now(), lambda: self._alone.may_go_on) if units else []
        committed = []
        for run, unit, result in zip(runs, units, results, strict=True):
            if result is None:
                self._alone.count(run)
                committed.append(run)
            elif isinstance(result, Unsettled):
                self._go_on(run, partial(self._alone.commit, run, unit))
            else:
                self._go_on(run, partial(self._alone.refused, run, result))
        return committed

    def _clean_up(self, runs: list[Run]) -> None:
        """Delete what the committed runs superseded."""
        keys = [run.superseded for run in runs if run.superseded is not None]
        undeleted = set(keys)
        try:
            if keys and self._alone.may_go_on:
                undeleted = self._services.documents.delete_together(keys)
        except Exception:  # noqa: BLE001  # it is tried again for each document, and then raised
            logger.warning(
                "superseded documents were not deleted together: they are deleted one by one", exc_info=True
            )
        for run in runs:
            if run.superseded in undeleted:
                self._go_on(run, partial(self._alone.finish, run))
            else:
                self._progress[id(run)] = Progress(done=self._alone.done(run))

    def _go_on(self, run: Run, step: Callable[[], int]) -> None:
        """Let the run go on in a thread of its own."""
        self._progress[id(run)] = Progress(resume=partial(self._alone.resume, run, step))
