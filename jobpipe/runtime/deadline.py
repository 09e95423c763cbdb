"""Prevent AWS calls that might outlast the invocation, and measure how long a thread has waited for AWS."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from jobpipe.domain.errors import DeadlineNear

_FIRST_PAUSE = 0.05  # seconds; the longest pause after the first attempt; doubled with each further attempt


class Deadline:
    """The time until which AWS calls may begin; `waited` counts the seconds that were spent on them."""

    __slots__ = ("_too_late", "waited")

    def __init__(self, too_late: Callable[[], bool]) -> None:
        self._too_late = too_late
        self.waited = 0.0

    def check(self) -> None:
        """Raise DeadlineNear if too little time is left to begin a call."""
        if self._too_late():
            raise DeadlineNear("Too little time is left to go on.")


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def limit_calls(seconds: float, seconds_left: Callable[[], float]) -> Iterator[Deadline]:
    """Let AWS calls in this block, on this thread, begin only while so many seconds are left."""
    deadline = Deadline(lambda: seconds_left() < seconds)
    token = _current.set(deadline)
    try:
        yield deadline
    finally:
        _current.reset(token)


def current() -> Deadline | None:
    """Return the deadline of this thread, if it is in a block of `limit_calls`."""
    return _current.get()


def pause_after(attempt: int) -> None:
    """Sleep before an AWS call is repeated; this counts as waiting for AWS.

    The first attempt is 0. The pause is random, so that conflicting calls do not meet again.
    """
    seconds = random.uniform(0, _FIRST_PAUSE * 2**attempt)
    time.sleep(seconds)
    deadline = _current.get()
    if deadline is not None:
        deadline.waited += seconds
