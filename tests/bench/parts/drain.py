"""Drain a queue that was filled beforehand; compute the rate, and what the worker's invocations are billed for."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobpipe.domain.commands.command import Command
from tests.bench.laboratory.environment import Laboratory, timestamp
from tests.bench.laboratory.recorder import Recorder, fill
from tests.bench.parts.ceiling import WORKER_THREADS
from tests.helpers.deployed import Stage

_REPORT = re.compile(r"^REPORT .*\tBilled Duration: (?P<ms>[\d.]+) ms\tMemory Size: (?P<mb>\d+) MB")


@dataclass(frozen=True)
class Drained:
    """The ends of the jobs in seconds since 1970, in order, and the worker's GB-seconds for each job."""

    ends: Sequence[float]
    gb_seconds: float

    @property
    def rate(self) -> float:
        return rate_of(self.ends)


def drain(lab: Laboratory, stage: Stage, recorder: Recorder, to_run: list[Command]) -> Drained:
    """Fill the queue while the worker is off, turn it on, and wait until all jobs have succeeded."""
    with lab.worker_off(stage):
        jobs = {job.job_id for job in fill(stage, recorder, to_run, queued=True)}
        started = time.time()
    lab.wait_until_drained(stage)
    rows = [row for row in lab.rows(stage, "jobs_table") if row["job_id"]["S"] in jobs]
    assert len(rows) == len(jobs)
    assert all(row["status"]["S"] == "succeeded" for row in rows), {row["status"]["S"] for row in rows}
    ends = sorted(timestamp(row["updated_at"]["S"]) for row in rows)
    return Drained(ends, _gb_seconds(stage, started) / len(jobs))


def _gb_seconds(stage: Stage, since: float) -> float:
    """Return the GB-seconds of the worker's invocations, by the REPORT lines of its log."""
    group = f"/aws/lambda/{stage.resources['worker_function'].rpartition(':')[2]}"
    pages = stage.aws("logs").get_paginator("filter_log_events")
    found = pages.paginate(logGroupName=group, startTime=int(since * 1000), filterPattern="REPORT")
    spent = gb_seconds_of(event["message"] for page in found for event in page["events"])
    assert spent, f"no REPORT line in {group}"
    return spent


def gb_seconds_of(log_lines: Iterable[str]) -> float:
    """Return the sum of the billed durations times the memory sizes, by the REPORT lines among the lines."""
    reports = map(_REPORT.match, log_lines)
    return sum(float(each["ms"]) / 1000 * float(each["mb"]) / 1024 for each in reports if each)


def rate_of(ends: Sequence[float]) -> float:
    """Return the jobs per second from the tenth end on, since the start of the first batch is unknown."""
    return (len(ends) - WORKER_THREADS) / (ends[-1] - ends[WORKER_THREADS - 1])


def batches_of(ends: Sequence[float]) -> list[float]:
    """Return the seconds from each tenth end to the next."""
    tenth = ends[WORKER_THREADS - 1 :: WORKER_THREADS]
    return [later - earlier for earlier, later in itertools.pairwise(tenth)]
