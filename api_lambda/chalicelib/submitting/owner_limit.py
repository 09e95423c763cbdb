"""How many commands an owner may send: a rate, with a burst, that all processes of the API enforce together.

The row of an owner has one time, `full_at`: when its allowance is full again if nothing more is sent. An allowance
of `burst` commands grows by `rate` a second, so the rest of it follows from that time alone, and taking from the
allowance moves the time. A process takes a share of commands in one conditional update (a lease), and spends it
without a call for LEASE_SECONDS; the commands not spent by then are lost.

So in any T seconds an owner gets at most burst + rate x (T + LEASE_SECONDS) commands accepted, however many
processes there are: they were taken in that time or in the LEASE_SECONDS before it. No caller must be refused
because of lost commands, so a share is larger than its request only

- while more than the reserve stays in the allowance. Below that, each request takes exactly what it needs. Hence an
  owner that never sends more than `reserve` beyond its rate is never refused, whichever processes it uses;
- or if this process has just refused the owner, because the owner sends more than it may.

A refusal says when to try again; until then this process refuses the owner without a call. The first share that
the owner gets after that has to last for a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobpipe.domain.clock import now
from jobpipe.domain.errors import TooManyRequests, Unavailable
from jobpipe.domain.jobs.batch import MAX_COMMANDS
from jobpipe.runtime.telemetry import logger

if TYPE_CHECKING:
    from jobpipe.domain.ports import Allowances

LEASE_SECONDS: Final = 5
"""How long a share may be spent. A longer time means fewer calls and a less exact limit."""
OPEN_SECONDS: Final = 5
"""How long a process does not limit an owner whose allowance it could not read."""
_SECOND: Final = 1_000_000  # in microseconds, the unit of all times here
_TRIES: Final = 4
"""The first try may fail because the row is unknown, and later ones because other processes take from it."""
_EXACT_TRY: Final = 2
"""From the third try on, a share is no larger than its request."""


@dataclass(slots=True)
class _Share:
    """The part of an owner's allowance that this process has."""

    left: int = 0  # commands
    until: int = 0
    spent: int = 0  # since the last lease
    full_at: int = 0  # as last read; it only grows
    refused: int = 0  # so many commands or more are refused until the next time
    refused_until: int = 0
    next_lease_at: int = 0  # set when an owner that had been refused gets a share
    open_until: int = 0  # after an outage


class OwnerLimit:
    """Limits the commands of each owner."""

    def __init__(
        self,
        rate: float,
        burst: int,
        allowances: Allowances,
        clock: Callable[[], float] = lambda: now().timestamp(),
    ) -> None:
        """`rate` is in commands a second, over 0. `burst` is in commands, at least as many as a batch may have."""
        self._rate = rate
        self._burst = burst
        self._reserve = max(burst // 2, MAX_COMMANDS)
        self._largest_share = math.floor(rate * LEASE_SECONDS)
        self._allowances = allowances
        self._clock = clock
        self._shares: dict[str, _Share] = {}

    def spend(self, owner: str, commands: int) -> None:
        """Let the owner send so many commands, or raise TooManyRequests.

        During an outage nobody is refused: callers that keep the limit must not fail because it cannot be read.
        """
        at = int(self._clock() * _SECOND)
        share = self._shares.setdefault(owner, _Share())
        if at < share.open_until:
            return
        if at >= share.until:
            share.left = 0
        if share.left < commands:
            if at < share.refused_until and commands >= share.refused:
                raise _refusal(share.refused_until - at)
            if at < share.next_lease_at:
                share.refused, share.refused_until = commands, share.next_lease_at
                raise _refusal(share.refused_until - at)
            try:
                self._lease(owner, share, commands - share.left, at)
            except Unavailable:
                logger.warning("the allowance of an owner cannot be read; it is not limited", exc_info=True)
                share.open_until = at + OPEN_SECONDS * _SECOND
                return
        share.left -= commands
        share.spent += commands

    def _lease(self, owner: str, share: _Share, needed: int, at: int) -> None:
        """Add at least `needed` commands to the share, or raise TooManyRequests."""
        was_refused = at < share.refused_until + _SECOND
        is_recent = at < share.until + LEASE_SECONDS * _SECOND
        reserve = 0 if was_refused else self._reserve
        desired = needed + min(
            self._largest_share, max(1, math.floor(self._rate)) if was_refused else 2 * share.spent * is_recent
        )
        for attempt in range(_TRIES):
            if attempt == _EXACT_TRY:
                desired = needed
            size = self._size(share.full_at, needed, desired, reserve, at)
            if size is None:
                break
            kept = reserve if size > needed else 0
            latest = at + self._duration(self._burst - kept)
            granted, share.full_at = self._allowances.take(
                owner, at=at, duration=self._duration(size), latest=latest, known=share.full_at
            )
            if granted:
                share.left += size
                share.until, share.spent = at + LEASE_SECONDS * _SECOND, 0
                share.next_lease_at = at + _SECOND if was_refused else 0
                return
        free_at = share.full_at + self._duration(needed) - self._duration(self._burst)
        seconds = max(1, math.ceil((free_at - at) / _SECOND))
        share.refused, share.refused_until = needed, at + seconds * _SECOND
        raise _refusal(share.refused_until - at)

    def _size(self, full_at: int, needed: int, desired: int, reserve: int, at: int) -> int | None:
        """Return the size of the share to take, or None if the allowance does not have what is needed."""
        used = max(0, full_at - at)
        if used + self._duration(needed) > self._duration(self._burst):
            return None
        spare = math.floor((self._duration(self._burst - reserve) - used) * self._rate / _SECOND)
        return max(needed, min(desired, spare))

    def _duration(self, commands: int) -> int:
        """Return the microseconds in which the allowance grows by so many commands."""
        return math.ceil(commands * _SECOND / self._rate)


def _refusal(microseconds: int) -> TooManyRequests:
    seconds = math.ceil(microseconds / _SECOND)
    return TooManyRequests(
        f"This caller sends more commands than the stage allows one caller. Send them again in {seconds} s.",
        seconds,
    )
