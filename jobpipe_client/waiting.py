"""Waiting for one job, or for many jobs with few requests, since one request polls all jobs of a batch.

Many jobs come from an iterable that may be slow, such as `submit_many`. It is read while no poll is due.
"""

from __future__ import annotations

import heapq
import math
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from jobpipe_client import calls
from jobpipe_client.batch_models import BatchEntry, Submission
from jobpipe_client.exceptions import InvalidResponse, NotFound, RequestTimeout
from jobpipe_client.http.responses import parse_batch, parse_job
from jobpipe_client.http.transport import Transport
from jobpipe_client.models import Job, WaitTimeout

LONGEST_HOLD = 20  # the most seconds for which the service delays a response
MAX_WATCHED = 10_000  # jobs in memory; the iterable may have any number
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds, unless the service asks for more
_NOT_FOUND = 404

_Outcome = tuple[Submission, BatchEntry]


def poll(transport: Transport, job_id: str, *, hold: int = 0, deadline: float = math.inf) -> Job:
    """Return the job. The service may delay its response for `hold` seconds, until the job ends."""
    query = {"wait": hold} if hold > 0 else None
    return parse_job(transport.get(calls.job_path(job_id), query, hold=hold, deadline=deadline))


def wait(transport: Transport, job: Job, timeout: float, *, long_poll: int) -> Job:
    """Return the job when it has ended. Raise WaitTimeout after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    first_hold = int(max(0, min(long_poll, LONGEST_HOLD, timeout)))
    polls = 0
    while not job.done:
        if polls:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise WaitTimeout(job)
            pause = max(job.retry_after or 0.0, random.uniform(0, _backoff(polls - 1)))
            time.sleep(min(pause, remaining))  # the last poll comes at the deadline
        try:
            job = poll(transport, job.id, hold=0 if polls else first_hold, deadline=deadline)
        except RequestTimeout as error:
            if time.monotonic() >= deadline:
                raise WaitTimeout(job) from error
            raise
        polls += 1
    return job


def outcomes(transport: Transport, submissions: Iterable[Submission], timeout: float | None) -> Iterator[_Outcome]:
    """Yield each submission with its final batch entry."""
    for ended in _poll_until_ended(transport, submissions, _deadline(timeout)):
        if not isinstance(ended, Job):
            yield ended


def as_completed(
    transport: Transport, jobs: Iterable[Job | Submission | str], timeout: float | None
) -> Iterator[Job]:
    """Yield each job once, when it has ended."""
    deadline = _deadline(timeout)
    remaining = _distinct_jobs(jobs)
    while True:
        retried: list[Job] = []
        for ended in _poll_until_ended(transport, remaining, deadline):
            job = ended if isinstance(ended, Job) else poll(transport, str(ended[0].job_id), deadline=deadline)
            if job.done:
                yield job
            else:
                retried.append(job)  # it was retried after the batch reported its end
        if not retried:
            return
        remaining = iter(retried)


def _deadline(timeout: float | None) -> float:
    # Generators call this, so the time begins at the first next().
    return math.inf if timeout is None else time.monotonic() + timeout


def _distinct_jobs(jobs: Iterable[Job | Submission | str]) -> Iterator[Job | Submission | str]:
    seen: set[str] = set()
    for each in jobs:
        job_id = each if isinstance(each, str) else each.id if isinstance(each, Job) else each.job_id
        if job_id is not None and job_id not in seen:
            seen.add(job_id)
            # A submission without a batch id can only be polled as a job.
            yield job_id if isinstance(each, Submission) and each.batch_id is None else each


def _poll_until_ended(
    transport: Transport, jobs: Iterable[Job | Submission | str], deadline: float
) -> Iterator[_Outcome | Job]:
    """Yield jobs as they end. After the deadline, poll once more the jobs that were already read from `jobs`."""
    queue = _PollQueue(transport, deadline)
    unread: Iterator[Job | Submission | str] | None = iter(jobs)
    while True:
        now = time.monotonic()
        if queue.next_poll() <= now:
            yield from queue.poll()
        elif unread is not None and queue.jobs < MAX_WATCHED and not queue.overdue:
            for each in unread:
                if isinstance(each, Submission) and not each.accepted:
                    yield each, BatchEntry.without_job(each.problem)
                else:
                    queue.add(each)
                break
            else:
                unread = None
        elif queue.next_poll() < math.inf:
            time.sleep(queue.next_poll() - now)
        elif queue.overdue:
            queue.raise_timeout()
        else:
            return


class _PollQueue:
    """Unfinished jobs and batches, ordered by the time of their next poll."""

    def __init__(self, transport: Transport, deadline: float) -> None:
        self._transport = transport
        self._deadline = deadline
        self._heap: list[tuple[float, int, _PolledBatch | _PolledJob]] = []
        self._pushes = 0  # keeps the order of polls that are due at the same time
        self._batches: dict[str, _PolledBatch] = {}
        self.jobs = 0
        self.overdue: list[_PolledBatch | _PolledJob] = []  # unfinished at the poll after the deadline

    def next_poll(self) -> float:
        """Return the time of the next poll, or infinity if there is none."""
        return self._heap[0][0] if self._heap else math.inf

    def add(self, job: Job | Submission | str) -> None:
        """Add a job. The first poll is due after the pause that the service asked for."""
        self.jobs += 1
        if not isinstance(job, Submission):
            known = job if isinstance(job, Job) else None
            polled = _PolledJob(known.id if known else str(job), known)
            self._push(polled, 0.0 if known is None or known.done else known.retry_after or 0.0)
            return
        if job.batch_id is None or job.job_id is None:
            raise ValueError("an accepted submission has the id of its batch")
        batch = self._batches.get(job.batch_id)
        if batch is None:
            batch = self._batches[job.batch_id] = _PolledBatch(job.batch_id)
            self._push(batch, job.retry_after or 0.0)
        batch.unfinished.setdefault(job.job_id, []).append(job)

    def poll(self) -> list[_Outcome | Job]:
        """Poll the job or batch that is due first, and return the jobs that have ended."""
        is_last = time.monotonic() >= self._deadline
        _, _, first = heapq.heappop(self._heap)
        try:
            ended = first.poll(self._transport, self._deadline)
        except RequestTimeout:
            if time.monotonic() < self._deadline or not isinstance(first, _PolledJob) or first.latest is None:
                raise
            ended, is_last = [], True
        self.jobs -= len(ended)
        if first.ended:
            if isinstance(first, _PolledBatch):
                del self._batches[first.batch_id]
        elif is_last:
            self.overdue.append(first)
        else:
            first.polls += 1
            self._push(first, max(first.retry_after or 0.0, _backoff(first.polls)))
        return ended

    def raise_timeout(self) -> None:
        """Raise WaitTimeout for an overdue job, unless the job has ended just now."""
        polled = self.overdue.pop()
        job = polled.unfinished_job(self._transport)
        if not job.done:
            raise WaitTimeout(job)
        self._push(polled, 0.0)

    def _push(self, polled: _PolledBatch | _PolledJob, pause: float) -> None:
        self._pushes += 1
        due = min(time.monotonic() + pause, self._deadline)  # the last poll comes at the deadline
        heapq.heappush(self._heap, (due, self._pushes, polled))


def _backoff(polls: int) -> float:
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(polls, 10))


@dataclass(slots=True)
class _Polled:
    polls: int = field(default=0, init=False)
    retry_after: float | None = field(default=None, init=False)


@dataclass(slots=True)
class _PolledJob(_Polled):
    job_id: str
    latest: Job | None

    @property
    def ended(self) -> bool:
        return self.latest is not None and self.latest.done

    def poll(self, transport: Transport, deadline: float) -> list[_Outcome | Job]:
        if self.latest is None or not self.latest.done:
            self.latest = poll(transport, self.job_id, deadline=deadline)
            self.retry_after = self.latest.retry_after
        return [self.latest] if self.latest.done else []

    def unfinished_job(self, transport: Transport) -> Job:
        return self.latest or poll(transport, self.job_id)


@dataclass(slots=True)
class _PolledBatch(_Polled):
    batch_id: str
    unfinished: dict[str, list[Submission]] = field(default_factory=dict)  # by job id

    @property
    def ended(self) -> bool:
        return not self.unfinished

    def poll(self, transport: Transport, deadline: float) -> list[_Outcome | Job]:
        entries = self._fetch_entries(transport, deadline)
        ended = [job_id for job_id in self.unfinished if entries[job_id].done]
        return [(submission, entries[job_id]) for job_id in ended for submission in self.unfinished.pop(job_id)]

    def unfinished_job(self, transport: Transport) -> Job:
        return poll(transport, next(iter(self.unfinished)))

    def _fetch_entries(self, transport: Transport, deadline: float) -> dict[str, BatchEntry]:
        """Return the batch entries of the unfinished jobs by job id."""
        try:
            batch = parse_batch(transport.get(calls.batch_path(self.batch_id), deadline=deadline))
        except NotFound as error:
            return dict.fromkeys(self.unfinished, BatchEntry.without_job(error.problem))
        self.retry_after = batch.retry_after
        found = {entry.job_id: entry for entry in batch.entries if entry.job_id is not None}
        # The entry of an expired job has no id.
        expired = [
            entry
            for entry in batch.entries
            if entry.job_id is None and entry.problem is not None and entry.problem.status == _NOT_FOUND
        ]
        missing = self.unfinished.keys() - found.keys()
        if missing and not expired:
            raise InvalidResponse(f"the batch {batch.id} does not have the job {min(missing)}")
        return {job_id: found.get(job_id) or expired[0] for job_id in self.unfinished}
