"""Begin no call of AWS that might outlast the invocation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from jobpipe.domain.errors import TooLate

_too_late: ContextVar[Callable[[], bool] | None] = ContextVar("too_late", default=None)


@contextmanager
def leaving(seconds: float, seconds_left: Callable[[], float]) -> Iterator[None]:
    """Let calls in this block, on this thread, begin only while so many seconds are left."""
    token = _too_late.set(lambda: seconds_left() < seconds)
    try:
        yield
    finally:
        _too_late.reset(token)


def check() -> None:
    """Raise TooLate if too little time is left to begin a call."""
    too_late = _too_late.get()
    if too_late is not None and too_late():
        raise TooLate("Too little time is left to go on.")
