"""Sends a script's commands and sees each job to its end.

Each of `concurrency` callers takes a line, sends it, waits for its job and takes the next, so that the
latencies are those of a service under that many callers rather than of a queue filled at once. A line is
handed out once the item's line before it was accepted (not ended: the queue keeps the order) and the jobs of
its `after` have ended. All bookkeeping is done by the thread that calls `run`; the callers only report to it.
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
    """What became of one line."""

    line: Line
    got: str  # succeeded, the slug of a problem, or why there is neither
    as_expected: bool
    accept_ms: float | None = None  # from the request to the 202
    total_ms: float | None = None  # from the request to the observed end
    job: Job | None = None  # at its end


@dataclass(frozen=True, slots=True)
class _Accepted:
    line: Line
    job: Job


@dataclass(frozen=True, slots=True)
class _Crashed:
    error: BaseException


class DemoRun:
    """One run of a script. Names get a suffix of this run, so that runs do not collide with one another."""

    def __init__(self, client: Client, lines: list[Line], *, suffix: str, concurrency: int, timeout: float) -> None:
        self._client = client
        self._lines = lines
        self._suffix = suffix
        self._concurrency = concurrency
        self._deadline = time.monotonic() + timeout
        self._work: SimpleQueue[tuple[Line, Callable[[], Job]]] = SimpleQueue()
        self._reports: SimpleQueue[_Accepted | _Crashed | Outcome] = SimpleQueue()
        self._item_ids: dict[str, str] = {}  # by ref
        self._accepted: set[str] = set()  # labels
        self._ended: dict[str, Outcome] = {}  # by label

    def run(self, on_end: Callable[[Outcome], None]) -> list[Outcome]:
        """All outcomes, in the order of the ends; raises what makes going on pointless (no service, no key)."""
        # Daemons, so that Ctrl-C does not have to wait for them.
        for n in range(self._concurrency):
            threading.Thread(target=self._caller, name=f"caller-{n}", daemon=True).start()
        waiting = list(self._lines)
        while len(self._ended) < len(self._lines):
            still_waiting = []
            for line in waiting:
                if not self._is_ready(line):
                    still_waiting.append(line)
                elif problem := self._obstacle(line):
                    self._end(Outcome(line, f"not sent: {problem}", as_expected=False), on_end)
                else:
                    self._work.put((line, self._sender(line)))
            waiting = still_waiting
            if len(self._ended) < len(self._lines):
                self._note(self._reports.get(), on_end)
        return list(self._ended.values())

    def leftovers(self) -> list[str]:
        """The ids of the items that this run created and did not delete."""
        ended = [o for o in self._ended.values() if o.got == "succeeded" and o.line.ref]
        gone = {o.line.ref for o in ended if o.line.operation == "delete"}
        return [
            self._item_ids[o.line.ref]
            for o in ended
            if o.line.ref and o.line.operation == "create" and o.line.ref not in gone
        ]

    def _is_ready(self, line: Line) -> bool:
        followed = line.follows is None or line.follows in self._accepted or line.follows in self._ended
        return followed and all(label in self._ended for label in line.after)

    def _obstacle(self, line: Line) -> str | None:
        if line.ref is not None and line.operation != "create" and line.ref not in self._item_ids:
            return "the create of its item was not accepted"
        if line.if_match and self._etag(line) is None:
            return "no ETag was seen of its item"
        return None

    def _etag(self, line: Line) -> str | None:
        source = line.after[0 if line.if_match == "stale" else -1]
        job = self._ended[source].job
        return job.etag if job else None

    def _named(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "name": fields["name"] + self._suffix} if "name" in fields else fields

    def _sender(self, line: Line) -> Callable[[], Job]:
        client = self._client
        item_id = line.item_id or self._item_ids.get(line.ref or "", "")
        etag = self._etag(line) if line.if_match else None
        if line.operation == "create":
            item = self._named(line.item or {})
            return lambda: client.create(item)
        if line.operation == "delete":
            return lambda: client.delete(item_id, if_match=etag)
        if line.operation == "read":
            return lambda: client.read(item_id)
        if line.set is not None:
            fields = self._named(line.set)
            return lambda: client.update(item_id, fields, if_match=etag)
        patch = self._named(line.merge or {})
        return lambda: client.merge(item_id, patch, if_match=etag)

    def _note(self, report: _Accepted | _Crashed | Outcome, on_end: Callable[[Outcome], None]) -> None:
        match report:
            case _Accepted(line, job):
                self._accepted.add(line.label)
                if line.ref is not None:
                    self._item_ids[line.ref] = job.item_id
            case _Crashed(error):
                raise error
            case Outcome():
                self._end(report, on_end)

    def _end(self, outcome: Outcome, on_end: Callable[[Outcome], None]) -> None:
        self._ended[outcome.line.label] = outcome
        on_end(outcome)

    def _caller(self) -> None:
        while True:
            line, send = self._work.get()
            try:
                self._reports.put(self._carry(line, send))
            except (TransportError, Forbidden) as error:
                self._reports.put(_Crashed(error))
                return
            except BaseException as error:
                self._reports.put(_Crashed(error))
                raise

    def _carry(self, line: Line, send: Callable[[], Job]) -> Outcome:
        if time.monotonic() >= self._deadline:
            return Outcome(line, "not sent: the time for the run is over", as_expected=False)
        started = time.perf_counter()
        try:
            job = send()
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
        got, as_expected = _judge(line, job)
        return Outcome(line, got, as_expected, accept_ms, total_ms, job)


def _judge(line: Line, job: Job) -> tuple[str, bool]:
    if job.status == "failed":
        slug = (job.error.slug or job.error.type) if job.error else "failed without a reason"
        return slug, slug == line.problem
    if not job.succeeded:
        return job.status, False
    shown = job.result or {}
    wrong = [key for key, value in line.result.items() if shown.get(key) != value]
    if wrong:
        return f"succeeded with another {wrong[0]}: {shown.get(wrong[0])!r}", False
    return "succeeded", line.problem is None
