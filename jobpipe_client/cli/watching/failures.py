"""The jobs that fail while `jobpipe watch` runs: each failure is found once, even if there are many at once.

The list of failed jobs begins with the latest failure. Each reading goes down to where the previous reading began,
and somewhat further, since a failure may appear in the list late. A reading of many pages continues in the next
rounds. Failures in the meantime are above the beginning of that reading, so the next reading finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from jobpipe_client.client import Client
from jobpipe_client.exceptions import JobpipeError
from jobpipe_client.models import Job

MAX_OLD_FAILURES = 100  # jobs that had failed before are counted up to this number
_PAGE, _MAX_PAGES = 100, 5  # in one round
_LATE = timedelta(seconds=60)  # the most time until a failure appears in the list
_NEVER = datetime.min.replace(tzinfo=UTC)

Failure = tuple[str, int]
"""The id of a job, and how many times it had been retried when it failed."""


class NewFailures:
    """The failures since the first reading."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._before: set[Failure] = set()  # the latest failures before the first reading
        self._before_until = _NEVER  # all failures until this time were before the first reading
        self._known: dict[Failure, datetime] = {}
        self._floor = _NEVER  # all failures until this time are known
        self._next_floor = _NEVER
        self._reading: Iterator[Job] | None = None
        self._found: list[Job] = []  # failures that no round has returned yet
        self.count = 0  # the number of failures that were found

    def begin(self) -> list[Job]:
        """Return the latest jobs that had failed before the first reading."""
        before = list(islice(self._client.jobs("failed", page_size=MAX_OLD_FAILURES), MAX_OLD_FAILURES))
        self._known = {_failure(job): job.updated_at for job in before}
        self._before = set(self._known)
        if before:
            now = self._client.transport.service_time()
            newest, oldest = (min(job.updated_at, now) for job in (before[0], before[-1]))
            self._before_until = oldest if len(before) == MAX_OLD_FAILURES else _NEVER
            self._floor = max(newest - _LATE, self._before_until)
        return before

    def read(self) -> list[Job]:
        """Return the failures that are found in this round, the earliest first.

        If a request fails, its error is raised; a later round also returns the failures that were found before it.
        """
        if self._reading is None:
            self._reading = self._client.jobs("failed", page_size=_PAGE)
            self._next_floor = self._floor
        for _ in range(_PAGE * _MAX_PAGES):
            try:
                job = next(self._reading, None)
            except JobpipeError:
                self._reading = None  # an iterator that has raised yields nothing more; the next round starts over
                raise
            if job is None or job.updated_at <= self._floor:
                self._end_reading()
                break
            # A worker whose clock is ahead must not hide the failures until the time of that clock.
            failed_at = min(job.updated_at, self._client.transport.service_time())
            self._next_floor = max(self._next_floor, failed_at - _LATE)
            if _failure(job) not in self._known:
                self._known[_failure(job)] = job.updated_at
                self._found.append(job)
        found, self._found = self._found, []
        self.count += len(found)
        return found[::-1]

    def latest(self, most: int) -> list[Job]:
        """Return the latest failures of jobs that are still listed as failed."""
        latest = islice(self._client.jobs("failed", page_size=most), most)
        return [job for job in latest if _failure(job) not in self._before and job.updated_at > self._before_until]

    def _end_reading(self) -> None:
        self._reading = None
        self._floor = self._next_floor
        self._known = {failure: at for failure, at in self._known.items() if at > self._floor}


def _failure(job: Job) -> Failure:
    return job.id, job.retries
