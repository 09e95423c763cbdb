"""Remembers what a run has made, and deletes it at the end.

A deletion is registered before the thing is made, so that nothing is forgotten if the run is interrupted between
the two. Deletions run in the opposite order, even if some of them fail.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from requests import RequestException

from infra.cli.aws_errors import LIBRARY_ERRORS, describe
from infra.errors import OperatorError
from jobpipe.domain.errors import Unavailable
from jobpipe_client.http.http_errors import reason
from scripts.prove.callers import Caller, Json, OutOfTimeError, UnexpectedAnswerError, new_key

FAILURES = (
    OperatorError,
    Unavailable,
    RequestException,
    UnexpectedAnswerError,
    OutOfTimeError,
    *LIBRARY_ERRORS,
)
"""The errors that a check or a deletion may raise, apart from programming errors."""


def one_line(error: BaseException) -> str:
    """Return one line about an error of FAILURES."""
    if isinstance(error, LIBRARY_ERRORS):
        return describe(error)
    if isinstance(error, RequestException):
        return reason(error)
    return error.detail if isinstance(error, Unavailable) else str(error)


@dataclass
class Made:
    """The deletions that are due at the end of a run."""

    _undo: list[tuple[str, Callable[[], None]]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def later(self, what: str, undo: Callable[[], None]) -> None:
        """Call `undo` at the end. `undo` must do nothing if the thing was never made."""
        with self._lock:
            self._undo.append((what, undo))

    def clean_up(self) -> list[str]:
        """Delete everything, the latest first, and return what could not be deleted, with the reasons."""
        left = []
        while self._undo:
            what, undo = self._undo.pop()
            try:
                undo()
            except FAILURES as error:
                left.append(f"{what}: {one_line(error)}")
        return left


@dataclass
class Items:
    """The items of a run, which are deleted at the end even if the response to a create was lost."""

    caller: Caller
    ids: list[str] = field(default_factory=list)
    _batches: dict[str, Sequence[Json]] = field(default_factory=dict)  # without a response yet, by key
    _single: dict[str, tuple[Caller, Json]] = field(default_factory=dict)  # single commands without a response yet
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def create(self, items: Sequence[Json]) -> list[Json]:
        """Create items with one request, and return their jobs."""
        commands, key = [{"operation": "create", "item": item} for item in items], new_key()
        with self._lock:
            self._batches[key] = commands
        return self._answered(key)

    def expect(self, caller: Caller, command: Json, key: str) -> None:
        """Note a create that a caller is about to send as a single command."""
        with self._lock:
            self._single[key] = (caller, command)

    def note(self, key: str, item_id: str) -> None:
        """Note the item of a create that was expected."""
        with self._lock:
            self._single.pop(key, None)
            self.ids.append(item_id)

    def delete(self, seconds: Callable[[], float]) -> None:
        """Delete all items, and wait for the deletions; `seconds` returns the deadline of each wait."""
        # The same request returns the existing job, or makes the item now.
        for key, (caller, command) in list(self._single.items()):
            self.note(key, str(caller.submit(command, key)["item_id"]))
        for key in list(self._batches):
            self._answered(key)
        deletions = [{"operation": "delete", "item_id": item_id} for item_id in self.ids]
        for start in range(0, len(deletions), 100):
            jobs = self.caller.submit_batch(deletions[start : start + 100])
            for job in jobs:
                ended = self.caller.wait(str(job["id"]), seconds())
                gone = ended["status"] == "succeeded" or _problem(ended) == "not-found"
                if not gone:
                    raise UnexpectedAnswerError(f"the deletion of {job['item_id']} is {ended['status']}")
                self.ids.remove(str(job["item_id"]))

    def _answered(self, key: str) -> list[Json]:
        jobs = self.caller.submit_batch(self._batches[key], key)
        with self._lock:
            del self._batches[key]
            self.ids += [str(job["item_id"]) for job in jobs]
        return jobs


def _problem(job: Json) -> str:
    error = job.get("error") or {}
    return str(error.get("type", "")).rpartition(":")[2]
