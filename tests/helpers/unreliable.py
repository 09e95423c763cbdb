"""Stores that fail as planned and a clock that tests set, for the pipeline in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any
from unittest.mock import patch

import jobpipe.domain.clock
from jobpipe.domain.errors import Unavailable

METHODS = {
    "jobs": ("put_new", "get", "begin_attempt", "record_interruption", "succeed", "fail", "cancel", "requeue"),
    "items": ("get", "commit"),
    "groups": ("rows", "commit", "commit_alone"),
    "documents": ("put", "get", "get_by_key", "delete", "delete_together", "keys"),
    "queue": ("send", "send_batch", "delete", "postpone"),
    "batches": ("put_new", "put_rest", "get", "jobs"),
    "parked": ("park",),
}


class ProcessGoneError(BaseException):
    """The process ended. No handler of exceptions catches this."""


@dataclass
class Fault:
    """A failure at the nth call to a store, before or after its effect."""

    call: int
    gone: bool = False  # the process ends; otherwise the store does not respond
    after: bool = False

    def error(self) -> BaseException:
        return ProcessGoneError() if self.gone else Unavailable("The store did not answer.")


class Unreliable:
    """Wraps the stores of a pipeline, so that calls to them fail as planned."""

    def __init__(self, pipeline: Any) -> None:
        self._faults: dict[int, Fault] = {}
        self._calls = 0
        self._gone = False
        for store, names in METHODS.items():
            self.wrap(getattr(pipeline, store), names)

    def wrap(self, store: Any, names: Sequence[str]) -> None:
        """Let calls of these methods fail as planned."""
        for name in names:
            setattr(store, name, self._wrapped(getattr(store, name)))

    @contextmanager
    def process(self, *faults: Fault) -> Iterator[None]:
        """Run the block, a request or a batch, as one process with these faults."""
        self._calls, self._gone, self._faults = 0, False, {fault.call: fault for fault in faults}
        try:
            yield
        except ProcessGoneError:
            pass
        finally:
            self._gone, self._faults = False, {}

    def _wrapped(self, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self._gone:
                raise ProcessGoneError
            self._calls += 1
            fault = self._faults.get(self._calls)
            if fault is None:
                return method(*args, **kwargs)
            if fault.after:
                method(*args, **kwargs)
            self._gone = fault.gone
            raise fault.error()

        return call


class Clock:
    """The time that jobpipe sees."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12).astimezone()

    def advance(self, by: timedelta) -> None:
        self.now += by

    @contextmanager
    def installed(self) -> Iterator[None]:
        clock = self

        class Moments(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Any:
                return clock.now.astimezone(tz)

        with patch.object(jobpipe.domain.clock, "datetime", Moments):
            yield
