"""jobpipe: the drain rate of a prefilled queue, the acceptance of commands, and the end-to-end latency."""

from __future__ import annotations

import secrets
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from scripts.load.generator import Generator
from scripts.load.http_calls import ACCEPTED, Answer, HttpCalls
from scripts.load.plan import Plan
from scripts.load.report import summary
from tests.bench.laboratory.environment import timestamp
from tests.bench.laboratory.recorder import Recorder, commands, document
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
from tests.bench.parts.drain import batches_of, drain
from tests.bench.peers.bare_loop_process import BareLoop

ITEMS, QUICK_ITEMS = 500, 20
CHUNK = 10
CHUNKS, QUICK_CHUNKS = 5, 1
CALLERS = 8
_POLL_PAUSE = 0.005


class Pipeline(Part):
    """The drain rate, the latency and rate of acceptance, and the end-to-end latency."""

    name = "pipeline"

    def prepare(self, stack: ExitStack) -> None:
        self._rates: dict[str, list[float]] = defaultdict(list)
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._ratios: list[float] = []
        self._wait_ratios: list[float] = []
        self._gb_seconds: list[float] = []
        self._recorder = Recorder(self.lab.stage)
        self._pair = BareLoop(self.lab, self.lab.stage, "api_function", stack)
        self._calls = self.lab.calls(self.lab.stage)
        self._run = f"bench {secrets.token_hex(4)}"
        self._number = 0
        with self.lab.worker_off(self.lab.stage):  # opens connections
            self._two_calls()
            self._eight_callers(CALLERS * 4)  # starts eight environments of the API
        self.lab.wait_until_drained(self.lab.stage)

    def round(self, number: int) -> None:
        self._drain()
        self._empty_batches()
        with self.lab.worker_off(self.lab.stage):
            self._accept()
            jobs = 20 if self.lab.quick else 150
            self._rates["accept, eight callers"].append(jobs / self._eight_callers(jobs))
        self.lab.wait_until_drained(self.lab.stage)
        self._end_to_end()
        self._steady_load()
        self.lab.wait_until_drained(self.lab.stage)

    def figures(self) -> Figures:
        return {
            "jobs_per_second": {name: median(rates) for name, rates in self._rates.items()},
            "ms": {name: summary(seconds) for name, seconds in self._seconds.items()},
            "accept_ratio": median(self._ratios),
            "wait_ratio": median(self._wait_ratios),
            "gb_seconds_per_1000_jobs": median(self._gb_seconds),
        }

    def _drain(self) -> None:
        to_run = commands(QUICK_ITEMS if self.lab.quick else ITEMS, secrets.token_hex(4))
        drained = drain(self.lab, self.lab.stage, self._recorder, to_run)
        self._rates["drain"].append(drained.rate)
        self._gb_seconds.append(1000 * drained.gb_seconds)
        # The times begin at the first end: before it, the poller sleeps for up to a second.
        self._seconds["in the queue while it drains"] += [end - drained.ends[0] for end in drained.ends]
        self._seconds["a batch of ten while it drains"] += batches_of(drained.ends)

    def _empty_batches(self) -> None:
        """Measure the fixed time of a batch, of the emulator and of jobpipe."""
        client, function = self.lab.stage.aws("lambda"), self.lab.stage.resources["worker_function"]
        for _ in range(3 if self.lab.quick else CHUNK):
            started = time.perf_counter()
            client.invoke(FunctionName=function, Payload=b'{"Records": []}')["Payload"].read()
            self._seconds["an invocation without a message"].append(time.perf_counter() - started)

    def _accept(self) -> None:
        """Measure, in turns, an empty route, the two AWS calls alone, and a POST."""
        samples: dict[str, list[float]] = defaultdict(list)
        for _ in range(QUICK_CHUNKS if self.lab.quick else CHUNKS):
            samples["an empty route (GET /health)"] += [
                self._calls.request("GET", "/health").seconds for _ in range(CHUNK)
            ]
            samples["the two AWS calls alone"] += self._two_calls()
            samples["accept"] += [self._post().seconds for _ in range(CHUNK)]
        medians = {name: summary(seconds)["p50"] for name, seconds in samples.items()}
        self._ratios.append(
            medians["accept"] / (medians["an empty route (GET /health)"] + medians["the two AWS calls alone"])
        )
        for name, seconds in samples.items():
            self._seconds[name] += seconds

    def _two_calls(self) -> list[float]:
        self._number += 1
        pair = commands(CHUNK, f"{self._run} pair {self._number}")[:CHUNK]
        calls = [self._recorder.accept(command)[1] for command in pair]
        return self._pair.run([calls], threads=1)[1]

    def _post(self, headers: dict[str, str] | None = None) -> Answer:
        self._number += 1
        return self._calls.request("POST", "/items", document(f"{self._run} {self._number}"), headers)

    def _eight_callers(self, jobs: int) -> float:
        # All requests are due at once, so that the callers send without pauses.
        plan = Plan(jobs * 10, 0.1, concurrency=CALLERS, sample=0, keep=True)
        measured = Generator(self.lab.calls(self.lab.stage, CALLERS), plan).run()
        assert len(measured.accepted) == jobs, measured.statuses
        return measured.seconds

    def _end_to_end(self) -> None:
        polled, waiting = [], []
        for _ in range(3 if self.lab.quick else 15):
            accepted = self._post()
            assert accepted.status == ACCEPTED, accepted
            job = ended(self._calls, accepted.document["id"])
            polled.append(job.ended - accepted.began)
            self._seconds["accepted to applied, by the job's times"].append(
                timestamp(job.document["updated_at"]) - timestamp(job.document["created_at"])
            )
            waited = self._post({"Prefer": "wait=10"})
            assert waited.status < ACCEPTED, waited
            waiting.append(waited.seconds)
        self._seconds["end to end, polled"] += polled
        self._seconds["end to end, Prefer: wait"] += waiting
        self._wait_ratios.append(statistics.median(waiting) / statistics.median(polled))

    def _steady_load(self) -> None:
        plan = Plan(15, 0.5 if self.lab.quick else 2, poisson=True, sample=4, keep=True)
        measured = Generator(self.lab.calls(self.lab.stage, CALLERS), plan).run()
        assert not measured.failed, measured.statuses
        self._seconds["accept at 15 a second, from when it was due"] += [each.seconds for each in measured.accepted]
        self._seconds["end to end at 15 a second, from when it was due"] += [
            each.ended for each in measured.followed if each.ended is not None
        ]


def ended(calls: HttpCalls, job_id: str) -> Answer:
    """Poll the job every 5 ms; return the first answer that shows its end."""
    while True:
        answer = calls.request("GET", f"/jobs/{job_id}")
        if answer.document["done"]:
            return answer
        time.sleep(_POLL_PAUSE)


def rows(figures: Figures) -> Iterator[Row]:
    """Yield the header of the table, and then its rows."""
    yield "jobpipe", "per second", *PERCENTILES
    for name, found in figures["jobs_per_second"].items():
        yield name, f"{found['median']:.0f}", "", "", "", ""
    if "gb_seconds_per_1000_jobs" in figures:
        spent = figures["gb_seconds_per_1000_jobs"]["median"]
        yield f"GB-seconds of the worker for 1,000 jobs of the drain: {spent:.2f}", "", "", "", "", ""
    for name, found in figures["ms"].items():
        yield name, "", *percentiles(found)


def measure(quick: bool) -> dict[str, Any]:
    """Measure this part alone."""
    return measure_in_turns([Pipeline], quick=quick)["pipeline"]


if __name__ == "__main__":
    print_figures(measure)
