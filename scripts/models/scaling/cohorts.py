"""The simulation for every rate: the jobs that come in one tick move together.

tests/scaling and the validation in figures.py compare it with the simulation job by job.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass
from functools import cache
from heapq import heappop, heappush

from scripts.models.scaling.assumptions import Draw, Limits, Service, backoff_seconds
from scripts.models.scaling.quotas import CONCURRENCY, POLLERS, WINDOW, WORKERS, Admission, Pollers, Storage
from scripts.models.scaling.scenario import DYNAMODB, WORKER, Observer, Outcome, Scenario

_BATCH = 10
_DRAWS = 400  # batches of each size, for their mean
_LATENCIES = 100  # draws for jobs that do not wait
_ROUNDS = 6  # after which the share of throttled attempts agrees with their number
_LONG_WAIT = 50  # times the slowest latency: a longer wait makes the latency irrelevant
_BACKOFFS = 8  # different backoffs for the attempts that are interrupted in a tick
_NORMAL_FROM = 50  # a Poisson distribution with this mean is nearly normal


@dataclass(slots=True, order=True)
class Cohort:
    """Messages that were accepted at the same time and received the same number of times."""

    accepted_at: float
    receives: int
    count: int


@dataclass(frozen=True, slots=True)
class MeanTimes:
    """Mean times of a service in seconds, each from many draws."""

    batch: list[float]  # by the number of messages, all of different items
    interrupted_batch: list[float]  # the same if an outage ends every attempt
    redelivered: float  # a message that was delivered before, which the worker handles alone
    redelivered_interrupted: float
    throttled: float
    accept: float
    latencies: list[float]  # equally likely latencies of jobs that do not wait


@cache
def mean_times(service: Service) -> MeanTimes:
    """Draw the times of a service, with the same result each time."""
    rng = random.Random(0)

    def batches(command: Draw) -> list[float]:
        return [0.0] + [
            sum(service.invoke(rng) + max(command(rng) for _ in range(size)) for _ in range(_DRAWS)) / _DRAWS
            for size in range(1, _BATCH + 1)
        ]

    def mean(*steps: Draw) -> float:
        return float(sum(sum(step(rng) for step in steps) for _ in range(_DRAWS)) / _DRAWS)

    latencies = sorted(
        service.accept(rng) + service.poll(rng) + service.invoke(rng) + service.command(rng)
        for _ in range(_LATENCIES * _DRAWS)
    )
    return MeanTimes(
        batch=batches(service.command),
        interrupted_batch=batches(service.interrupted),
        redelivered=mean(service.redelivery, service.command),
        redelivered_interrupted=mean(service.redelivery, service.interrupted),
        throttled=mean(service.throttled),
        accept=mean(service.accept),
        latencies=latencies[_DRAWS // 2 :: _DRAWS],
    )


@dataclass(frozen=True, slots=True)
class Work:
    """What the workers do in one tick."""

    redelivered: int  # messages
    redelivered_seconds: float  # of each
    first: int  # messages that are delivered for the first time
    size: int  # of their batches
    batch_seconds: float
    throttled: float  # share of all attempts

    @property
    def attempts(self) -> int:
        return self.redelivered + self.first


class _Line:
    """Cohorts that wait, the oldest first."""

    def __init__(self) -> None:
        self.cohorts: list[Cohort] = []  # a heap
        self.count = 0  # of messages

    def add(self, cohort: Cohort) -> None:
        heappush(self.cohorts, cohort)
        self.count += cohort.count

    def take(self, count: int) -> list[Cohort]:
        """Remove this many messages, the oldest first."""
        self.count -= count
        taken = []
        while count:
            oldest = self.cohorts[0]
            part = min(oldest.count, count)
            taken.append(Cohort(oldest.accepted_at, oldest.receives, part))
            count -= part
            oldest.count -= part
            if not oldest.count:
                heappop(self.cohorts)
        return taken


class Cohorts:
    """A run of a scenario."""

    def __init__(self, scenario: Scenario, limits: Limits, service: Service, *, tick: float = 1.0) -> None:
        self.outcome = Outcome()
        self._scenario = scenario
        self._limits = limits
        self._tick = tick
        self._rng = random.Random(scenario.seed)
        self._times = mean_times(service)
        queues = limits.queues
        self._pollers = Pollers(
            limits.pollers_first * queues, limits.pollers_per_minute * queues, limits.most_batches
        )
        self._storage = Storage(limits)
        self._admission = Admission(
            limits,
            self._storage,
            self.outcome,
            polls=scenario.polls,
            accept_seconds=self._times.accept,
            tick=tick,
        )
        self._first = _Line()  # messages that were not delivered yet
        self._redelivered = _Line()
        self._postponed: list[tuple[float, Cohort]] = []  # a heap, by the time of redelivery
        self._postponed_count = 0
        self._running = 0.0
        self._api_rate = 0.0  # jobs a second for which the API function runs
        self._waits: Counter[float] = Counter()  # jobs that are done, by the seconds that they waited

    def run(self) -> Outcome:
        observer = Observer(self._scenario, self.outcome)
        now = 0.0
        while now < self._scenario.horizon:
            self._arrive(now)
            self._redeliver(now)
            self._work(now)
            if observer.is_over(now, self._backlog, self._running):
                break
            now += self._tick
        self._add_latencies()
        self.outcome.backlog = self._backlog
        self.outcome.ended_at = now
        return self.outcome

    @property
    def _visible(self) -> int:
        return self._first.count + self._redelivered.count

    @property
    def _backlog(self) -> int:
        return self._visible + self._postponed_count

    # --- callers ------------------------------------------------------------------------------------------------

    def _arrive(self, now: float) -> None:
        jobs = self._poisson(self._scenario.rate_at(now) * self._tick)
        self.outcome.offered += jobs
        if self._scenario.outage_at(now) == DYNAMODB:
            self.outcome.refuse(DYNAMODB, jobs, now)
            self._api_rate = 0.0
            return
        passed = self._admission.throttle(now, jobs)
        invoked = self._admission.invoke(now, passed, passed / self._tick, self._running)
        accepted = self._admission.store(now, invoked)
        self._api_rate = invoked / self._tick
        self.outcome.accepted += accepted
        if accepted:
            self._first.add(Cohort(now, 0, accepted))

    def _poisson(self, mean: float) -> int:
        if mean > _NORMAL_FROM:
            return max(0, round(self._rng.gauss(mean, math.sqrt(mean))))
        limit, count, product = math.exp(-mean), 0, self._rng.random()
        while product > limit:
            count += 1
            product *= self._rng.random()
        return count

    # --- the worker ---------------------------------------------------------------------------------------------

    def _redeliver(self, now: float) -> None:
        while self._postponed and self._postponed[0][0] <= now:
            cohort = heappop(self._postponed)[1]
            self._postponed_count -= cohort.count
            self._redelivered.add(cohort)

    def _work(self, now: float) -> None:
        outage = self._scenario.outage_at(now)
        if outage == WORKER:
            self._running = 0.0
            self._pollers.allowed(now, waiting=False)
            return
        free = self._limits.lambda_concurrency - self._admission.environments(self._api_rate)
        allowed = min(self._pollers.allowed(now, waiting=self._visible > 0), max(0.0, free))
        work = self._planned(allowed, outage, now)
        written, cause = (0, outage) if outage else self._storage.work(now, work.attempts)
        self._attempt(work, written, cause, now)
        self._count_running(work)
        self._count_delay(now, is_shared=allowed >= free)

    def _attempt(self, work: Work, written: int, cause: str | None, now: float) -> None:
        """End the attempts of a tick; redelivered messages have their share of the writes."""
        share = written / work.attempts if written else 0.0
        written_again = min(work.redelivered, round(work.redelivered * share))
        lines = (
            (
                self._redelivered,
                work.redelivered,
                written_again,
                min(work.redelivered, _BATCH) * work.redelivered_seconds,
            ),
            (self._first, work.first, written - written_again, work.batch_seconds),
        )
        for line, count, room, seconds in lines:
            left = room
            for cohort in line.take(count):
                done = min(cohort.count, left)
                left -= done
                self.outcome.done += done
                self._waits[now - cohort.accepted_at] += done
                unfinished = cohort.count - done
                if cause is not None and unfinished:
                    self.outcome.count(self.outcome.redelivered, cause, now, unfinished)
                    self._postpone(now + seconds, cohort, unfinished)

    def _count_running(self, work: Work) -> None:
        batches = work.first / work.size
        redelivered_seconds = work.redelivered * work.redelivered_seconds
        self.outcome.invocations += work.redelivered / _BATCH + batches
        self.outcome.busy_seconds += redelivered_seconds + batches * work.batch_seconds
        occupied = max(work.batch_seconds, self._limits.shortest_invocation)
        self._running = (redelivered_seconds + batches * occupied) / self._tick

    def _planned(self, allowed: float, outage: str | None, now: float) -> Work:
        """Return what this many concurrent batches do in a tick. Throttled attempts are longer, and so fewer."""
        work = self._work_of(allowed * self._tick, outage, 0.0)
        for _ in range(0 if outage else _ROUNDS):
            room = self._storage.room(now)
            throttled = max(0.0, 1 - room / work.attempts) if work.attempts else 0.0
            work = self._work_of(allowed * self._tick, outage, (throttled + work.throttled) / 2)
        return work

    def _work_of(self, seconds: float, outage: str | None, throttled: float) -> Work:
        """Return what the workers do in this many seconds, if this share of the attempts is throttled."""
        lost, shortest = throttled * self._times.throttled, self._limits.shortest_invocation
        each = self._times.redelivered_interrupted if outage else self._times.redelivered + lost
        each = max(each, shortest / _BATCH)
        redelivered = min(self._redelivered.count, int(seconds / each))
        seconds -= redelivered * each
        visible = min(self._first.count, max(0, int(self._window_left)))
        for size in range(1, _BATCH + 1):  # the smallest size with which all fit into this tick, else full batches
            # The items of a batch write at the same time: mostly all of them are throttled, or none.
            batch = self._times.interrupted_batch[size] if outage else self._times.batch[size] + lost
            fits = int(seconds / max(batch, shortest) * size)
            if fits >= visible:
                break
        return Work(redelivered, each, min(visible, fits), size, batch, throttled)

    @property
    def _window_left(self) -> float:
        """The messages that the queues can deliver for the first time."""
        return self._limits.window * self._limits.queues - self._postponed_count - self._redelivered.count

    def _postpone(self, ended_at: float, cohort: Cohort, count: int) -> None:
        self._postponed_count += count
        for part in split(count, _BACKOFFS):
            due = ended_at + backoff_seconds(cohort.receives + 1, self._rng)
            heappush(self._postponed, (due, Cohort(cohort.accepted_at, cohort.receives + 1, part)))

    def _count_delay(self, now: float, *, is_shared: bool) -> None:
        if self._first.count and self._window_left <= 0:
            self.outcome.count(self.outcome.delayed, WINDOW, now)
        elif self._visible:
            cause = CONCURRENCY if is_shared else WORKERS if self._pollers.at_maximum else POLLERS
            self.outcome.count(self.outcome.delayed, cause, now)

    def _add_latencies(self) -> None:
        """Add up waits and latencies without waits, in one step for all jobs with the same wait."""
        latencies, histogram = self._times.latencies, self.outcome.latencies
        for wait, count in self._waits.items():
            each, rest = divmod(count, _LATENCIES)
            if wait > _LONG_WAIT * latencies[-1]:
                histogram.add(wait + latencies[_LATENCIES // 2], count)
                continue
            for latency in latencies if each else ():
                histogram.add(wait + latency, each)
            for latency in self._rng.sample(latencies, rest):
                histogram.add(wait + latency)


def split(count: int, parts: int) -> list[int]:
    """Split a number into parts that differ by at most one, without parts of 0."""
    each, rest = divmod(count, parts)
    return [each + (1 if i < rest else 0) for i in range(parts) if each or i < rest]
