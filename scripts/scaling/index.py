"""The index of failed and retrying jobs when many of one owner fail: with one partition, and with our shards."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from jobpipe.dynamodb_rows import SHARDS
from scripts.scaling.assumptions import quota
from scripts.scaling.outcome import Latencies
from scripts.scaling.service import backoff_seconds

RATES = (500, 1_000, 2_000, 5_000, 10_000)
SECONDS = 120  # for which they come
_SPLIT = 8  # parts that come again at different times, of what was throttled in one second


@dataclass(slots=True)
class Run:
    """Failing jobs of one owner, and what became of them so far."""

    takes: int  # writes a second
    rng: random.Random
    ended: int = 0
    put_off: int = 0  # attempts whose end could not be written
    highest_backlog: int = 0
    all_ended: int = 0  # second
    latencies: Latencies = field(default_factory=Latencies)
    # By the second in which they come again: how many were accepted when, and received how often.
    due: defaultdict[int, Counter[tuple[int, int]]] = field(default_factory=lambda: defaultdict(Counter))

    def attempt(self, second: int, here: Counter[tuple[int, int]]) -> None:
        """The oldest first, as the queue gives them; what the index does not take in this second is put off."""
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
    """So many jobs a second end as failed, each by one write of its entry, and nothing else holds them up.

    A table throttles what its index cannot take: then the end is not written, and the message comes again.
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
    """The figures of all rates, by the number of shards."""
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
