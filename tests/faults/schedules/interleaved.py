"""Stores that fail as planned, and at whose calls other processes act meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from hypothesis import strategies as st

from jobpipe.domain.errors import Unavailable
from tests.faults.stage.notifying_stage import NotifyingPipeline
from tests.helpers.unreliable import METHODS, Fault, ProcessGoneError, Unreliable

_OF_NOTIFICATIONS = {
    "schedule": ("due", "jobs", "mark_queued", "forget"),
    "event_queue": ("send_ended",),
    "webhooks": ("all", "get", "put_new", "replace", "delete", "record_outcome", "pause"),
    "deliveries": ("add", "find_missing", "first", "head", "lines", "record", "get", "with_body"),
    "delivery_queue": ("deliver_now", "deliver_later", "deliver_again", "sweep"),
    "deliveries_waiting": ("delete",),
    "receivers": ("post",),
}


class Kind(Enum):
    """What happens at a call."""

    FAILS = auto()  # the process ends, or the store does not answer
    NOT_TAKEN = auto()  # SQS takes all messages of a call but the first
    MEANWHILE = auto()  # before the call, another process acts


@dataclass
class Trouble(Fault):
    """What happens at the nth call of one method of a store, or of any if `method` is empty."""

    method: str = ""
    kind: Kind = Kind.FAILS
    what: int = 0
    pick: int = 0


_STORES = METHODS | _OF_NOTIFICATIONS
_any_place: dict[str, Any] = {"call": st.integers(1, 12)}


def troubles(actions: int, *methods: str) -> st.SearchStrategy[list[Fault]]:
    """Return lists of what happens at the calls of a process, most of them at those of these methods.

    Others can do so many things meanwhile.
    """
    of_a_method: dict[str, Any] = {"call": st.sampled_from([1, 1, 1, 2, 3]), "method": st.sampled_from(methods)}
    each = [
        builds
        for place in (of_a_method, of_a_method, _any_place)
        for builds in (
            st.builds(Trouble, gone=st.booleans(), after=st.booleans(), **place),
            st.builds(Trouble, kind=st.just(Kind.NOT_TAKEN), **place),
            st.builds(
                Trouble,
                kind=st.just(Kind.MEANWHILE),
                what=st.integers(0, actions - 1),
                pick=st.integers(0, 9),
                **place,
            ),
        )
    ]
    return st.lists(st.one_of(each), max_size=4)


class Interleaved(Unreliable):
    """The stores of a pipeline that notifies."""

    def __init__(self, pipeline: NotifyingPipeline, act: Callable[[int, int], None]) -> None:
        """`act` lets another process do something."""
        self._act = act
        self._left: list[tuple[Fault, list[int]]] = []  # with the numbers of calls until then
        self.acted: set[int] = set()  # what other processes did while this one ran
        self.failed = False  # whether a call of this one failed
        for store, names in _STORES.items():
            wrapped = getattr(pipeline, store)
            for name in names:
                setattr(wrapped, name, self._at(store, name, getattr(wrapped, name)))

    @contextmanager
    def process(self, *faults: Fault) -> Iterator[None]:
        """Run the block, a request or a batch, as one process with these faults."""
        self._gone, self._left = False, [(fault, [fault.call]) for fault in faults]
        self.acted, self.failed = set(), False
        try:
            with suppress(ProcessGoneError):
                yield
        finally:
            self._gone, self._left = False, []

    def elsewhere(self, what: int, pick: int) -> None:
        """Let another process, which has no faults, do something."""
        kept = self._gone, self._left
        self._gone, self._left = False, []
        self.acted.add(what)
        try:
            self._act(what, pick)
        finally:
            self._gone, self._left = kept

    def _at(self, store: str, name: str, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self._gone:
                raise ProcessGoneError
            fault = self._next(f"{store}.{name}")
            if isinstance(fault, Trouble) and fault.kind is Kind.MEANWHILE:
                self.elsewhere(fault.what, fault.pick)
                fault = None
            if fault is None:
                return method(*args, **kwargs)
            self.failed = True
            if isinstance(fault, Trouble) and fault.kind is Kind.NOT_TAKEN and name in {"send_batch", "send_ended"}:
                return _without_first(name, method, args[0])
            if fault.after:
                method(*args, **kwargs)
            self._gone = fault.gone
            raise fault.error()

        return call

    def _next(self, name: str) -> Fault | None:
        """Return what happens at this call, and count it."""
        found = None
        for fault, left in self._left:
            if getattr(fault, "method", "") in {"", name}:
                left[0] -= 1
                found = fault if left[0] == 0 else found
        return found


def _without_first(name: str, method: Any, messages: Any) -> Any:
    rest = method(messages[1:]) if messages[1:] else None
    if name == "send_ended":
        return [False, *(rest or [])]
    return {messages[0].deduplication_id: Unavailable("SQS did not take it."), **(rest or {})}
