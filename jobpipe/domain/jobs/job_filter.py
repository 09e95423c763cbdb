"""The conditions for the jobs of a list."""

from __future__ import annotations

from dataclasses import dataclass

from jobpipe.domain.jobs.job import Job, Status


@dataclass(frozen=True, slots=True)
class JobFilter:
    """The conditions for listed jobs; None means no condition. Times are RFC 3339 in UTC with milliseconds."""

    status: Status | None = None
    collection: str | None = None
    since: str | None = None  # the earliest time at which it was accepted
    until: str | None = None  # the time before which it was accepted

    @property
    def is_empty(self) -> bool:
        """Return whether every job meets it."""
        return self == EVERY_JOB

    def matches(self, job: Job) -> bool:
        """Return whether the job meets all conditions."""
        return (
            self.status in {None, job.status}
            and self.collection in {None, job.collection}
            and (self.since is None or job.created_at >= self.since)
            and (self.until is None or job.created_at < self.until)
        )


EVERY_JOB = JobFilter()
