"""One invocation of the release, which a rule starts each minute.

Each shard is released at once, and again when its next command is due, for two minutes. So commands are released at
their times, and if an invocation is late or dies, the one before it takes its place.
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

AHEAD = timedelta(minutes=2)
"""How far ahead a sweep looks for commands that become due."""
OWN = timedelta(minutes=1)
"""The time until the next sweep begins, which releases what becomes due from then on."""
SETTLES = timedelta(seconds=2)
"""How long after its time a command is released. The index needs a moment until it shows a new entry.

Without it, a command that is accepted just before its time could be overtaken by a later one of its document.
"""
NEXT_SWEEP = timedelta(seconds=5)
"""How much time a sweep gives the next one to release a command, before it releases the command itself."""
TRY_AGAIN = timedelta(seconds=5)
"""The pause before a sweep tries again to release what it could not."""
RESERVE_SECONDS = 20.0
"""The time that must be left to begin a pass: a call of AWS may hang in each of its three tries."""


def sweep(services: ReleaseServices, seconds_left: Callable[[], float]) -> int:
    """Release what is due, and what becomes due in the next two minutes; return the number of commands."""
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
        until = now() - SETTLES
        each = Pass(shard, services, may_go_on)
        each.run(until)
        released += each.released
        wake = _next_wake(shard, until, began, services)
        if each.left_any:
            again = now() + TRY_AGAIN
            wake = again if wake is None else min(wake, again)
        if wake is None or wake > began + AHEAD + NEXT_SWEEP + SETTLES:
            break
        time.sleep(max(0.0, (wake - now()).total_seconds()))
    return released


def _is_empty(shard: str, began: datetime, services: ReleaseServices) -> bool:
    """Return whether nothing is due in the shard within two minutes, which one read shows."""
    try:
        return not services.schedule.due(shard, FIRST, last_place_at(began + AHEAD), 1).entries
    except Unavailable:
        logger.warning("schedule not read: it will be tried again", exc_info=True)
        return False


def _next_wake(shard: str, after: datetime, began: datetime, services: ReleaseServices) -> datetime | None:
    """Return when the next command of the shard that is due within two minutes is to be released."""
    if after >= began + AHEAD:
        return None
    try:
        entries = services.schedule.due(shard, last_place_at(after), last_place_at(began + AHEAD), 1).entries
    except Unavailable:
        logger.warning("schedule not read: the next sweep will read it", exc_info=True)
        return None
    if not entries:
        return None
    due = due_at(entries[0])
    return due + SETTLES + (timedelta() if due <= began + OWN else NEXT_SWEEP)


@cache
def _shards() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=len(SHARDS), thread_name_prefix="shard")
