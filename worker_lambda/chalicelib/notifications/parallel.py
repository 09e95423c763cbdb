"""AWS calls that are made at the same time, on threads that all messages of the process share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from threading import Event
from typing import TypeVar

from ..consumer import NoTimeLeft

_AT_ONCE = 10

T = TypeVar("T")


def run_in_parallel(function: Callable[[T], None], items: Sequence[T], may_go_on: Callable[[], bool]) -> None:
    """Call the function with each of the items, several at a time; return when all calls have ended.

    After a failure no further call begins, and the error is raised when the running calls have ended. If
    `may_go_on` returns False before a call, NoTimeLeft is raised in the same way.
    """
    stopped = Event()

    def call(item: T) -> None:
        if stopped.is_set():
            return
        if not may_go_on():
            stopped.set()
            raise NoTimeLeft
        try:
            function(item)
        except BaseException:
            stopped.set()
            raise

    if len(items) == 1:
        call(items[0])
        return
    started = [_threads().submit(call, each) for each in items]
    wait(started)
    errors = [error for error in (each.exception() for each in started) if error is not None]
    # If there was an outage, it determines the pause until the message is received again.
    for error in sorted(errors, key=lambda each: isinstance(each, NoTimeLeft)):
        raise error


@cache
def _threads() -> ThreadPoolExecutor:
    # The messages of a batch have their own threads, which wait for these.
    return ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="call")
