"""Commit the runs of a batch in shared AWS calls.

    read      one BatchGetItem for the rows of all documents
    decide    each run, without an AWS call (runs.py)
    put       the last version of each document, in parallel
    commit    one transaction for all jobs and documents
    clean up  one DeleteObjects for the superseded documents

This only saves calls. A message joins a group only at its first delivery, when it has not failed before. A run
whose outcome is uncertain after the shared calls is finished alone, in its own thread (finish_runs.py).
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
from .finish_runs import RunFinisher
from .runs import Run, collect_run
from .services import Services
from .sqs_messages import Delivery

_PUT_GRACE = 0.25  # seconds for which a group waits for the other puts after the first one has ended


def plan_groups(
    groups: Sequence[list[Delivery]],
    services: Services,
    seconds_left: Callable[[], float],
    jobs_with_leftovers: set[JobRef],
) -> tuple[GroupCommit | None, list[list[Delivery]]]:
    """Return the group commit, if there is one, and the messages that are processed without it, by document.

    `jobs_with_leftovers` collects the jobs that may have an uncommitted document in the bucket.
    """
    # A single message shares no calls, and would be decoded twice.
    if sum(map(len, groups)) < 2 or seconds_left() < services.reserve_seconds:  # noqa: PLR2004
        return None, [*groups]
    runs = [collect_run(group, services, seconds_left) for group in groups]
    grouped = [run for run in runs if run.steps]
    if sum(len(run.steps) for run in grouped) < 2:  # noqa: PLR2004
        return None, [*groups]
    finisher = RunFinisher(services, seconds_left, jobs_with_leftovers)
    return GroupCommit(grouped, services, finisher), [run.deliveries for run in runs if not run.steps]


class GroupCommit:
    """The runs of one batch that are committed together."""

    def __init__(self, runs: list[Run], services: Services, finisher: RunFinisher) -> None:
        self._runs = runs
        self._services = services
        self._finisher = finisher
        self._progress: dict[int, Progress] = {}  # by the identity of the run

    @property
    def groups(self) -> list[list[Delivery]]:
        """Return the messages of each document."""
        return [run.deliveries for run in self._runs]

    def settle(self) -> list[Progress]:
        """Commit the runs that can be committed together; return the progress of each document's messages."""
        try:
            runs = [run for run in self._read() if run.decide()]
            self._clean_up(self._commit(self._put(runs)))
        except Exception:  # noqa: BLE001  # the commands can run without the group
            logger.exception("the group commit failed: its commands are processed one at a time")
            for run in self._runs:
                self._finisher.dissolve(run)
        return [self._progress.get(id(run), Progress()) for run in self._runs]

    def _read(self) -> list[Run]:
        """Read the rows; return the runs whose first command can be decided."""
        items = [run.item for run in self._runs if run.steps[0].needs_row]
        rows = self._services.groups.rows(items) if items else {}
        decidable = []
        for run in self._runs:
            first = run.steps[0]
            if first.needs_row:
                row = rows.get(run.item)
                # A document that is not in the row would have to be read from the bucket while the other runs wait.
                if run.item not in rows or (row is not None and row.inline is None and first.needs_document):
                    continue
                run.original = run.current.row = row
            decidable.append(run)
        return decidable

    def _put(self, runs: list[Run]) -> list[Run]:
        """Put the last versions, and return the runs that can be committed now."""
        for run in runs:
            if run.changes_document and run.current.row is not None:
                run.put = threads().submit(self._services.documents.put, run.current.row.document.key, run.text)
        puts = [run.put for run in runs if run.put is not None]
        # A put may hang, so runs without a put do not wait until the first one has ended.
        wait(puts, return_when=FIRST_COMPLETED, timeout=None if len(puts) == len(runs) else _PUT_GRACE)
        wait(puts, timeout=_PUT_GRACE)
        ready = []
        for run in runs:
            if run.put is None or (run.put.done() and run.put.exception() is None):
                ready.append(run)
            else:
                self._finish_alone(run, partial(self._finisher.commit_late, run, run.put))
        return ready

    def _commit(self, runs: list[Run]) -> list[Run]:
        """Commit the runs; return the committed ones."""
        units = [run.unit() for run in runs]
        results = self._services.groups.commit(units, now(), lambda: self._finisher.has_time) if units else []
        committed = []
        for run, unit, result in zip(runs, units, results, strict=True):
            if result is None:
                self._finisher.count(run)
                committed.append(run)
            elif isinstance(result, Unsettled):
                self._finish_alone(run, partial(self._finisher.commit, run, unit))
            else:
                self._finish_alone(run, partial(self._finisher.settle_refusal, run, result))
        return committed

    def _clean_up(self, runs: list[Run]) -> None:
        """Delete the documents that the committed runs superseded."""
        keys = [run.old_document_key for run in runs if run.old_document_key is not None]
        undeleted = set(keys)
        try:
            if keys and self._finisher.has_time:
                undeleted = self._services.documents.delete_together(keys)
        except Exception:  # noqa: BLE001  # the deletion of each document is tried again, and raises then
            logger.warning(
                "superseded documents were not deleted in one call: they are deleted one by one", exc_info=True
            )
        for run in runs:
            if run.old_document_key in undeleted:
                self._finish_alone(run, partial(self._finisher.clean_up, run))
            else:
                self._progress[id(run)] = Progress(done=self._finisher.log_outcomes(run))

    def _finish_alone(self, run: Run, step: Callable[[], int]) -> None:
        """Let the run continue with this step in a thread of its own."""
        self._progress[id(run)] = Progress(resume=partial(self._finisher.resume, run, step))
