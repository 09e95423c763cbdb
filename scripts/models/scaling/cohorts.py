"""The simulation by cohorts: what came in one tick goes on together. As fast at 10,000 jobs a second as at 10.

Validated against the simulation job by job at a rate that both can do (`validation` in runs.py).
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from functools import cache
from heapq import heappop, heappush
from typing import Any

import simpy

from scripts.models.scaling.assumptions import Limits
from scripts.models.scaling.front import Front, Storage
from scripts.models.scaling.outcome import Outcome
from scripts.models.scaling.quotas import Pollers
from scripts.models.scaling.scenario import DYNAMODB, WORKER, Scenario
from scripts.models.scaling.service import Service, backoff_seconds

_BATCH = 10
_DRAWN = 400  # batches of each size, for their mean
_POINTS = 100  # of the latencies of jobs that wait for nothing
_ROUNDS = 6  # until the share of throttled attempts and their number agree
_LONG = 50  # times the slowest of them; whoever waited longer is not drawn
_SPLIT = 8  # parts that come again at different times, of what was interrupted in one tick


@dataclass(slots=True, order=True)
class Cohort:
    """So many messages, accepted at the same time, received equally often."""

    accepted_at: float
    receives: int
    count: int


@dataclass(frozen=True, slots=True)
class Times:
    """Means, drawn once."""

    batch: list[float]  # by the number of its messages, of different items
    failing: list[float]  # the same where every attempt is interrupted
    again: float  # a message that runs alone
    failing_again: float
    throttled: float  # an attempt that ends so
    accept: float
    points: list[float]  # from the request to the job's end, equally likely each, without waiting


@cache
def draw(service: Service) -> Times:
    """The means and the points of a service, always the same."""
    rng = random.Random(0)

    def batches(one: Any) -> list[float]:
        return [0.0] + [
            sum(service.invoke(rng) + max(one(rng) for _ in range(n)) for _ in range(_DRAWN)) / _DRAWN
            for n in range(1, _BATCH + 1)
        ]

    def mean(one: Any) -> float:
        return float(sum(one() for _ in range(_DRAWN)) / _DRAWN)

    drawn = sorted(
        service.accept(rng) + service.poll(rng) + service.invoke(rng) + service.command(rng)
        for _ in range(_POINTS * _DRAWN)
    )
    return Times(
        batch=batches(service.command),
        failing=batches(service.interrupted),
        again=mean(lambda: service.again(rng) + service.command(rng)),
        failing_again=mean(lambda: service.again(rng) + service.interrupted(rng)),
        throttled=mean(lambda: service.throttled(rng)),
        accept=mean(lambda: service.accept(rng)),
        points=[drawn[_DRAWN // 2 + i * _DRAWN] for i in range(_POINTS)],
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """What the workers do in one tick."""

    alone: int  # of what came again
    one: float  # seconds of each
    together: int  # of what is here for the first time
    size: int  # of their batches
    batch: float  # seconds of each
    throttled: float  # share of all


class Cohorts:
    """One run of one scenario."""

    def __init__(self, scenario: Scenario, limits: Limits, service: Service, *, tick: float = 1.0) -> None:
        self.outcome = Outcome()
        self._scenario = scenario
        self._limits = limits
        self._tick = tick
        self._rng = random.Random(scenario.seed)
        self._times = draw(service)
        self._env = simpy.Environment()
        queues = limits.queues
        self._pollers = Pollers(
            limits.pollers_first * queues,
            limits.pollers_per_minute * queues,
            min(limits.pollers_maximum, limits.worker_concurrency) * queues,
        )
        self._storage = Storage(limits)
        self._front = Front(limits, self._storage, scenario.polls, self._times.accept, tick)
        self._fresh: list[Cohort] = []  # heaps: the oldest first, as the queue gives them
        self._again: list[Cohort] = []
        self._away: list[tuple[float, Cohort]] = []  # a heap, by when they come again
        self._counts = {"fresh": 0, "again": 0, "away": 0}
        self._running = 0.0
        self._waited: Counter[float] = Counter()  # seconds, of the jobs that are done
        self._api_rate = 0.0
        self._shortest = 1 / limits.requests_per_environment  # that an invocation keeps its environment

    def run(self) -> Outcome:
        """To the end of the scenario."""
        self._env.run(until=self._env.process(self._ticks()))
        self._note_latencies()
        self.outcome.backlog = sum(self._counts.values())
        self.outcome.ended_at = self._env.now
        return self.outcome

    def _ticks(self) -> Generator[simpy.Event, Any, None]:
        next_sample = 0.0
        while self._env.now < self._scenario.horizon:
            now = self._env.now
            self._arrive(now)
            self._return(now)
            self._work(now)
            backlog = sum(self._counts.values())
            if now >= next_sample:
                self.outcome.look(now, backlog, self._running)
                next_sample = now + 1
            if self._scenario.is_made_up_for(now, backlog, self.outcome.highest):
                self.outcome.drained(now)
            if now >= self._scenario.seconds and not backlog:
                return
            yield self._env.timeout(self._tick)

    # --- callers ------------------------------------------------------------------------------------------------

    def _arrive(self, now: float) -> None:
        jobs = self._poisson(self._scenario.rate_at(now) * self._tick)
        self.outcome.offered += jobs
        if self._scenario.broken_at(now) == DYNAMODB:
            self.outcome.refuse(DYNAMODB, jobs, now)
            self._api_rate = 0.0
            return
        admitted = self._front.admit(now, jobs, self.outcome)
        ran = self._front.run(now, admitted, admitted / self._tick, self._running, self.outcome)
        accepted = self._front.store(now, ran, self.outcome)
        self._api_rate = ran / self._tick
        self.outcome.accepted += accepted
        if accepted:
            heappush(self._fresh, Cohort(now, 0, accepted))
            self._counts["fresh"] += accepted

    def _poisson(self, mean: float) -> int:
        if mean > 50:  # noqa: PLR2004  # near enough to normal
            return max(0, round(self._rng.gauss(mean, math.sqrt(mean))))
        limit, count, product = math.exp(-mean), 0, self._rng.random()
        while product > limit:
            count += 1
            product *= self._rng.random()
        return count

    # --- the worker ---------------------------------------------------------------------------------------------

    def _return(self, now: float) -> None:
        while self._away and self._away[0][0] <= now:
            cohort = heappop(self._away)[1]
            heappush(self._again, cohort)
            self._counts["away"] -= cohort.count
            self._counts["again"] += cohort.count

    def _work(self, now: float) -> None:
        if self._scenario.broken_at(now) == WORKER:
            self._running = 0.0
            self._pollers.allowed(now, waiting=False)
            return
        free = self._limits.lambda_concurrency - self._front.environments(self._api_rate)
        allowed = min(self._pollers.allowed(now, waiting=self._starved), max(0.0, free))
        broken = self._scenario.broken_at(now)
        slots = allowed * self._tick  # seconds of workers
        plan = self._plan(slots, broken)
        for _ in range(_ROUNDS if not broken else 0):
            room = self._storage.room(now)
            attempts = plan.alone + plan.together
            throttled = max(0.0, 1 - room / attempts) if attempts else 0.0
            plan = self._plan(slots, broken, (throttled + plan.throttled) / 2)
        written, cause = (0, broken) if broken else self._storage.work(now, plan.alone + plan.together)
        share = written / (plan.alone + plan.together) if written else 0.0
        first = min(plan.alone, round(plan.alone * share))
        self._attempt("again", plan.alone, written=first, cause=cause, lasts=min(plan.alone, _BATCH) * plan.one)
        self._attempt("fresh", plan.together, written=written - first, cause=cause, lasts=plan.batch)
        batches = plan.together / plan.size
        self.outcome.invocations += plan.alone / _BATCH + batches
        self.outcome.busy_seconds += plan.alone * plan.one + batches * plan.batch
        self._running = (plan.alone * plan.one + batches * max(plan.batch, self._shortest)) / self._tick
        self._note(now, allowed, free)

    def _plan(self, slots: float, broken: str | None, throttled: float = 0.0) -> Plan:
        """What is done with so many seconds of workers, if this share of the attempts is throttled."""
        lost = throttled * self._times.throttled
        one = max(self._times.failing_again if broken else self._times.again + lost, self._shortest / _BATCH)
        alone = min(self._counts["again"], int(slots / one))
        slots -= alone * one
        visible = min(self._counts["fresh"], max(0, int(self._window)))
        for size in range(1, _BATCH + 1):  # the smallest with which all can be done in this tick, else full ones
            # The items of a batch write at the same time: as a rule all of them are throttled, or none.
            batch = self._times.failing[size] if broken else self._times.batch[size] + lost
            fits = int(slots / max(batch, self._shortest) * size)
            if fits >= visible:
                break
        return Plan(alone, one, min(visible, fits), size, batch, throttled)

    @property
    def _window(self) -> float:
        """What the queues still look at behind what is in flight or comes again."""
        return self._limits.window * self._limits.queues - self._counts["away"] - self._counts["again"]

    @property
    def _starved(self) -> bool:
        return self._counts["fresh"] + self._counts["again"] > 0

    def _attempt(self, kind: str, count: int, *, written: int, cause: str | None, lasts: float) -> None:
        """So many of the oldest, in batches that last so long: done, or away for a while."""
        now, line = self._env.now, self._fresh if kind == "fresh" else self._again
        self._counts[kind] -= count
        while count:
            cohort = line[0]
            part = min(cohort.count, count)
            done = min(part, written)
            self._end(now, cohort.accepted_at, done)
            if cause is not None and part > done:
                self.outcome.give_back(cause, part - done, now)
                self._postpone(now + lasts, cohort, part - done)
            written -= done
            count -= part
            cohort.count -= part
            if not cohort.count:
                heappop(line)

    def _end(self, now: float, accepted_at: float, count: int) -> None:
        self.outcome.done += count
        self._waited[now - accepted_at] += count

    def _note_latencies(self) -> None:
        """Once for each time that was waited, since most jobs wait for nothing."""
        points = self._times.points
        for waited, count in self._waited.items():
            each, rest = divmod(count, _POINTS)
            if waited > _LONG * points[-1]:
                self.outcome.latencies.add(waited + points[_POINTS // 2], count)
                continue
            for point in points if each else ():
                self.outcome.latencies.add(waited + point, each)
            for point in self._rng.sample(points, rest):
                self.outcome.latencies.add(waited + point)

    def _postpone(self, now: float, cohort: Cohort, count: int) -> None:
        each, rest = divmod(count, _SPLIT)
        for i in range(_SPLIT):
            part = each + (1 if i < rest else 0)
            if part:
                due = now + backoff_seconds(cohort.receives + 1, self._rng)
                heappush(self._away, (due, Cohort(cohort.accepted_at, cohort.receives + 1, part)))
        self._counts["away"] += count

    def _note(self, now: float, allowed: float, free: float) -> None:
        if self._counts["fresh"] and self._window <= 0:
            self.outcome.hold("window", now)
        elif self._starved:
            whole = self._pollers.is_whole
            shared = allowed >= free
            self.outcome.hold("lambda" if shared else "worker concurrency" if whole else "pollers", now)
