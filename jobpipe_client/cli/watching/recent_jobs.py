"""How many of the caller's jobs were accepted and ended recently, according to the list of all jobs.

A reading is bounded, as in the console: three pages of the newest jobs, and two pages of older unfinished jobs. If
the service responds slowly, it is one page of each.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from jobpipe_client.client import Client
from jobpipe_client.models import Job

LONGEST = 300.0  # the most seconds for which jobs are counted
_PAGE, _MAX_NEW_PAGES, _MAX_OLD_PAGES = 100, 3, 2
_SLOW = 0.5  # seconds after which a reading requests no further page
_LATE = 10.0  # the most seconds after its acceptance until a job appears in the list
_MIN_MOMENTS = 20  # different times of acceptance in a sample; all commands of a batch have the same time
_FIRST_KNOWN = 10  # the oldest known jobs; when one of them ends, the jobs before have ended
_MIN_PERIOD = 5.0  # seconds for which jobs must be known
_MILLISECOND = 0.001  # the precision of the service's times


@dataclass(frozen=True, slots=True)
class _Seen:
    accepted: float  # a time in seconds, as `ended`
    ended: float | None
    failed: bool
    scheduled: bool
    weight: float  # how many jobs this job represents


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of jobs in a period that ended `late` seconds ago."""

    seconds: float  # less than the requested period if earlier jobs are unknown
    late: float
    accepted: int
    ended: int | None  # None if some of the jobs that may have ended are unknown
    failed: int  # how many of the ended jobs failed
    is_estimate: bool = False


class RecentJobs:
    """The known jobs of the last minutes."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seen: dict[str, _Seen] = {}
        self._newest: float | None = None  # when the newest known job was accepted
        self._gap_at = 0.0  # the end of the latest period with unknown jobs
        self._read_at = 0.0  # the time of the latest reading
        self._since = 0.0  # all jobs that were accepted after this time are known
        self._known_to = 0.0  # the ends of jobs are known until this time
        self._first: list[str] = []  # the oldest jobs of the first reading

    def read(self, now: float) -> list[Job]:
        """Read the newest jobs and the ends of older jobs. Return the newest jobs."""
        since = now - LONGEST if self._newest is None else self._newest
        found, is_all = self._newest_jobs(since)
        self._note_new(found, since, is_all=is_all)
        self._read_at = now
        self._read_ends(now, _accepted_at(found[-1]) if found else now)
        for job_id, job in list(self._seen.items()):
            if job.ended is not None and max(job.ended, job.accepted) < now - LONGEST - _LATE:
                del self._seen[job_id]
                if job_id in self._first:  # from now on, all ends in the period are known
                    self._first = []
        return found

    def counts(self, now: float, seconds: float) -> Counts | None:
        """Return the numbers of jobs in the last seconds, or since the latest period with unknown jobs.

        Return None if that is only a moment.
        """
        until = min(now, self._known_to)
        if until - self._gap_at < _MIN_PERIOD:
            return None
        ends_since = self._ends_since()
        if ends_since is not None and until - ends_since < _MIN_PERIOD:
            ends_since = None
        since = max(until - seconds, self._since, ends_since or 0.0)
        accepted = [job for job in self._seen.values() if since < job.accepted <= until]
        ended = [job for job in self._seen.values() if job.ended is not None and since < job.ended <= until]
        return Counts(
            seconds=max(0.0, until - since),
            late=now - until,
            accepted=_sum(accepted),
            ended=None if ends_since is None else _sum(ended),
            failed=_sum(job for job in ended if job.failed),
            is_estimate=any(job.weight > 1 for job in (*accepted, *ended)),
        )

    def _ends_since(self) -> float | None:
        """Return the time since when all ends are known, or None if there is no such time yet.

        Jobs that were accepted before the first known job are unknown. Usually they end before that job.
        """
        if not self._first:
            return 0.0
        ends = [job.ended for job_id in self._first if (job := self._seen.get(job_id)) and job.ended is not None]
        return min(ends, default=None)

    def _newest_jobs(self, since: float) -> tuple[list[Job], bool]:
        found: list[Job] = []
        began = time.monotonic()
        for job in self._client.jobs(page_size=_PAGE):
            found.append(job)
            if len(found) % _PAGE:
                continue
            is_enough = len(found) == _PAGE * _MAX_NEW_PAGES or _accepted_at(job) < since - _LATE
            if is_enough or time.monotonic() - began > _SLOW:
                return found, False
        return found, True

    def _note_new(self, found: Sequence[Job], since: float, *, is_all: bool) -> None:
        """Note the newest jobs. If they leave a gap to the jobs before, they are a sample that represents the gap.

        If they came in only a few batches, they are no sample: then it is only known that there is a gap.
        """
        times = [_accepted_at(job) for job in found]
        newest, oldest = (times[0], times[-1]) if times else (since, since)
        is_whole = is_all or oldest < since
        is_sample = False
        if self._newest is not None and not is_whole:
            is_sample = len(set(times)) >= _MIN_MOMENTS
        if self._newest is None or not (is_whole or is_sample):
            # Begin, or begin anew after a gap.
            self._since = since if is_whole else oldest
            self._first = [] if is_all else [job.id for job in found[-_FIRST_KNOWN:]]
            if self._newest is not None:
                self._gap_at = oldest
        gap = newest - max(since, self._read_at)  # the seconds in which unknown jobs were accepted
        weight = max(1.0, gap / (newest - oldest)) if is_sample else 1.0
        for job, accepted in zip(found, times, strict=True):
            # Some jobs of the oldest moment may be missing.
            if not is_sample or accepted > oldest or job.id in self._seen:
                self._note(job, weight)
        self._newest = newest if self._newest is None else max(self._newest, newest)

    def _read_ends(self, now: float, before: float) -> None:
        """Read the unfinished older jobs again, the oldest first."""
        began = time.monotonic()
        for _ in range(_MAX_OLD_PAGES):
            times = sorted(
                job.accepted
                for job in self._seen.values()
                if job.ended is None and not job.scheduled and job.accepted < before
            )[:_PAGE]
            if not times:
                self._known_to = now
                return
            since, until = (datetime.fromtimestamp(at, UTC) for at in (times[0], times[-1] + _MILLISECOND))
            jobs = self._page(since, until)
            is_sample = any(job.weight > 1 for job in self._seen.values())
            for job in jobs:
                if not is_sample or job.id in self._seen:
                    self._note(job, 1.0)
            self._known_to = now
            if not jobs or not all(job.done for job in jobs):
                return
            # All of these jobs have ended, so later jobs may have ended, too.
            self._known_to = max(map(_updated_at, jobs))
            if time.monotonic() - began > _SLOW:
                return

    def _page(self, since: datetime, until: datetime) -> list[Job]:
        return list(islice(self._client.jobs(since=since, until=until, page_size=_PAGE), _PAGE))

    def _note(self, job: Job, weight: float) -> None:
        known = self._seen.get(job.id)
        self._seen[job.id] = _Seen(
            accepted=_accepted_at(job),
            ended=_updated_at(job) if job.done else None,
            failed=job.status == "failed",
            scheduled=job.status == "scheduled",
            weight=weight if known is None else known.weight,
        )


def _accepted_at(job: Job) -> float:
    return job.created_at.timestamp()


def _updated_at(job: Job) -> float:
    return job.updated_at.timestamp()


def _sum(jobs: Iterable[_Seen]) -> int:
    return round(sum(job.weight for job in jobs))
