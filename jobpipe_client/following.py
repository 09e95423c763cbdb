"""Many jobs to their ends with few requests: whatever is due first is looked at, a batch as one.

The jobs come from an iterable that may go on for long, such as `submit_many`: it is read whenever nothing is due.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from jobpipe_client import calls
from jobpipe_client.answers import batch_of, job_of
from jobpipe_client.exceptions import BadAnswer, NotFound, TimedOut, WaitTimeout
from jobpipe_client.models import BatchEntry, Job, Submission
from jobpipe_client.problem import Problem
from jobpipe_client.transport import Transport

MOST_WATCHED = 10_000  # jobs; an import of any size must not be held in memory
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds, where the service asks for no longer one
_NOT_FOUND = 404

_Outcome = tuple[Submission, BatchEntry]


def outcomes(transport: Transport, submissions: Iterable[Submission], timeout: float | None) -> Iterator[_Outcome]:
    """Each submission with the entry that its batch has for it in the end."""
    for ended in _follow(transport, submissions, _deadline(timeout)):
        if not isinstance(ended, Job):
            yield ended


def as_completed(
    transport: Transport, jobs: Iterable[Job | Submission | str], timeout: float | None
) -> Iterator[Job]:
    """Each job once, when it has ended; a batch is looked at for all of its jobs."""
    deadline = _deadline(timeout)
    left = _each_once(jobs)
    while True:
        again: list[Job] = []
        for ended in _follow(transport, left, deadline):
            job = ended if isinstance(ended, Job) else _job(transport, str(ended[0].job_id), deadline)
            if job.done:
                yield job
            else:
                again.append(job)  # somebody has retried it since it ended
        if not again:
            return
        left = iter(again)


def _deadline(timeout: float | None) -> float:
    # Called by the first next(): nothing here runs before.
    return math.inf if timeout is None else time.monotonic() + timeout


def _each_once(jobs: Iterable[Job | Submission | str]) -> Iterator[Job | Submission | str]:
    """Those that there are jobs of."""
    seen: set[str] = set()
    for each in jobs:
        job_id = each if isinstance(each, str) else each.id if isinstance(each, Job) else each.job_id
        if job_id is not None and job_id not in seen:
            seen.add(job_id)
            # Without its batch it is a job like any other.
            yield job_id if isinstance(each, Submission) and each.batch_id is None else each


def _follow(
    transport: Transport, jobs: Iterable[Job | Submission | str], deadline: float
) -> Iterator[_Outcome | Job]:
    """All that `jobs` has, as it ends. After the deadline there is one more look at what was taken from it."""
    watch = _Watch(transport, deadline)
    left: Iterator[Job | Submission | str] | None = iter(jobs)
    while True:
        now = time.monotonic()
        if watch.due() <= now:
            yield from watch.look()
        elif left is not None and watch.waiting < MOST_WATCHED and not watch.late:
            for each in left:
                if isinstance(each, Submission) and not each.accepted:
                    yield each, _ended(each.problem)
                else:
                    watch.add(each)
                break
            else:
                left = None
        elif watch.due() < math.inf:
            time.sleep(watch.due() - now)
        elif watch.late:
            watch.give_up()
        else:
            return


class _Watch:
    """What has not ended, by when the next look at it is due."""

    def __init__(self, transport: Transport, deadline: float) -> None:
        self._transport = transport
        self._deadline = deadline
        self._queue: list[tuple[float, int, _Batch | _Single]] = []
        self._batches: dict[str, _Batch] = {}
        self._pushed = 0  # tells apart what is due at the same time
        self.waiting = 0  # jobs
        self.late: list[_Batch | _Single] = []  # not ended after the deadline

    def due(self) -> float:
        """When the next look is due."""
        return self._queue[0][0] if self._queue else math.inf

    def add(self, job: Job | Submission | str) -> None:
        """Looked at for the first time when the answer that it is known from asked for it."""
        self.waiting += 1
        if not isinstance(job, Submission):
            known = job if isinstance(job, Job) else None
            single = _Single(known.id if known else str(job), known)
            self._push(single, 0.0 if known is None or known.done else known.retry_after or 0.0)
            return
        if job.batch_id is None or job.job_id is None:
            raise ValueError("an accepted submission has the id of its batch")
        batch = self._batches.get(job.batch_id)
        if batch is None:
            batch = self._batches[job.batch_id] = _Batch(job.batch_id)
            self._push(batch, job.retry_after or 0.0)
        batch.jobs.setdefault(job.job_id, []).append(job)

    def look(self) -> list[_Outcome | Job]:
        """What has ended of that which is due first."""
        last = time.monotonic() >= self._deadline
        _, _, first = heapq.heappop(self._queue)
        try:
            ended = first.look(self._transport, self._deadline)
        except TimedOut:
            if time.monotonic() < self._deadline or not isinstance(first, _Single) or first.latest is None:
                raise
            ended, last = [], True
        self.waiting -= len(ended)
        if first.ended:
            if isinstance(first, _Batch):
                del self._batches[first.batch_id]
        elif last:
            self.late.append(first)
        else:
            self._push(first, first.pause())
        return ended

    def give_up(self) -> None:
        """WaitTimeout, unless what is late has ended just now."""
        late = self.late.pop()
        job = late.unfinished(self._transport)
        if not job.done:
            raise WaitTimeout(job)
        self._push(late, 0.0)

    def _push(self, watched: _Batch | _Single, pause: float) -> None:
        # Cut short at the deadline, for one last look.
        self._pushed += 1
        due = min(time.monotonic() + pause, self._deadline)
        heapq.heappush(self._queue, (due, self._pushed, watched))


@dataclass(slots=True)
class _Watched:
    looks: int = field(default=0, init=False)
    retry_after: float | None = field(default=None, init=False)

    def pause(self) -> float:
        """Seconds to the next look: what the service asked for, or more, the more often it was looked at."""
        self.looks += 1
        return max(self.retry_after or 0.0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self.looks, 10)))


@dataclass(slots=True)
class _Single(_Watched):
    job_id: str
    latest: Job | None

    @property
    def ended(self) -> bool:
        return self.latest is not None and self.latest.done

    def look(self, transport: Transport, deadline: float) -> list[_Outcome | Job]:
        if self.latest is None or not self.latest.done:
            self.latest = _job(transport, self.job_id, deadline)
            self.retry_after = self.latest.retry_after
        return [self.latest] if self.latest.done else []

    def unfinished(self, transport: Transport) -> Job:
        return self.latest or _job(transport, self.job_id, math.inf)


@dataclass(slots=True)
class _Batch(_Watched):
    batch_id: str
    jobs: dict[str, list[Submission]] = field(default_factory=dict)  # that have not ended, by their ids

    @property
    def ended(self) -> bool:
        return not self.jobs

    def look(self, transport: Transport, deadline: float) -> list[_Outcome | Job]:
        entries = self._entries(transport, deadline)
        over = [job_id for job_id in self.jobs if entries[job_id].done]
        return [(submission, entries[job_id]) for job_id in over for submission in self.jobs.pop(job_id)]

    def unfinished(self, transport: Transport) -> Job:
        return _job(transport, next(iter(self.jobs)), math.inf)

    def _entries(self, transport: Transport, deadline: float) -> dict[str, BatchEntry]:
        """Of each job."""
        try:
            batch = batch_of(transport.get(calls.batch_path(self.batch_id), deadline=_finite(deadline)))
        except NotFound as gone:
            return dict.fromkeys(self.jobs, _ended(gone.problem))
        self.retry_after = batch.retry_after
        found = {entry.job_id: entry for entry in batch.entries if entry.job_id is not None}
        # What has expired is told without its id.
        expired = [
            entry
            for entry in batch.entries
            if entry.job_id is None and entry.problem is not None and entry.problem.status == _NOT_FOUND
        ]
        missing = self.jobs.keys() - found.keys()
        if missing and not expired:
            raise BadAnswer(f"the batch {batch.id} does not have the job {min(missing)}")
        return {job_id: found.get(job_id) or expired[0] for job_id in self.jobs}


def _job(transport: Transport, job_id: str, deadline: float) -> Job:
    return job_of(transport.get(calls.job_path(job_id), deadline=_finite(deadline)))


def _finite(deadline: float) -> float | None:
    return None if deadline == math.inf else deadline


def _ended(problem: Problem | None) -> BatchEntry:
    """The entry of a command that there is no job of."""
    return BatchEntry(job_id=None, status=None, done=True, operation=None, item_id=None, problem=problem)
