"""Sends the commands of a script and follows each job to its end.

Each of `concurrency` callers takes a line, sends it, waits for its job and takes the next line. So the latencies
are what this many callers see, and not the times in a queue that was filled at once. The thread that calls `run`
decides which lines are ready, and records what the callers report.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from jobpipe_client import Client, Forbidden, Job, JobpipeError, ProblemError, TransportError, WaitTimeout
from scripts.demo.script import Line


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the command of a line ended."""

    line: Line
    got: str  # "succeeded", the slug of a problem, or why the job has no outcome
    as_expected: bool
    accept_ms: float | None = None  # from the request to the 202
    total_ms: float | None = None  # from the request until the caller saw the job's end
    job: Job | None = None


@dataclass(frozen=True, slots=True)
class _Accepted:
    line: Line
    job: Job


class DemoRun:
    """A run of a script. The names of items get the suffix of the run, so that runs do not collide."""

    def __init__(self, client: Client, lines: list[Line], *, suffix: str, concurrency: int, timeout: float) -> None:
        self._client = client
        self._lines = lines
        self._suffix = suffix
        self._concurrency = concurrency
        self._deadline = time.monotonic() + timeout
        self._ready: SimpleQueue[tuple[Line, Callable[[], Job]]] = SimpleQueue()
        self._reports: SimpleQueue[_Accepted | Outcome | BaseException] = SimpleQueue()
        self._item_ids: dict[str, str] = {}  # by ref
        self._accepted: set[str] = set()  # labels
        self._ended: dict[str, Outcome] = {}  # by label

    def run(self, on_end: Callable[[Outcome], None]) -> list[Outcome]:
        """Return the outcomes in the order in which the jobs ended.

        Raise TransportError if the service cannot be reached, and Forbidden if it refuses the key.
        """
        # Daemon threads, so that Ctrl-C does not wait for them.
        for n in range(self._concurrency):
            threading.Thread(target=self._run_caller, name=f"caller-{n}", daemon=True).start()
        waiting = list(self._lines)
        while len(self._ended) < len(self._lines):
            still_waiting = []
            for line in waiting:
                if not self._is_ready(line):
                    still_waiting.append(line)
                elif reason := self._why_not_sent(line):
                    self._end(Outcome(line, f"not sent: {reason}", as_expected=False), on_end)
                else:
                    self._ready.put((line, self._request(line)))
            waiting = still_waiting
            if len(self._ended) < len(self._lines):
                self._record(self._reports.get(), on_end)
        return list(self._ended.values())

    def remaining_items(self) -> list[str]:
        """Return the ids of the items that this run created and did not delete."""
        succeeded = [o for o in self._ended.values() if o.got == "succeeded" and o.line.ref]
        deleted = {o.line.ref for o in succeeded if o.line.operation == "delete"}
        return [
            self._item_ids[o.line.ref]
            for o in succeeded
            if o.line.ref and o.line.operation == "create" and o.line.ref not in deleted
        ]

    def _is_ready(self, line: Line) -> bool:
        # It is enough that the item's previous line was accepted: the queue keeps the order.
        previous = line.previous
        in_order = previous is None or previous in self._accepted or previous in self._ended
        return in_order and all(label in self._ended for label in line.after)

    def _why_not_sent(self, line: Line) -> str | None:
        if line.ref is not None and line.operation != "create" and line.ref not in self._item_ids:
            return "the create of its item was not accepted"
        if line.if_match and self._etag(line) is None:
            return "no ETag of its item is known"
        return None

    def _etag(self, line: Line) -> str | None:
        source = line.after[0 if line.if_match == "stale" else -1]
        job = self._ended[source].job
        return job.etag if job else None

    def _with_suffix(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "name": fields["name"] + self._suffix} if "name" in fields else fields

    def _request(self, line: Line) -> Callable[[], Job]:
        """Return the call of the client that sends the line."""
        client = self._client
        item_id = line.item_id or self._item_ids.get(line.ref or "", "")
        etag = self._etag(line) if line.if_match else None
        if line.operation == "create":
            item = self._with_suffix(line.item or {})
            return lambda: client.create(item)
        if line.operation == "delete":
            return lambda: client.delete(item_id, if_match=etag)
        if line.operation == "read":
            return lambda: client.read(item_id)
        if line.set is not None:
            fields = self._with_suffix(line.set)
            return lambda: client.update(item_id, fields, if_match=etag)
        patch = self._with_suffix(line.merge or {})
        return lambda: client.merge(item_id, patch, if_match=etag)

    def _record(self, report: _Accepted | Outcome | BaseException, on_end: Callable[[Outcome], None]) -> None:
        match report:
            case _Accepted(line, job):
                self._accepted.add(line.label)
                if line.ref is not None:
                    self._item_ids[line.ref] = job.item_id
            case Outcome():
                self._end(report, on_end)
            case error:
                raise error

    def _end(self, outcome: Outcome, on_end: Callable[[Outcome], None]) -> None:
        self._ended[outcome.line.label] = outcome
        on_end(outcome)

    def _run_caller(self) -> None:
        while True:
            line, request = self._ready.get()
            try:
                self._reports.put(self._send_and_wait(line, request))
            except (TransportError, Forbidden) as error:
                self._reports.put(error)
                return
            except BaseException as error:
                self._reports.put(error)
                raise

    def _send_and_wait(self, line: Line, request: Callable[[], Job]) -> Outcome:
        if time.monotonic() >= self._deadline:
            return Outcome(line, "not sent: the time for the run is over", as_expected=False)
        started = time.perf_counter()
        try:
            job = request()
        except (TransportError, Forbidden):
            raise
        except JobpipeError as error:
            slug = error.problem.slug if isinstance(error, ProblemError) else None
            return Outcome(line, f"refused: {slug or error}", as_expected=False)
        accept_ms = (time.perf_counter() - started) * 1000
        self._reports.put(_Accepted(line, job))
        try:
            job = self._client.wait(job, timeout=max(0.0, self._deadline - time.monotonic()))
        except WaitTimeout as late:
            return Outcome(line, f"still {late.job.status}", as_expected=False, accept_ms=accept_ms, job=late.job)
        except ProblemError as error:
            return Outcome(line, f"poll refused: {error}", as_expected=False, accept_ms=accept_ms, job=job)
        total_ms = (time.perf_counter() - started) * 1000
        got, as_expected = _compare(line, job)
        return Outcome(line, got, as_expected, accept_ms, total_ms, job)


def _compare(line: Line, job: Job) -> tuple[str, bool]:
    """Return the outcome of an ended job, and whether the line expects it."""
    if job.status == "failed":
        slug = (job.error.slug or job.error.type) if job.error else "failed without a reason"
        return slug, slug == line.problem
    if not job.succeeded:
        return job.status, False
    result = job.result or {}
    wrong = [key for key, value in line.result.items() if result.get(key) != value]
    if wrong:
        return f"succeeded with another {wrong[0]}: {result.get(wrong[0])!r}", False
    return "succeeded", line.problem is None
