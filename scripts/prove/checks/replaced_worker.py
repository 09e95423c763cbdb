"""P1, P3 and P8: the worker's environments are replaced while commands flow, as every deployment does.

The memory of the worker's function is changed by 1 MB, and back. Lambda then runs new invocations in new
environments. AWS lets running invocations end; the embedded emulator ends their processes at once, so that there
commands are delivered again.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.aws_errors import describe, is_denied
from infra.stage.log_events import LogEvents
from infra.stage.names import log_group_prefix
from scripts.prove.bench import Bench
from scripts.prove.callers import OutOfTimeError
from scripts.prove.checks.updates import (
    Sender,
    not_ended,
    not_succeeded,
    outcomes,
    wrong_finals,
    wrong_results,
)
from scripts.prove.findings import Finding, State, judged, not_tried, unfinished

NAME = "replacing the worker while commands flow loses nothing"
KILLED = "a command that kills its worker is contained"
ROUNDS = 5  # of updates, at most
LEAST_MEMORY = 128  # MB, of any function
_LOG_SECONDS = 30
_UPDATE_SECONDS = 90


def run(bench: Bench) -> list[Finding]:
    """Send updates while the worker's environments are replaced twice."""
    sender, began = Sender(bench.writer, bench.create(2), bench.plan.size.batch), time.time()
    try:
        memory = _Memory(bench)
        bench.made.later("the other size of the worker's memory", memory.restore)
        _send_meanwhile(bench, sender, _InBackground(memory.change_twice))
    except ClientError as error:
        if not is_denied(error):
            raise
        return [not_tried(NAME, "P1", describe(error)), _killed()]
    updates, finals = outcomes(bench, sender)
    done = (
        f"sent {len(updates)} updates of 2 items while the memory of the worker's function was changed by 1 MB, "
        "and back, which lets Lambda replace its environments, as a deployment does"
    )
    if waiting := not_ended(updates):
        return [unfinished(NAME, "P1", done, f"{len(waiting)} jobs had not ended: {waiting[0]}"), _killed()]
    started, again = _started(bench, began), sum(each.job.get("attempts", 0) > 0 for each in updates)
    wrong = [*not_succeeded(updates), *wrong_results(updates), *wrong_finals(updates, finals)]
    return [replaced(done, len(updates), started, again, wrong), _killed()]


def _send_meanwhile(bench: Bench, sender: Sender, replacing: _InBackground) -> None:
    """Send updates while the worker is replaced, and some to the last of its new environments."""
    more = max(2, bench.plan.size.around // ROUNDS)
    try:
        for _ in range(ROUNDS - 1):
            sender.send(bench, more, 2)
            bench.pause(0.5)
            if not replacing.is_running:
                break
    finally:
        replacing.finish()
    sender.send(bench, more, 2)


def replaced(done: str, updates: int, started: int, again: int, wrong: Sequence[str]) -> Finding:
    """Return the finding, which says nothing of the promise if no environment is known to be new."""
    seen = (
        f"{started} new environments of the worker began; all {updates} jobs succeeded in order, {again} of them "
        "after a repeated delivery"
    )
    finding = judged(NAME, "P1", done, seen, wrong)
    if finding.state is State.HELD and not started:
        return not_tried(
            NAME, "P1", "the worker's log shows no new environment, so nothing is known to be replaced"
        )
    return finding


def _killed() -> Finding:
    return not_tried(
        KILLED,
        "P8",
        "no command of a caller can kill a worker, and code that could is not deployed for a proof; Lambda offers "
        "no way to end a running environment. make chaos does it on the embedded emulator, with such a command",
    )


def other_memory(megabytes: int) -> int:
    """Return a size that Lambda takes wherever it takes this one; an account may have a lower maximum."""
    return megabytes + 1 if megabytes == LEAST_MEMORY else megabytes - 1


class _Memory:
    """The memory of the worker's function."""

    def __init__(self, bench: Bench) -> None:
        self._lambdas = bench.stage.target.client("lambda")
        self._function = bench.stage.resource("worker_function")
        self._bench = bench
        self._before = int(self._configuration()["MemorySize"])
        self._closed = False
        self._lock = threading.Lock()

    def change_twice(self) -> None:
        """Set it to another size, and back."""
        for memory in (other_memory(self._before), self._before):
            self._bench.shared.stopped.wait(0.3)  # so that updates are under way
            with self._lock:
                if not self._closed:
                    self._set(memory)

    def restore(self) -> None:
        """Set it back, unless it is as it was."""
        with self._lock:
            self._closed = True
            if int(self._configuration()["MemorySize"]) != self._before:
                self._set(self._before)

    def _set(self, memory: int) -> None:
        self._wait()
        self._lambdas.update_function_configuration(FunctionName=self._function, MemorySize=memory)
        self._wait()

    def _wait(self) -> None:
        """Return when Lambda has made the last change."""
        end = time.monotonic() + _UPDATE_SECONDS
        while self._configuration().get("LastUpdateStatus") == "InProgress":
            if time.monotonic() > end:
                raise OutOfTimeError("Lambda has not changed the worker's memory in time")
            time.sleep(0.5)

    def _configuration(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._lambdas.get_function_configuration(FunctionName=self._function)
        return found


class _InBackground:
    """A call in a thread, whose error is raised at its end."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="prove-replacing", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._call()
        except BaseException as error:  # noqa: BLE001  # raised by finish
            self._error = error

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def finish(self) -> None:
        """Return when the call has ended, or raise its error."""
        self._thread.join()
        if self._error is not None:
            raise self._error


def _started(bench: Bench, since: float) -> int:
    """Return how many environments of the worker have begun since then, as its log lines say."""
    logs = bench.stage.target.client("logs")
    group = f"{log_group_prefix(bench.plan.facts.stage)}worker"
    end = time.monotonic() + _LOG_SECONDS
    while True:
        events = LogEvents(logs, group, int(since * 1000), pattern='"cold_start"')
        found = cold_starts(event["message"] for event in events)
        if found or time.monotonic() > end:
            return found
        bench.pause(2)


def cold_starts(messages: Any) -> int:
    """Return the number of invocations that were the first of their environment."""
    requests = set()
    for message in messages:
        try:
            line = json.loads(message)
        except ValueError:
            continue
        if isinstance(line, dict) and line.get("cold_start") is True:
            requests.add(line.get("function_request_id"))
    return len(requests)
