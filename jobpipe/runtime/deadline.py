"""How much of an invocation's time is left: a call of AWS that might not end in it is not begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from jobpipe.domain.errors import Unavailable

_too_late: ContextVar[Callable[[], bool] | None] = ContextVar("too_late", default=None)


@contextmanager
def leaving(seconds: float, seconds_left: Callable[[], float]) -> Iterator[None]:
    """In the block, on this thread, calls begin only while so many seconds are left."""
    token = _too_late.set(lambda: seconds_left() < seconds)
    try:
        yield
    finally:
        _too_late.reset(token)


def check() -> None:
    """Unavailable if it is too late to begin another call."""
    too_late = _too_late.get()
    if too_late is not None and too_late():
        raise Unavailable("Too little time is left to go on.")
