"""Sends several batches at a time, and waits until all of their rows have ended."""

from __future__ import annotations

import queue
import random
import threading
import time
from dataclasses import dataclass
from itertools import count

from jobpipe_client.batch_models import BatchEntry, Submission
from jobpipe_client.cli.importing.journal import Failure
from jobpipe_client.cli.importing.reading.batches import Batch
from jobpipe_client.cli.importing.reading.rows import UNREADABLE, Format, Row, make_pointers_relative
from jobpipe_client.cli.polling import is_temporary
from jobpipe_client.client import Client
from jobpipe_client.exceptions import ProblemError, TransportError
from jobpipe_client.many import submit_sequentially

_EXPIRED = 404
_TEMPORARY = frozenset({429, 503})
_OUTAGE = 60.0  # seconds for which an import continues without a response
_OUTAGE_PAUSE = 1.0  # seconds between two requests during an outage
_OUTAGE_ENDED = 40.0  # seconds without an error; no request takes longer
_JITTER = 1.0  # seconds, so that threads with the same pause do not all send at the same time
_REQUESTS = 4  # at a time; the other threads wait for jobs
_QUICK, _SLOW = 4.0, 12.0  # seconds from a batch's first request until its last row has ended
_MIN_WINDOW = 4


@dataclass(frozen=True, slots=True)
class BatchEnded:
    """Every row of a batch has ended. For each row that was a command there was also a `RowEnded`."""

    batch: Batch
    batch_id: str | None  # None if no row was accepted
    unsent: int  # rows that could not be read
    failed: list[Failure]
    refused: int  # the failed rows that became no jobs
    seconds: float  # since the first request


class RowEnded:
    """One more row has ended."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A thread pauses, because the service asked for a pause or does not respond."""

    error: ProblemError | TransportError
    requested: float | None  # seconds; None if the service does not respond


Event = BatchEnded | RowEnded | Pause


class _Outage:
    """How long the requests of one thread have failed."""

    def __init__(self) -> None:
        self._since = self._last = 0.0

    def seconds(self) -> float:
        """Record a failure, and return for how many seconds requests have kept failing."""
        now = time.monotonic()
        if now - self._last > _OUTAGE_ENDED:
            self._since = now
        self._last = now
        return now - self._since


@dataclass
class Window:
    """How many rows may be in flight: enough to keep the service busy, and no more.

    The window counts rows, since the service works on several batches at a time. They end together, so if only
    whole batches made room, the service would be idle until the import noticed. In a small window, batches wait
    less and need fewer polls.
    """

    max_batches: int
    batch_size: int
    size: int = _MIN_WINDOW  # in full batches
    batches: int = 0  # in flight
    rows: int = 0  # in flight

    def __post_init__(self) -> None:
        self.size = min(self.size, self.max_batches)

    def has_room(self, rows: int) -> bool:
        """Return whether a batch with this number of rows may be sent."""
        is_idle = self.rows == 0
        return self.batches < self.max_batches and (is_idle or self.rows + rows <= self.size * self.batch_size)

    def add_batch(self, rows: int) -> None:
        """Count a batch with this number of rows as in flight."""
        self.batches += 1
        self.rows += rows

    def remove_batch(self, unsent: int, seconds: float) -> None:
        """Remove a batch and its unsent rows, and adapt the size of the window to the seconds that it took."""
        self.batches -= 1
        self.rows -= unsent
        if seconds < _QUICK:
            self.size = min(self.size + 1, self.max_batches)
        elif seconds > _SLOW:
            self.size = max(self.size - 1, min(_MIN_WINDOW, self.max_batches))


