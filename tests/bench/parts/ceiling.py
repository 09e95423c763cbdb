"""The ceiling: the rate at which a bare boto3 loop makes the AWS calls of jobs, on 1 to 10 threads."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack

from scripts.load.report import summary
from tests.bench.laboratory.recorder import Recorder, commands, fill
from tests.bench.laboratory.rounds import (
    PERCENTILES,
    Figures,
    Part,
    Row,
    measure_in_turns,
    median,
    percentiles,
    print_figures,
)
from tests.bench.peers.bare_loop_process import BareLoop

THREADS = (1, 2, 4, 10)
WORKER_THREADS = 10
"""The number of threads of a worker, which is that of the messages in a full batch."""
ITEMS, QUICK_ITEMS = 50, 10


class Ceiling(Part):
    """The jobs per second of the bare loop."""

    name = "ceiling"

    def prepare(self, stack: ExitStack) -> None:
        self._rates: dict[int, list[float]] = defaultdict(list)
        self._latencies: dict[int, list[float]] = defaultdict(list)
        self._batched: list[float] = []
        self._items = QUICK_ITEMS if self.lab.quick else ITEMS
        self._recorder = Recorder(self.lab.stage)
        self._loop = BareLoop(self.lab, self.lab.stage, "worker_function", stack)
        self._run(WORKER_THREADS, 10)  # opens connections

    def round(self, number: int) -> None:
        for threads in THREADS if number % 2 == 0 else THREADS[::-1]:
            seconds, latencies = self._run(threads, self._items)
            self._rates[threads].append(len(latencies) / seconds)
            self._latencies[threads] += latencies
        seconds, latencies = self._run(WORKER_THREADS, self._items, batch=WORKER_THREADS)
        self._batched.append(len(latencies) / seconds)

    def figures(self) -> Figures:
        return {
            "in_batches_of_ten": median(self._batched),
            "threads": {
                str(threads): {"jobs_per_second": median(self._rates[threads]), "job_ms": summary(latencies)}
                for threads, latencies in self._latencies.items()
            },
        }

    def _run(self, threads: int, items: int, batch: int = 0) -> tuple[float, list[float]]:
        to_run = commands(items, f"ceiling {secrets.token_hex(4)}")
        jobs = fill(self.lab.stage, self._recorder, to_run, queued=False)
        calls = [self._recorder.apply(command, job) for command, job in zip(to_run, jobs, strict=True)]
        # A batch has ten different items: as on the queue, all creates come first.
        items_calls = [[each] for each in calls] if batch else [[calls[n], calls[n + items]] for n in range(items)]
        return self._loop.run(items_calls, threads, batch)


def rows(figures: Figures) -> Iterator[Row]:
    """Yield the header of the table, and then its rows."""
    yield "threads of a bare loop", "jobs/s", *PERCENTILES
    for threads, found in figures["threads"].items():
        yield threads, f"{found['jobs_per_second']['median']:.0f}", *percentiles(found["job_ms"])
    yield "10, in batches of ten", f"{figures['in_batches_of_ten']['median']:.0f}", "", "", "", ""


def measure(quick: bool) -> Figures:
    """Measure this part alone."""
    return measure_in_turns([Ceiling], quick=quick)["ceiling"]


if __name__ == "__main__":
    print_figures(measure)
