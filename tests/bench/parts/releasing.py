"""`make bench BENCH=releasing`: how long ten thousand scheduled commands of one time take until they are queued.

The commands are for different items. The worker is off, since on the emulator it would share a process with the
queue and the tables, which on AWS it does not; so a job's `updated_at` stays the time at which it was queued.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import tenacity

from jobpipe.domain.jobs.batch import MAX_COMMANDS
from tests.bench.laboratory.open_stage import open_stage
from tests.bench.parts.batches import turn_off_worker
from tests.helpers.deployed import Stage, unique

COMMANDS, QUICK_COMMANDS = 10_000, 200
MINUTE = 60.0
_SENDERS = 4
_AHEAD = timedelta(seconds=150)  # until the commands are due: a sweep begins after all of them were accepted
_QUICK_AHEAD = timedelta(seconds=75)
_LONGEST = 300.0  # seconds until all are queued

Figures = dict[str, Any]


def measure(quick: bool) -> Figures:
    """Measure this part alone."""
    with open_stage() as stage:
        return measure_in(stage, quick)


def measure_in(stage: Stage, quick: bool) -> Figures:
    """Let the commands become due at once, and return how long after their time they were queued."""
    turn_off_worker(stage)
    commands = QUICK_COMMANDS if quick else COMMANDS
    due = datetime.now(UTC).replace(microsecond=0) + (_QUICK_AHEAD if quick else _AHEAD)

    def send(_: int) -> None:
        answer = stage.request("POST", "/batches", {"commands": [_command(due) for _ in range(MAX_COMMANDS)]})
        if answer.status_code != requests.codes.accepted:
            raise RuntimeError(f"a batch was answered {answer.status_code}: {answer.text}")

    with ThreadPoolExecutor(_SENDERS) as pool:
        list(pool.map(send, range(commands // MAX_COMMANDS)))
    if datetime.now(UTC) >= due:
        raise RuntimeError("the commands were due before all of them were accepted")
    _wait_until_queued(stage, commands)
    delays = sorted(_delays(stage, due))
    if len(delays) != commands:
        raise RuntimeError(f"{len(delays)} of {commands} commands are in the table")
    return {
        "commands": commands,
        "early": sum(delay < 0 for delay in delays),
        "within_a_minute": sum(delay <= MINUTE for delay in delays),
        "seconds": {"p50": statistics.median(delays), "p95": delays[int(0.95 * commands)], "last": delays[-1]},
    }


def rows(figures: Figures) -> Iterator[tuple[str, ...]]:
    """Yield the header of the table, and then its rows."""
    yield "commands due at once", "early", "queued within a minute", "p50, s", "p95, s", "the last, s"
    seconds = [f"{figures['seconds'][name]:.1f}" for name in ("p50", "p95", "last")]
    yield f"{figures['commands']:,}", str(figures["early"]), f"{figures['within_a_minute']:,}", *seconds


def _command(due: datetime) -> dict[str, Any]:
    item = {"name": unique("Tent"), "description": "For two"}
    return {"operation": "create", "item": item, "not_before": due.isoformat().replace("+00:00", "Z")}


@tenacity.retry(
    retry=tenacity.retry_if_result(lambda is_queued: not is_queued),
    stop=tenacity.stop_after_delay(_LONGEST),
    wait=tenacity.wait_fixed(1),
)
def _wait_until_queued(stage: Stage, commands: int) -> bool:
    return stage.client.stats().waiting >= commands


def _delays(stage: Stage, due: datetime) -> Iterator[float]:
    """Yield how many seconds after their time the commands were marked as queued, which follows the send."""
    pages = stage.aws("dynamodb").get_paginator("scan")
    for page in pages.paginate(TableName=stage.resources["jobs_table"]):
        for row in page["Items"]:
            if "not_before" in row and "listed" not in row:
                yield (datetime.fromisoformat(row["updated_at"]["S"]) - due).total_seconds()
