"""The same requests, alternately to a stage with 100,000 items and to a nearly empty one."""

from __future__ import annotations

import itertools
import secrets
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from scripts.load.http_calls import ACCEPTED, CREATED, Answer, HttpCalls
from scripts.load.report import summary
from tests.bench.laboratory.recorder import Recorder, document
from tests.bench.laboratory.rounds import Figures, Part, Row, measure_in_turns, median, print_figures
from tests.bench.laboratory.seeding import seed_stage
from tests.bench.peers.aws_calls import Call
from tests.bench.peers.bare_loop_process import BareLoop
from tests.helpers.deployed import Stage

ITEMS, QUICK_ITEMS = 100_000, 1_000
TIMES, QUICK_TIMES = 7, 2
LISTS = 5
PAGE = 50
OK = 200
SCAN = "a bare Scan of a page"


@dataclass
class _MeasuredStage:
    """One of the two stages, with its samples."""

    stage: Stage
    calls: HttpCalls
    scan: BareLoop
    page: Call  # the AWS call of `GET /items`
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    items: list[str] = field(default_factory=list)  # ids, each changed once in a round
    jobs: list[str] = field(default_factory=list)


class Growth(Part):
    """The milliseconds of each operation on both stages."""

    name = "growth"

    def prepare(self, stack: ExitStack) -> None:
        self._names = (f"growth {secrets.token_hex(4)} {n}" for n in itertools.count())
        self._ratios: dict[str, list[float]] = defaultdict(list)
        self._stages = {
            "empty": self._measured_stage("empty", stack),
            "large": self._measured_stage("large", stack),
        }
        self._size = QUICK_ITEMS if self.lab.quick else ITEMS
        seed_stage(self._stages["large"].stage, self._size)
        for measured in self._stages.values():
            # These items fill a page and have documents, unlike the seeded ones. They are read and changed.
            jobs = [measured.stage.client.create(document(next(self._names))) for _ in range(PAGE + 5)]
            measured.items, measured.jobs = [job.item_id for job in jobs], [job.id for job in jobs]
            self.lab.wait_until_drained(measured.stage)

    def round(self, number: int) -> None:
        times = QUICK_TIMES if self.lab.quick else TIMES
        for measured in self._stages.values():
            self.lab.set_worker(measured.stage, running=False)
        self._alternate("POST, accepted", times, lambda measured, _: self._post(measured))
        self._alternate("PUT, accepted", times, lambda measured, n: self._put(measured, n, {}))
        for measured in self._stages.values():
            self.lab.set_worker(measured.stage, running=True)
            self.lab.wait_until_drained(measured.stage)
        self._alternate(
            "POST, Prefer: wait", times, lambda measured, _: self._post(measured, {"Prefer": "wait=10"})
        )
        self._alternate(
            "PUT, Prefer: wait", times, lambda measured, n: self._put(measured, n, {"Prefer": "wait=10"})
        )
        self._alternate("GET an item", times, lambda measured, n: _get(measured, f"/items/{measured.items[n]}"))
        self._alternate(
            "GET a job (a poll)", times, lambda measured, n: _get(measured, f"/jobs/{measured.jobs[n]}")
        )
        self._alternate("GET a page of 50", LISTS, lambda measured, _: _get(measured, f"/items?limit={PAGE}"))
        self._alternate(SCAN, LISTS, lambda measured, _: _scan(measured))

    def figures(self) -> Figures:
        empty, large = self._stages["empty"].seconds, self._stages["large"].seconds
        operations = {
            name: {
                "empty_ms": summary(empty[name]),
                "large_ms": summary(large[name]),
                "ratio": median(self._ratios[name]),
                "is_a_bare_call": name == SCAN,
            }
            for name in empty
        }
        return {"items": self._size, "operations": operations, "rows_read_by_a_page": self._rows_read()}

    def _measured_stage(self, name: str, stack: ExitStack) -> _MeasuredStage:
        stage = self.lab.deployed(name)
        return _MeasuredStage(
            stage,
            self.lab.calls(stage),
            BareLoop(self.lab, stage, "api_function", stack),
            Recorder(stage).page(PAGE),
        )

    def _alternate(self, name: str, times: int, request: Callable[[_MeasuredStage, int], float]) -> None:
        samples: dict[str, list[float]] = {key: [] for key in self._stages}
        for n in range(times):
            for key in list(self._stages)[:: 1 if n % 2 else -1]:
                samples[key].append(request(self._stages[key], n))
        for key, seconds in samples.items():
            self._stages[key].seconds[name] += seconds
        self._ratios[name].append(statistics.median(samples["large"]) / statistics.median(samples["empty"]))

    def _post(self, measured: _MeasuredStage, headers: dict[str, str] | None = None) -> float:
        answer = measured.calls.request("POST", "/items", document(next(self._names)), headers)
        return _checked(answer, CREATED if headers else ACCEPTED)

    def _put(self, measured: _MeasuredStage, n: int, headers: dict[str, str]) -> float:
        answer = measured.calls.request("PUT", f"/items/{measured.items[n]}", {"price": n}, headers)
        return _checked(answer, OK if headers else ACCEPTED)

    def _rows_read(self) -> dict[str, int]:
        """Return the number of rows that the call of `GET /items` reads."""
        return {
            name: measured.stage.aws("dynamodb").scan(**measured.page[2])["ScannedCount"]
            for name, measured in self._stages.items()
        }


def _get(measured: _MeasuredStage, path: str) -> float:
    return _checked(measured.calls.request("GET", path), OK)


def _scan(measured: _MeasuredStage) -> float:
    return measured.scan.run([[[measured.page]]], threads=1)[1][0]


def _checked(answer: Answer, status: int) -> float:
    assert answer.status == status, answer
    return answer.seconds


def rows(figures: Figures) -> Iterator[Row]:
    """Yield the header of the table, and then its rows."""
    yield "jobpipe", "empty: p50 ms", f"{figures['items']:,} items: p50 ms", "p99 ms", "ratio"
    for name, found in figures["operations"].items():
        empty, large = found["empty_ms"], found["large_ms"]
        yield (
            name,
            f"{empty['p50']:.1f}",
            f"{large['p50']:.1f}",
            f"{large['p99']:.1f}",
            f"{found['ratio']['median']:.2f}",
        )


def measure(quick: bool) -> Figures:
    """Measure this part alone."""
    return measure_in_turns([Growth], quick=quick)["growth"]


if __name__ == "__main__":
    print_figures(measure)
