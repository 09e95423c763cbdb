"""The simulation job by job: exact, and as slow as there are jobs. Up to some hundred a second."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Generator
from heapq import heappop, heappush
from typing import Any

import simpy

from scripts.models.scaling.assumptions import Limits
from scripts.models.scaling.fifo import FifoQueue, Message
from scripts.models.scaling.front import Front, Storage
from scripts.models.scaling.outcome import Outcome
from scripts.models.scaling.quotas import Pollers
from scripts.models.scaling.scenario import DYNAMODB, WORKER, Scenario
from scripts.models.scaling.service import Service, backoff_seconds

HOT = -1
_BATCH = 10
_LOOK = 0.2  # seconds between two looks at whether more pollers are needed: one more each at 300 a minute


class Plain:
    """One run of one scenario."""

    def __init__(
        self,
        scenario: Scenario,
        limits: Limits,
        service: Service,
        *,
        batch: int = _BATCH,
        threads: int = _BATCH,  # items of a batch that go on at once
        whole_groups: bool = True,
    ) -> None:
        self.outcome = Outcome()
        self._scenario = scenario
        self._limits = limits
        self._service = service
        self._batch = batch
        self._threads = threads
        self._rng = random.Random(scenario.seed)
        self._env = simpy.Environment()
        self._queue = FifoQueue(limits.window, limits.in_flight, whole_groups=whole_groups)
        self._pollers = Pollers(
            limits.pollers_first, limits.pollers_per_minute, min(limits.pollers_maximum, limits.worker_concurrency)
        )
        self._storage = Storage(limits)
        accept = sum(service.accept(self._rng) for _ in range(200)) / 200
        self._front = Front(limits, self._storage, scenario.polls, accept)
        self._recent: deque[float] = deque()  # when the jobs of the last second were admitted
        self._numbers = 0
        self._running = 0
        self._allowed = self._pollers.allowed(0, waiting=False)
        self._shortest = 1 / limits.requests_per_environment

    def run(self) -> Outcome:
        """To the end of the scenario."""
        there = [HOT] * self._scenario.hot + [i % self._scenario.items for i in range(self._scenario.filled)]
        for group in there:
            self._send(group, 0.0)
        self.outcome.accepted = self.outcome.offered = len(there)
        self._env.process(self._callers())
        looking = self._env.process(self._look())
        self._env.run(until=looking)
        self.outcome.backlog = self.outcome.accepted - self.outcome.done
        self.outcome.ended_at = self._env.now
        return self.outcome

    # --- callers ------------------------------------------------------------------------------------------------

    def _callers(self) -> Generator[simpy.Event, Any, None]:
        while (rate := self._scenario.rate_at(self._env.now)) > 0:
            yield self._env.timeout(self._rng.expovariate(rate))
            if self._scenario.rate_at(self._env.now) > 0:
                self._arrive()

    def _arrive(self) -> None:
        now = self._env.now
        self.outcome.offered += 1
        if self._scenario.broken_at(now) == DYNAMODB:
            self.outcome.refuse(DYNAMODB, 1, now)
            return
        if not self._front.admit(now, 1, self.outcome):
            return
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if not self._front.run(now, 1, len(self._recent), self._running, self.outcome):
            return
        if not self._front.store(now, 1, self.outcome):
            return
        self._recent.append(now)
        self.outcome.accepted += 1
        group = self._rng.randrange(self._scenario.items)
        delay = self._service.accept(self._rng) + self._service.poll(self._rng)
        self._later(delay, lambda: self._come(group, now))

    def _come(self, group: int, accepted_at: float) -> None:
        self._send(group, accepted_at)
        self._dispatch()

    def _send(self, group: int, accepted_at: float) -> None:
        self._numbers += 1
        self._queue.send(Message(self._numbers, group, accepted_at))

    # --- the event source mapping -------------------------------------------------------------------------------

    def _look(self) -> Generator[simpy.Event, Any, None]:
        next_sample = 0.0
        while self._env.now < self._scenario.horizon:
            now = self._env.now
            self._allowed = min(
                self._pollers.allowed(now, waiting=self._queue.waiting),
                self._limits.lambda_concurrency - self._front.environments(len(self._recent)),
            )
            self._dispatch()
            self._note_what_holds_up(now)
            backlog = self.outcome.accepted - self.outcome.done
            if now >= next_sample:
                self.outcome.look(now, backlog, self._running, self._scenario.hot - self.outcome.hot_done)
                next_sample = now + 1
            if self._scenario.is_made_up_for(now, backlog, self.outcome.highest):
                self.outcome.drained(now)
            if now >= self._scenario.seconds and not backlog:
                return
            yield self._env.timeout(_LOOK)

    def _note_what_holds_up(self, now: float) -> None:
        if self._queue.is_blind and not self._queue.waiting:
            self.outcome.hold("window", now)
        elif self._queue.waiting:
            self.outcome.hold("pollers" if not self._pollers.is_whole else "worker concurrency", now)

    def _dispatch(self) -> None:
        if self._scenario.broken_at(self._env.now) == WORKER:
            return
        while self._running < int(self._allowed) and self._queue.waiting:
            batch = self._queue.receive(self._batch)
            self._running += 1
            self._work(batch)

    # --- the worker ---------------------------------------------------------------------------------------------

    def _work(self, batch: list[Message]) -> None:
        lines: dict[int, list[Message]] = {}
        for message in batch:
            lines.setdefault(message.group, []).append(message)
        fresh = [line for line in lines.values() if all(message.receives == 1 for message in line)]
        again = [line for line in lines.values() if any(message.receives > 1 for message in line)]
        began = self._service.invoke(self._rng)
        ends, settled = [began] * self._threads, []
        for line in fresh:  # side by side
            at, done = self._line(line, heappop(ends), again=False)
            heappush(ends, at)
            settled.append((line, done))
        at = max(ends)
        for line in again:  # one after the other
            at, done = self._line(line, at, again=True)
            settled.append((line, done))
        self.outcome.invocations += 1
        self.outcome.busy_seconds += at
        self._later(at, lambda: self._settle(settled))
        self._later(max(at, self._shortest), self._free)

    def _line(self, line: list[Message], began: float, *, again: bool) -> tuple[float, int]:
        """When it ends, and how many of it are done: all, or those before the first that was interrupted."""
        now, at = self._env.now, began
        broken = self._scenario.broken_at(now)
        for i, message in enumerate(line):
            at += self._service.again(self._rng) if again else 0.0
            cause = broken
            if cause is None:
                _, cause = self._storage.work(now, 1)
            if cause is not None:
                self.outcome.give_back(cause, len(line) - i, now)
                lost = self._service.interrupted if broken else self._service.throttled
                return at + lost(self._rng), i
            at += self._service.command(self._rng)
            if message.group != HOT:
                self.outcome.end(now + at, now + at - message.accepted_at)
        return at, len(line)

    def _settle(self, settled: list[tuple[list[Message], int]]) -> None:
        for line, done in settled:
            self.outcome.done += done
            self.outcome.hot_done += done if line[0].group == HOT else 0
            self._queue.delete(done)
            if done == len(line):
                self._queue.unlock(line[0].group, [])
            else:  # the group stays in flight until its messages come again
                self._postpone(line[0].group, line[done:])
        self._dispatch()

    def _postpone(self, group: int, line: list[Message]) -> None:
        seconds = backoff_seconds(line[0].receives, self._rng)
        self._later(seconds, lambda: self._return(group, line))

    def _return(self, group: int, line: list[Message]) -> None:
        self._queue.unlock(group, line)
        self._dispatch()

    def _free(self) -> None:
        self._running -= 1
        self._dispatch()

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        # A callback, and no process: there are several for each of a million jobs.
        callbacks: Any = self._env.timeout(seconds).callbacks
        callbacks.append(lambda _: what())
