"""Simulates the index of failed and retrying jobs while many jobs of an owner fail, with and without shards."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from jobpipe.stores.dynamodb_rows import SHARDS
from scripts.models.scaling.assumptions import backoff_seconds, quota
from scripts.models.scaling.cohorts import split
from scripts.models.scaling.scenario import Latencies

RATES = (500, 1_000, 2_000, 5_000, 10_000)
SECONDS = 120  # for which jobs arrive
_BACKOFFS = 8  # different backoffs for the attempts that are throttled in a second


@dataclass(slots=True)
class Run:
    """A run with failing jobs of an owner, and its results so far."""

    takes: int  # writes that the index takes a second
    rng: random.Random
    ended: int = 0
    postponed: int = 0  # attempts whose end could not be written
    highest_backlog: int = 0
    all_ended: int = 0  # the second in which the last job ended
    latencies: Latencies = field(default_factory=Latencies)
    # By the second of the next delivery: the numbers of jobs by time of acceptance and count of receives.
    due: defaultdict[int, Counter[tuple[int, int]]] = field(default_factory=lambda: defaultdict(Counter))

    def attempt(self, second: int, delivered: Counter[tuple[int, int]]) -> None:
        """End the oldest jobs first, as the queue delivers them, with at most as many writes as the index takes."""
        room = self.takes
        for (accepted_at, receives), count in sorted(delivered.items()):
            written = min(count, room)
            room -= written
            self.ended += written
            self.latencies.add(second - accepted_at + 1, written)
            self.postponed += count - written
            for part in split(count - written, _BACKOFFS):
                redelivery = second + backoff_seconds(receives + 1, self.rng)
                self.due[redelivery][accepted_at, receives + 1] += part


def simulate(rate: int, shards: int, seed: int) -> Run:
    """Simulate `rate` failing jobs a second, each of which needs one write of its entry and nothing else.

    A table throttles writes that its index cannot take: the end is not written, and the message is redelivered.
    """
    run, second = Run(int(quota("partition_write_units")) * shards, random.Random(seed)), 0
    while run.ended < rate * SECONDS:
        delivered = run.due.pop(second, Counter())
        if second < SECONDS:
            delivered[second, 0] += rate
        run.attempt(second, delivered)
        run.highest_backlog = max(run.highest_backlog, rate * min(second + 1, SECONDS) - run.ended)
        second += 1
    run.all_ended = second
    return run


def run_index(seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return the figures by rate and number of shards."""
    runs = {rate: {shards: simulate(rate, shards, seed) for shards in (1, SHARDS)} for rate in RATES}
    return {
        str(rate): {
            str(shards): {
                "put_off": run.postponed / run.ended,
                "highest_backlog": run.highest_backlog,
                "p99": run.latencies.percentile(99),
                "all_ended": run.all_ended,
            }
            for shards, run in by_shards.items()
        }
        for rate, by_shards in runs.items()
    }
