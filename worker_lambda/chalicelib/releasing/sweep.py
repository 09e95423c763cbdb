"""One invocation of the release, which a rule starts each minute.

For two minutes, it releases each shard at once and again whenever the next command is due. So commands are released
on time, and if an invocation is late or dies, the previous one does its work.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache

from jobpipe.domain.clock import now
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.jobs.scheduled import SHARDS, due_at, last_place_at
from jobpipe.runtime.metrics import meter
from jobpipe.runtime.telemetry import logger

from .release import FIRST, Pass
from .services import ReleaseServices

LOOK_AHEAD = timedelta(minutes=2)
"""How far ahead a sweep looks for commands that become due."""
UNTIL_NEXT_SWEEP = timedelta(minutes=1)
"""The time until the next sweep begins, which releases the commands that become due after that."""
INDEX_DELAY = timedelta(seconds=2)
"""How long after its due time a command is released, because the index needs a moment to show a new entry.

Without this delay, a command that is accepted just before it is due could be overtaken by a later one.
"""
HANDOVER = timedelta(seconds=5)
"""How long a sweep waits for the next sweep to release a command before it releases the command itself."""
RETRY_PAUSE = timedelta(seconds=5)
"""The pause before a sweep tries again to release the rest."""
RESERVE_SECONDS = 20.0
"""The time that must be left to begin a pass: an AWS call may hang in each of its three tries."""


def sweep(services: ReleaseServices, seconds_left: Callable[[], float]) -> int:
    """Release the commands that are due now or in the next two minutes; return their number."""
    began = now()
    released = sum(_shards().map(lambda shard: _sweep_shard(shard, began, services, seconds_left), SHARDS))
    if released:
        logger.info("released", extra={"commands": released})
    meter.write()
    return released


def _sweep_shard(shard: str, began: datetime, services: ReleaseServices, seconds_left: Callable[[], float]) -> int:
    """Release the commands of a shard; return their number."""
    released = 0

    def may_go_on() -> bool:
        return seconds_left() > RESERVE_SECONDS

    if _is_empty(shard, began, services):
        return 0
    while may_go_on():
        until = now() - INDEX_DELAY
        current = Pass(shard, services, may_go_on)
        current.run(until)
        released += current.released
        wake = _next_wake(shard, until, began, services)
        if current.is_incomplete:
            again = now() + RETRY_PAUSE
            wake = again if wake is None else min(wake, again)
        if wake is None or wake > began + LOOK_AHEAD + HANDOVER + INDEX_DELAY:
            break
        time.sleep(max(0.0, (wake - now()).total_seconds()))
    return released


def _is_empty(shard: str, began: datetime, services: ReleaseServices) -> bool:
    """Return whether nothing in the shard is due within two minutes, with a single read."""
    try:
        return not services.schedule.due(shard, FIRST, last_place_at(began + LOOK_AHEAD), 1).entries
    except Unavailable:
        logger.warning("schedule not read: it will be tried again", exc_info=True)
        return False


def _next_wake(shard: str, after: datetime, began: datetime, services: ReleaseServices) -> datetime | None:
    """Return when to release the next command of the shard, if one is due within two minutes."""
    if after >= began + LOOK_AHEAD:
        return None
    try:
        entries = services.schedule.due(shard, last_place_at(after), last_place_at(began + LOOK_AHEAD), 1).entries
    except Unavailable:
        logger.warning("schedule not read: the next sweep will read it", exc_info=True)
        return None
    if not entries:
        return None
    due = due_at(entries[0])
    return due + INDEX_DELAY + (timedelta() if due <= began + UNTIL_NEXT_SWEEP else HANDOVER)


@cache
def _shards() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=len(SHARDS), thread_name_prefix="shard")
