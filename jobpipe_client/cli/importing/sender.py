"""Batches on their way: accepted, waited for and told of, several at a time."""

from __future__ import annotations

import queue
import random
import re
import threading
import time
from dataclasses import dataclass
from itertools import count

from jobpipe_client.cli.importing.batches import Batch
from jobpipe_client.cli.importing.journal import Failure
from jobpipe_client.cli.importing.rows import Format, Row
from jobpipe_client.client import Client
from jobpipe_client.exceptions import ProblemError
from jobpipe_client.many import submit_in_turn
from jobpipe_client.models import BatchEntry, Submission

UNREADABLE = "unreadable"
_EXPIRED = 404
_LATER = frozenset({429, 503})
_SPREAD = 1.0  # seconds, so that threads that were told the same do not come at once
_ACCEPTING = 4  # requests at a time; the others wait for their jobs


@dataclass(frozen=True, slots=True)
class Settled:
    """A batch whose every row has ended; `Ended` has told of those that were commands."""

    batch: Batch
    batch_id: str | None  # None if none of its rows was accepted
    unsent: int  # rows that were no commands
    succeeded: int
    failed: list[Failure]
    seconds: float  # from its first request


@dataclass(frozen=True, slots=True)
class Ended:
    """Rows of a batch that has others still."""

    rows: int


@dataclass(frozen=True, slots=True)
class Asked:
    """The service asked for a pause, which is made."""

    error: ProblemError


class Sender:
    """Threads that each see one batch to its end. They are daemons: nothing is lost where the process ends.

    With `in_order` a batch is sent after the one before it was accepted, since both may have commands for one item.
    """

    def __init__(self, client: Client, form: Format, key: str, *, concurrency: int, in_order: bool) -> None:
        self._client = client
        self._form = form
        self._key = key
        self._turn = threading.Semaphore(1 if in_order else min(_ACCEPTING, concurrency))
        self._stopped = threading.Event()  # no batch is begun
        self._ending = threading.Event()  # nor is anything sent again, or waited for
        self._interrupted: BaseException | None = None
        self._waiting: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[Settled | Ended | Asked | BaseException] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(concurrency)]
        for thread in self._threads:
            thread.start()

    def put(self, batch: Batch) -> None:
        """Send it as soon as a thread is free."""
        self._waiting.put(batch)

    def next_event(self) -> Settled | Ended | Asked:
        """What has ended next; raises what ended a thread."""
        ended = self._ended.get()
        if isinstance(ended, BaseException):
            raise ended
        return ended

    def interrupt(self, why: BaseException) -> None:
        """Raise this from `next_event` and `check`; a signal handler may call it, for the queue is reentrant."""
        self._interrupted = why
        self._ended.put(why)

    def check(self) -> None:
        """Raises what interrupted: for whoever works long between two events."""
        if self._interrupted is not None:
            raise self._interrupted

    def stop(self) -> None:
        """No batch is begun any more, and no request sent again."""
        self._stopped.set()
        self._ending.set()
        for _ in self._threads:
            self._waiting.put(None)

    def _work(self) -> None:
        while True:
            # The turn is taken with the batch, so that batches are sent in the order in which they were put.
            self._turn.acquire()
            batch = self._waiting.get()
            if batch is None or self._stopped.is_set():
                self._turn.release()
                return
            began = time.monotonic()
            try:
                try:
                    submissions = self._accepted(batch)
                except BaseException:
                    self._stopped.set()  # before the turn: what comes next must not overtake this
                    raise
                finally:
                    self._turn.release()
                self._ended.put(self._settled(batch, submissions, began))
            except BaseException as error:  # noqa: BLE001  # raised where it is waited for
                self._ended.put(error)
                return

    def _accepted(self, batch: Batch) -> list[Submission]:
        commands = [row.command for row in batch.rows if row.command is not None]
        if not commands:
            return []
        key, transport = f"{self._key}-{batch.number}", self._client.transport
        while True:
            try:
                return submit_in_turn(transport, commands, key=key, stopped=self._ending)
            except ProblemError as error:
                self._wait_as_asked(error)

    def _settled(self, batch: Batch, submissions: list[Submission], began: float) -> Settled:
        entries: dict[int, BatchEntry] = {}
        while len(entries) < len(submissions):
            missing = [each for each in submissions if each.place not in entries]
            try:
                for submission, entry in self._client.outcomes(missing):
                    entries[submission.place] = entry
                    self._ended.put(Ended(1))
            except ProblemError as error:
                self._wait_as_asked(error)
        places = count()  # among the commands
        failed = []
        for row in batch.rows:
            failure = self._broken(row) if row.command is None else self._failure(row, entries[next(places)])
            if failure is not None:
                failed.append(failure)
        unsent = sum(row.command is None for row in batch.rows)
        batch_id = next((each.batch_id for each in submissions if each.batch_id is not None), None)
        return Settled(batch, batch_id, unsent, len(batch.rows) - len(failed), failed, time.monotonic() - began)

    def _wait_as_asked(self, error: ProblemError) -> None:
        """Who was told when to come again does so, for as long as it is told; any other error is raised."""
        if error.status not in _LATER or error.retry_after is None or self._ending.is_set():
            raise error
        self._ended.put(Asked(error))
        self._ending.wait(error.retry_after + random.uniform(0, _SPREAD))

    def _broken(self, row: Row) -> Failure:
        error = row.error or UNREADABLE
        return Failure(row.shown_line, UNREADABLE, error, self._form.failed(row, error))

    def _failure(self, row: Row, entry: BatchEntry) -> Failure | None:
        if entry.status == "succeeded":
            return None
        if entry.job_id is None and entry.problem is not None and entry.problem.status == _EXPIRED:
            return Failure(
                row.shown_line, "expired", "its job has expired: whether it took effect is not known", None
            )
        if entry.status == "cancelled":
            return Failure(row.shown_line, "cancelled", "cancelled", self._form.failed(row, "cancelled"))
        problem = entry.problem
        error = "no reason given" if problem is None else _without_place(str(problem))
        reason = "unknown" if problem is None else problem.slug or str(problem.status)
        return Failure(row.shown_line, reason, error, self._form.failed(row, error))


def _without_place(error: str) -> str:
    """A pointer into a request that nobody has seen, as one into the row."""
    return re.sub(r"#/commands/\d+", "#", error)
