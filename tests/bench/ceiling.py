"""The ceiling: the jobs' AWS calls by a bare boto3 loop in a process like the Lambda's, on 1 to 10 threads."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack

from scripts.load.report import summary
from tests.bench.asked import BareLoop
from tests.bench.recorded import Recorder, commands, fill
from tests.bench.rounds import PERCENTILES, Figures, Part, Row, alone, median, percentiles, take_turns

THREADS = (1, 2, 4, 10)
WORKERS_OWN = 10
"""The parallelism of a full batch of different items in one worker."""
ITEMS, QUICK_ITEMS = 60, 10


class Ceiling(Part):
    """Jobs a second."""

    name = "ceiling"

    def prepare(self, stack: ExitStack) -> None:
        self._rates: dict[int, list[float]] = defaultdict(list)
        self._latencies: dict[int, list[float]] = defaultdict(list)
        self._batched: list[float] = []
        self._items = QUICK_ITEMS if self.lab.quick else ITEMS
        self._recorder = Recorder(self.lab.stage)
        self._loop = BareLoop(self.lab, self.lab.stage, "worker_function", stack)
        self._do(WORKERS_OWN, 10)  # opens the connections

    def round(self, number: int) -> None:
        for threads in THREADS if number % 2 == 0 else THREADS[::-1]:
            seconds, latencies = self._do(threads, self._items)
            self._rates[threads].append(len(latencies) / seconds)
            self._latencies[threads] += latencies
        seconds, latencies = self._do(WORKERS_OWN, self._items, batch=WORKERS_OWN)
        self._batched.append(len(latencies) / seconds)

    def figures(self) -> Figures:
        return {
            "in_batches_of_ten": median(self._batched),
            "threads": {
                str(threads): {"jobs_per_second": median(self._rates[threads]), "job_ms": summary(latencies)}
                for threads, latencies in self._latencies.items()
            },
        }

    def _do(self, threads: int, items: int, batch: int = 0) -> tuple[float, list[float]]:
        wanted = commands(items, f"ceiling {secrets.token_hex(4)}")
        jobs = fill(self.lab.stage, self._recorder, wanted, queued=False)
        calls = [self._recorder.apply(command, job) for command, job in zip(wanted, jobs, strict=True)]
        # As the queue has them: all creations first. So with batches, each is of ten different items.
        lines = [[each] for each in calls] if batch else [[calls[n], calls[n + items]] for n in range(items)]
        return self._loop.do(lines, threads, batch)


def rows(figures: Figures) -> Iterator[Row]:
    """Header and lines."""
    yield "threads of a bare loop", "jobs/s", *PERCENTILES
    for threads, found in figures["threads"].items():
        yield threads, f"{found['jobs_per_second']['median']:.0f}", *percentiles(found["job_ms"])
    yield "10, each ten ending before the next", f"{figures['in_batches_of_ten']['median']:.0f}", "", "", "", ""


def measure(quick: bool) -> Figures:
    """Alone."""
    return take_turns([Ceiling], quick=quick)["ceiling"]


if __name__ == "__main__":
    alone(measure)
