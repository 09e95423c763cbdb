"""Simulates the index of failed and retrying jobs while many jobs of one owner fail: with and without shards."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from jobpipe.stores.dynamodb_rows import SHARDS
from scripts.models.scaling.assumptions import quota
from scripts.models.scaling.outcome import Latencies
from scripts.models.scaling.service import backoff_seconds

RATES = (500, 1_000, 2_000, 5_000, 10_000)
SECONDS = 120  # for which jobs arrive
_SPLIT = 8  # groups with their own backoff into which the jobs throttled in one second are split


@dataclass(slots=True)
class Run:
    """A run with failing jobs of one owner, and its results so far."""

    takes: int  # writes that the index takes a second
    rng: random.Random
    ended: int = 0
    put_off: int = 0  # attempts whose end could not be written
    highest_backlog: int = 0
    all_ended: int = 0  # the second in which the last job ended
    latencies: Latencies = field(default_factory=Latencies)
    # By the second of the next delivery: the numbers of jobs by time of acceptance and count of receives.
    due: defaultdict[int, Counter[tuple[int, int]]] = field(default_factory=lambda: defaultdict(Counter))

    def attempt(self, second: int, here: Counter[tuple[int, int]]) -> None:
        """End the oldest jobs first, as the queue delivers them; jobs beyond the index's rate are put off."""
        room = self.takes
        for (accepted_at, receives), count in sorted(here.items()):
            written = min(count, room)
            room -= written
            self.ended += written
            self.latencies.add(second - accepted_at + 1, written)
            self.put_off += count - written
            each, rest = divmod(count - written, _SPLIT)
            for part in range(_SPLIT):
                some = each + (1 if part < rest else 0)
                if some:
                    again = second + backoff_seconds(receives + 1, self.rng)
                    self.due[again][accepted_at, receives + 1] += some


def simulate(rate: int, shards: int, seed: int) -> Run:
    """Simulate `rate` failing jobs a second, each of which needs one write of its entry and nothing else.

    A table throttles writes that its index cannot take: the end is not written, and the message is redelivered.
    """
    run, second = Run(int(quota("partition_write_units")) * shards, random.Random(seed)), 0
    while run.ended < rate * SECONDS:
        here = run.due.pop(second, Counter())
        if second < SECONDS:
            here[second, 0] += rate
        run.attempt(second, here)
        run.highest_backlog = max(run.highest_backlog, rate * min(second + 1, SECONDS) - run.ended)
        second += 1
    run.all_ended = second
    return run


def run_index(seed: int) -> dict[str, dict[str, dict[str, float]]]:
    """The figures by rate and number of shards."""
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for rate in RATES:
        figures[str(rate)] = {}
        for shards in (1, SHARDS):
            run = simulate(rate, shards, seed)
            figures[str(rate)][str(shards)] = {
                "put_off": run.put_off / run.ended,
                "highest_backlog": run.highest_backlog,
                "p99": run.latencies.percentile(99),
                "all_ended": run.all_ended,
            }
    return figures
