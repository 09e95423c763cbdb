"""Finish the runs that a group commit has left open, each in its own thread with its own AWS calls.

A run of one command is committed with the document that was put for it. A run of several commands is dissolved: the
worker processes its messages one at a time, because it does not know which of the commands caused the failure.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future

from jobpipe.domain.clock import now
from jobpipe.domain.documents.item import DocumentRef
from jobpipe.domain.errors import CommitRefused, JobEnded, ValueLocked
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.group import Unit
from jobpipe.runtime.metrics import ATTEMPT_TIME, COMMAND_AGE, QUEUE_DELAY, SUCCEEDED, meter
from jobpipe.runtime.telemetry import logger

from .clean_up import finish_clean_up, remove_uncommitted
from .consumer import NoTimeLeft
from .execute import count_refusal
from .runs import Run, Step
from .services import Services
from .versions import value_taken


class RunFinisher:
    """Finishes runs. Each step returns how many of the run's messages are done; the rest are processed one by one.

    If a step raises, the error has interrupted the first command of the run.
    """

    def __init__(
        self, services: Services, seconds_left: Callable[[], float], jobs_with_leftovers: set[JobRef]
    ) -> None:
        """`jobs_with_leftovers` collects the jobs that may have an uncommitted document in the bucket."""
        self._services = services
        self._seconds_left = seconds_left
        self._jobs_with_leftovers = jobs_with_leftovers
        self._started = time.perf_counter()

    @property
    def has_time(self) -> bool:
        """Return whether there is time for more calls."""
        return self._seconds_left() >= self._services.reserve_seconds

    def resume(self, run: Run, step: Callable[[], int]) -> int:
        """Take this step if there is time."""
        # No put may outlive the invocation: its object could arrive after the last clean-up.
        put_failed = run.put is not None and run.put.exception() is not None
        if not put_failed and not self.has_time:
            raise NoTimeLeft
        try:
            return step()
        except JobEnded:
            # The job was cancelled, or a call whose response was lost has committed it. Each command finds out.
            return self.dissolve(run)

    def commit_late(self, run: Run, put: Future[DocumentRef]) -> int:
        """Commit a run whose put was slower than the other puts, or failed."""
        try:
            put.result()
        except Exception as error:  # noqa: BLE001  # raised again unless the command is abandoned
            return self._interrupted(run, error)
        return self.commit(run, run.unit())

    def commit(self, run: Run, unit: Unit) -> int:
        """Commit the run, and delete the document that it superseded."""
        try:
            self._services.groups.commit_alone(unit, now())
        except CommitRefused as refused:
            return self.settle_refusal(run, refused)
        except Exception as error:  # noqa: BLE001  # raised again unless the command is abandoned
            return self._interrupted(run, error)
        self.count(run)
        try:
            if run.old_document_key is not None:
                self._services.documents.delete([run.old_document_key])
        except Exception:  # noqa: BLE001  # tried once more, and then raised
            return self.clean_up(run)
        return self.log_outcomes(run)

    def settle_refusal(self, run: Run, refused: CommitRefused) -> int:
        """Settle a run whose transaction was cancelled."""
        step, last = run.steps[0], run.current.row
        if len(run.steps) > 1 or last is None or not isinstance(refused, ValueLocked):
            return self.dissolve(run)
        step.refusal, step.result = value_taken(last, refused, step.context), None
        failure = step.failure(step.refusal)
        try:
            self._services.jobs.fail(
                step.message.job, failure.problem, now(), failure.kept, charge_attempt=True, label=failure.label
            )
        except JobEnded:
            raise
        except Exception as error:  # noqa: BLE001  # raised again unless the command is abandoned
            return self._interrupted(run, error)
        self.count(run)
        # The job ends first: until then, a call whose response was lost might still commit the document.
        self._services.documents.delete([last.document.key])
        return self.log_outcomes(run)

    def clean_up(self, run: Run) -> int:
        """Complete the clean-up after the commit."""
        for step in run.steps:
            finish_clean_up(step.message, self._services)
        return self.log_outcomes(run)

    def dissolve(self, run: Run) -> int:
        """Leave each command to be processed alone; then the document that the run may have put is deleted."""
        if run.last_writer is not None:
            self._jobs_with_leftovers.add(run.last_writer)
        return 0

    def count(self, run: Run) -> None:
        """Count the jobs that the commit has ended."""
        for step in run.steps:
            if step.refusal is None:
                meter.add(SUCCEEDED, collection=step.message.collection)
            else:
                count_refusal(step.refusal, step.message)

    def log_outcomes(self, run: Run) -> int:
        """Write the log lines of the run's commands, all of which have ended; return their number."""
        for step in run.steps:
            self._log(step, step.outcome)
        return len(run.steps)

    def _interrupted(self, run: Run, error: Exception) -> int:
        """Record the interruption of a single command, and raise the error unless the command is abandoned."""
        if len(run.steps) > 1:
            logger.warning(
                "several commands of one document were interrupted: they are processed one at a time", exc_info=True
            )
            return self.dissolve(run)
        step = run.steps[0]
        try:
            step.execution.handle_interruption(error, recorded=False)
        except JobEnded:
            raise  # the command is processed alone, and counted then
        except Exception:
            self._count_attempt(step)
            raise
        remove_uncommitted(step.message.job, step.message.item, self._services)
        self._log(step, "abandoned")
        return 1

    def _log(self, step: Step, outcome: str) -> None:
        self._count_attempt(step)
        meter.add(QUEUE_DELAY, step.execution.age * 1000)
        step.execution.log(outcome, time.perf_counter() - self._started)

    def _count_attempt(self, step: Step) -> None:
        meter.add(COMMAND_AGE, step.execution.age)
        meter.add(ATTEMPT_TIME, (time.perf_counter() - self._started) * 1000)