class Sender:
    """Threads that each send one batch and wait for its end. They are daemons: the process need not wait for them.

    With `in_order`, a batch is sent only after the previous batch was accepted, since both may change one item.
    """

    def __init__(
        self, client: Client, form: Format, key: str, *, name: str | None, concurrency: int, in_order: bool
    ) -> None:
        self._client = client
        self._form = form
        self._key = key
        self._name = name  # of the batches
        self._turn = threading.Semaphore(1 if in_order else min(_REQUESTS, concurrency))
        self._no_new_batch = threading.Event()
        self._stopped = threading.Event()  # nothing is sent again or waited for
        self._has_responded = False
        self._interrupt: BaseException | None = None
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(concurrency)]
        for thread in self._threads:
            thread.start()

    def put(self, batch: Batch) -> None:
        """Send a batch as soon as a thread is free."""
        self._batches.put(batch)

    def next_event(self) -> Event:
        """Wait for the next event. Raises the exception that has ended a thread."""
        event = self._events.get()
        if isinstance(event, BaseException):
            raise event
        return event

    def interrupt(self, error: BaseException) -> None:
        """Raise the error from `next_event` and `check_interrupt`. Signal handlers may call this."""
        self._interrupt = error
        self._events.put(error)

    def check_interrupt(self) -> None:
        """Raise the error of `interrupt`, if there was one."""
        if self._interrupt is not None:
            raise self._interrupt

    def stop(self) -> None:
        """Send no further batch, and no request again."""
        self._no_new_batch.set()
        self._stopped.set()
        for _ in self._threads:
            self._batches.put(None)

    def _work(self) -> None:
        try:
            while True:
                with self._turn:  # taken before the batch, so that batches are sent in their order
                    batch = self._batches.get()
                    if batch is None or self._no_new_batch.is_set():
                        return
                    began = time.monotonic()
                    try:
                        submissions = self._submit(batch)
                    except BaseException:
                        self._no_new_batch.set()  # during this turn: the next batch must not overtake this one
                        raise
                entries = self._wait_for(submissions)
                self._events.put(self._batch_ended(batch, submissions, entries, time.monotonic() - began))
        except BaseException as error:  # noqa: BLE001  # `next_event` raises it
            self._events.put(error)

    def _submit(self, batch: Batch) -> list[Submission]:
        commands = [row.command for row in batch.rows if row.command is not None]
        key, outage = f"{self._key}-{batch.number}", _Outage()
        while commands:
            try:
                submitted = submit_sequentially(
                    self._client.transport, commands, key=key, stopped=self._stopped, name=self._name
                )
            except (ProblemError, TransportError) as error:
                self._pause(error, outage)
            else:
                self._has_responded = True
                return submitted
        return []

    def _wait_for(self, submissions: list[Submission]) -> dict[int, BatchEntry]:
        """Return how the submitted commands ended, by their places in the batch."""
        entries: dict[int, BatchEntry] = {}
        outage = _Outage()
        while len(entries) < len(submissions):
            missing = [each for each in submissions if each.place not in entries]
            try:
                for submission, entry in self._client.outcomes(missing):
                    entries[submission.place] = entry
                    self._events.put(RowEnded())
            except (ProblemError, TransportError) as error:
                self._pause(error, outage)
        return entries

    def _batch_ended(
        self, batch: Batch, submissions: list[Submission], entries: dict[int, BatchEntry], seconds: float
    ) -> BatchEnded:
        places = count()  # of the commands among the rows
        outcomes = [(row, None if row.command is None else entries[next(places)]) for row in batch.rows]
        failed = [failure for row, entry in outcomes if (failure := _failure(self._form, row, entry))]
        batch_id = next((each.batch_id for each in submissions if each.batch_id is not None), None)
        unsent = len(batch.rows) - len(entries)
        refused = unsent + sum(map(_is_refused, entries.values()))
        return BatchEnded(batch, batch_id, unsent, failed, refused, seconds)

    def _pause(self, error: ProblemError | TransportError, outage: _Outage) -> None:
        """Pause as long as the service asks for, or briefly during an outage. Raise any other error.

        A repeated request has the same key, so it takes effect once. If the service has never responded, the error
        is raised at once.
        """
        requested = None
        if isinstance(error, ProblemError) and error.status in _TEMPORARY:
            requested = error.retry_after
        is_outage = self._has_responded and is_temporary(error) and outage.seconds() < _OUTAGE
        if self._stopped.is_set() or (requested is None and not is_outage):
            raise error
        self._events.put(Pause(error, requested))
        self._stopped.wait((_OUTAGE_PAUSE if requested is None else requested) + random.uniform(0, _JITTER))


def _failure(form: Format, row: Row, entry: BatchEntry | None) -> Failure | None:
    """Return the failure of a row, or None if it succeeded. A row without an entry could not be read."""
    if entry is None:
        reason, error = UNREADABLE, row.error or UNREADABLE
    elif entry.status == "succeeded":
        return None
    elif _is_expired(entry):
        return Failure(row.reported_line, "expired", "its job has expired: it is unknown whether it took effect")
    elif entry.status == "cancelled":
        reason = error = "cancelled"
    elif entry.problem is None:
        reason, error = "unknown", "no reason given"
    else:
        reason = entry.problem.slug or str(entry.problem.status)
        error = make_pointers_relative(str(entry.problem), to_document=not form.has_commands)
    return Failure(row.reported_line, reason, error, form.failed_row(row, error))


def _is_refused(entry: BatchEntry) -> bool:
    """Return whether the command became no job."""
    return entry.job_id is None and not _is_expired(entry)


def _is_expired(entry: BatchEntry) -> bool:
    return entry.job_id is None and entry.problem is not None and entry.problem.status == _EXPIRED
