"""The exact simulation, in which each job is an event. It can simulate at most some hundred jobs a second."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

import simpy

from scripts.models.scaling.assumptions import Limits, Service, backoff_seconds
from scripts.models.scaling.quotas import POLLERS, WINDOW, WORKERS, Admission, Pollers, Storage
from scripts.models.scaling.scenario import DYNAMODB, WORKER, Observer, Outcome, Scenario

HOT = -1
_BATCH = 10
_OBSERVED_EVERY = 0.2  # seconds; at 300 a minute, one poller more is added in this time


@dataclass(slots=True)
class Message:
    """A command in the queue."""

    number: int  # in the order of sending
    group: int  # the item
    accepted_at: float
    receives: int = 0


class FifoQueue:
    """A FIFO queue of SQS: each group is delivered in order, to one consumer at a time, within a window.

    `whole_groups`: a receive takes all messages of a group before it takes those of the next, as SQS does;
    otherwise it takes the oldest messages.
    """

    def __init__(self, window: float, in_flight: float, *, whole_groups: bool = True) -> None:
        self._window = window
        self._most_in_flight = in_flight
        self._whole_groups = whole_groups
        self._groups: dict[int, deque[Message]] = {}  # messages within the window, in order
        self._heads: list[tuple[int, int]] = []  # heap: the oldest message of each group that may be received
        self._locked: set[int] = set()  # groups with messages in flight
        self._beyond: deque[Message] = deque()  # messages beyond the window
        self._visible = 0  # messages within the window, those in flight included
        self.in_flight = 0

    def __len__(self) -> int:
        """Return the number of messages that are not deleted."""
        return self._visible + len(self._beyond)

    @property
    def waiting(self) -> bool:
        """Whether a receive returns messages."""
        return bool(self._heads) and self.in_flight < self._most_in_flight

    @property
    def exceeds_window(self) -> bool:
        return bool(self._beyond)

    def send(self, message: Message) -> None:
        if self._beyond or self._visible >= self._window:
            self._beyond.append(message)
        else:
            self._enter_window(message)

    def receive(self, most: int) -> list[Message]:
        """Return up to `most` messages, and lock their groups until `unlock`."""
        room = min(most, int(self._most_in_flight - self.in_flight))
        batch: list[Message] = []
        while self._heads and len(batch) < room:
            _, group = heappop(self._heads)
            waiting = self._groups[group]
            batch.append(waiting.popleft())
            while self._whole_groups and waiting and len(batch) < room:
                batch.append(waiting.popleft())
            if waiting and not self._whole_groups:
                heappush(self._heads, (waiting[0].number, group))
        for message in batch:
            message.receives += 1
            self._locked.add(message.group)
        if not self._whole_groups:  # the loop has pushed groups that are locked now
            self._heads = [head for head in self._heads if head[1] not in self._locked]
            heapify(self._heads)
        self.in_flight += len(batch)
        return batch

    def delete(self, count: int) -> None:
        """Delete this many messages in flight; as many other messages enter the window."""
        self.in_flight -= count
        self._visible -= count
        while self._beyond and self._visible < self._window:
            self._enter_window(self._beyond.popleft())

    def unlock(self, group: int, unfinished: list[Message]) -> None:
        """Unlock a group, so that its unfinished messages can be received again, in order."""
        self.in_flight -= len(unfinished)
        waiting = self._groups[group]
        waiting.extendleft(reversed(unfinished))
        self._locked.discard(group)
        if waiting:
            heappush(self._heads, (waiting[0].number, group))
        else:
            del self._groups[group]

    def _enter_window(self, message: Message) -> None:
        self._visible += 1
        waiting = self._groups.setdefault(message.group, deque())
        waiting.append(message)
        if len(waiting) == 1 and message.group not in self._locked:
            heappush(self._heads, (message.number, message.group))


class JobByJob:
    """A run of a scenario."""

    def __init__(
        self,
        scenario: Scenario,
        limits: Limits,
        service: Service,
        *,
        batch: int = _BATCH,
        threads: int = _BATCH,  # items of a batch that are worked on at once
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
        self._pollers = Pollers(limits.pollers_first, limits.pollers_per_minute, limits.most_batches)
        self._storage = Storage(limits)
        accept_seconds = sum(service.accept(self._rng) for _ in range(200)) / 200
        self._admission = Admission(
            limits, self._storage, self.outcome, polls=scenario.polls, accept_seconds=accept_seconds
        )
        self._recent: deque[float] = deque()  # when the jobs of the last second were accepted
        self._sent = 0
        self._running = 0
        self._allowed = self._pollers.allowed(0, waiting=False)

    def run(self) -> Outcome:
        groups = [HOT] * self._scenario.hot + [i % self._scenario.items for i in range(self._scenario.filled)]
        for group in groups:
            self._send(group, 0.0)
        self.outcome.accepted = self.outcome.offered = len(groups)
        self._env.process(self._callers())
        self._env.run(until=self._env.process(self._observe()))
        self.outcome.backlog = self._backlog
        self.outcome.ended_at = self._env.now
        return self.outcome

    @property
    def _backlog(self) -> int:
        return self.outcome.accepted - self.outcome.done

    # --- callers ------------------------------------------------------------------------------------------------

    def _callers(self) -> Generator[simpy.Event, Any, None]:
        while (rate := self._scenario.rate_at(self._env.now)) > 0:
            yield self._env.timeout(self._rng.expovariate(rate))
            if self._scenario.rate_at(self._env.now) > 0:
                self._arrive(self._env.now)

    def _arrive(self, now: float) -> None:
        self.outcome.offered += 1
        if not self._is_accepted(now):
            return
        self._recent.append(now)
        self.outcome.accepted += 1
        group = self._rng.randrange(self._scenario.items)
        delay = self._service.accept(self._rng) + self._service.poll(self._rng)
        self._after(delay, lambda: self._deliver(group, now))

    def _is_accepted(self, now: float) -> bool:
        if self._scenario.outage_at(now) == DYNAMODB:
            self.outcome.refuse(DYNAMODB, 1, now)
            return False
        if not self._admission.throttle(now, 1):
            return False
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        invoked = self._admission.invoke(now, 1, len(self._recent), self._running)
        return bool(invoked and self._admission.store(now, 1))

    def _deliver(self, group: int, accepted_at: float) -> None:
        self._send(group, accepted_at)
        self._dispatch()

    def _send(self, group: int, accepted_at: float) -> None:
        self._sent += 1
        self._queue.send(Message(self._sent, group, accepted_at))

    # --- the event source mapping -------------------------------------------------------------------------------

    def _observe(self) -> Generator[simpy.Event, Any, None]:
        observer = Observer(self._scenario, self.outcome)
        while (now := self._env.now) < self._scenario.horizon:
            self._allowed = min(
                self._pollers.allowed(now, waiting=self._queue.waiting),
                self._limits.lambda_concurrency - self._admission.environments(len(self._recent)),
            )
            self._dispatch()
            self._count_delay(now)
            if observer.is_over(now, self._backlog, self._running, self._scenario.hot - self.outcome.hot_done):
                return
            yield self._env.timeout(_OBSERVED_EVERY)

    def _count_delay(self, now: float) -> None:
        if self._queue.waiting:
            self.outcome.count(self.outcome.delayed, WORKERS if self._pollers.at_maximum else POLLERS, now)
        elif self._queue.exceeds_window:
            self.outcome.count(self.outcome.delayed, WINDOW, now)

    def _dispatch(self) -> None:
        if self._scenario.outage_at(self._env.now) == WORKER:
            return
        while self._running < int(self._allowed) and self._queue.waiting:
            batch = self._queue.receive(self._batch)
            self._running += 1
            self._work(batch)

    # --- the worker ---------------------------------------------------------------------------------------------

    def _work(self, batch: list[Message]) -> None:
        """Work on the items of a batch in parallel, and then on the items with redelivered messages one by one."""
        items: dict[int, list[Message]] = {}
        for message in batch:
            items.setdefault(message.group, []).append(message)
        began = self._service.invoke(self._rng)
        free_at, attempted = [began] * self._threads, []  # free_at: a heap of the threads
        for messages in items.values():
            if all(message.receives == 1 for message in messages):
                end, done = self._attempt(messages, heappop(free_at), redelivered=False)
                heappush(free_at, end)
                attempted.append((messages, done))
        end = max(free_at)
        for messages in items.values():
            if any(message.receives > 1 for message in messages):
                end, done = self._attempt(messages, end, redelivered=True)
                attempted.append((messages, done))
        self.outcome.invocations += 1
        self.outcome.busy_seconds += end
        self._after(end, lambda: self._settle(attempted))
        self._after(max(end, self._limits.shortest_invocation), self._end_invocation)

    def _attempt(self, messages: list[Message], began: float, *, redelivered: bool) -> tuple[float, int]:
        """Return when the last attempt ends, and how many messages are done before the first interruption."""
        now, end = self._env.now, began
        outage = self._scenario.outage_at(now)
        for i, message in enumerate(messages):
            end += self._service.redelivery(self._rng) if redelivered else 0.0
            cause = outage or self._storage.work(now, 1)[1]
            if cause is not None:
                self.outcome.count(self.outcome.redelivered, cause, now, len(messages) - i)
                interrupted = self._service.interrupted if outage else self._service.throttled
                return end + interrupted(self._rng), i
            end += self._service.command(self._rng)
            if message.group != HOT:
                self.outcome.end(now + end, now + end - message.accepted_at)
        return end, len(messages)

    def _settle(self, attempted: list[tuple[list[Message], int]]) -> None:
        """Delete the finished messages, and return the others to the queue after their backoff."""
        for messages, done in attempted:
            group, unfinished = messages[0].group, messages[done:]
            self.outcome.done += done
            self.outcome.hot_done += done if group == HOT else 0
            self._queue.delete(done)
            if unfinished:
                self._postpone(group, unfinished)
            else:
                self._queue.unlock(group, [])
        self._dispatch()

    def _postpone(self, group: int, unfinished: list[Message]) -> None:
        def unlock() -> None:
            self._queue.unlock(group, unfinished)
            self._dispatch()

        self._after(backoff_seconds(unfinished[0].receives, self._rng), unlock)

    def _end_invocation(self) -> None:
        self._running -= 1
        self._dispatch()

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        # A callback costs less than a process, and each of a million jobs needs several.
        callbacks: Any = self._env.timeout(seconds).callbacks
        callbacks.append(lambda _: call())
