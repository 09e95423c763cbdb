"""Stores that fail as planned, and at whose calls other processes act meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from jobpipe.domain.errors import Unavailable
from tests.faults.telling_stage import TellingPipeline
from tests.helpers.unreliable import Fault, Unreliable

_OF_TELLING = {
    "schedule": ("due", "jobs", "mark_queued", "forget"),
    "event_queue": ("tell",),
    "webhooks": ("all", "get", "put_new", "replace", "delete", "record_outcome", "pause"),
    "deliveries": ("add", "missing", "first", "head", "lines", "record", "get", "with_body"),
    "delivery_queue": ("now", "later", "again", "sweep"),
    "deliveries_waiting": ("delete",),
    "receivers": ("post",),
}


@dataclass
class NotTaken(Fault):
    """SQS takes all messages of the nth call but the first; any other call gets no answer."""


@dataclass
class Meanwhile(Fault):
    """Before the nth call another process acts."""

    what: int = 0
    pick: int = 0


_calls = st.integers(1, 12)
troubles: st.SearchStrategy[list[Fault]] = st.just([]) | st.lists(
    st.builds(Fault, call=_calls, gone=st.booleans(), after=st.booleans())
    | st.builds(NotTaken, call=_calls)
    | st.builds(Meanwhile, call=_calls, what=st.integers(0, 7), pick=st.integers(0, 9)),
    max_size=3,
)


class Interleaved(Unreliable):
    """The stores of a pipeline that tells."""

    def __init__(self, pipeline: TellingPipeline, act: Callable[[int, int], None]) -> None:
        """`act` lets another process do something."""
        self._act = act
        self.acted: set[int] = set()  # what other processes did while this one ran
        self.failed = False  # whether a call of this one failed
        super().__init__(pipeline)
        for store, names in _OF_TELLING.items():
            self.wrap(getattr(pipeline, store), names)

    def _wrapped(self, method: Any) -> Any:
        planned, name = super()._wrapped(method), method.__name__

        def call(*args: Any, **kwargs: Any) -> Any:
            fault = self._faults.get(self._calls + 1)
            self.failed = self.failed or (fault is not None and not isinstance(fault, Meanwhile))
            if self._gone or not isinstance(fault, NotTaken | Meanwhile):
                return planned(*args, **kwargs)
            del self._faults[self._calls + 1]
            if isinstance(fault, Meanwhile):
                self.elsewhere(fault.what, fault.pick)
                return planned(*args, **kwargs)
            self._calls += 1
            if name not in {"send_batch", "tell"}:
                raise Unavailable("The store did not answer.")
            taken = args[0][1:]
            rest = method(taken) if taken else None
            if name == "tell":
                return [False, *(rest or [])]
            return {args[0][0].deduplication_id: Unavailable("SQS did not take it."), **(rest or {})}

        return call

    def elsewhere(self, what: int, pick: int) -> None:
        """Let another process, which has no faults, do something."""
        kept = self._calls, self._gone, self._faults
        self._calls, self._gone, self._faults = 0, False, {}
        self.acted.add(what)
        try:
            self._act(what, pick)
        finally:
            self._calls, self._gone, self._faults = kept
