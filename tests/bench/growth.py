"""jobpipe with 100,000 items against jobpipe with none: the same requests, in turns, to two stages."""

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
from tests.bench.asked import BareLoop
from tests.bench.aws_calls import Call
from tests.bench.recorded import Recorder, document
from tests.bench.rounds import Figures, Part, Row, alone, median, take_turns
from tests.bench.seeding import seed_stage
from tests.helpers.deployed import Stage

ITEMS, QUICK_ITEMS = 100_000, 1_000
TIMES, QUICK_TIMES = 10, 2
LISTS = 5
PAGE = 50
OK = 200
SCAN = "a bare Scan of a page"


@dataclass
class _Side:
    """One of the two stages, and what was measured on it."""

    stage: Stage
    calls: HttpCalls
    scan: BareLoop
    page: Call  # of jobpipe's own list
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    items: list[str] = field(default_factory=list)  # of this bench; each is changed once at a time
    jobs: list[str] = field(default_factory=list)


class Growth(Part):
    """Milliseconds by operation and size."""

    name = "growth"

    def prepare(self, stack: ExitStack) -> None:
        self._names = (f"growth {secrets.token_hex(4)} {n}" for n in itertools.count())
        self._ratios: dict[str, list[float]] = defaultdict(list)
        self._sides = {"empty": self._side("empty", stack), "large": self._side("large", stack)}
        self._size = QUICK_ITEMS if self.lab.quick else ITEMS
        seed_stage(self._sides["large"].stage, self._size)
        for side in self._sides.values():
            # A whole page of items of which each has its documents: they are also what is changed and read.
            jobs = [side.stage.client.create(document(next(self._names))) for _ in range(PAGE + 5)]
            side.items, side.jobs = [job.item_id for job in jobs], [job.id for job in jobs]
            self.lab.drained(side.stage)

    def round(self, number: int) -> None:
        times = QUICK_TIMES if self.lab.quick else TIMES
        for side in self._sides.values():
            self.lab.set_worker(side.stage, running=False)
        self._in_turns("POST, accepted", times, lambda side, _: self._post(side))
        self._in_turns("PUT, accepted", times, lambda side, n: self._put(side, n, {}))
        for side in self._sides.values():
            self.lab.set_worker(side.stage, running=True)
            self.lab.drained(side.stage)
        self._in_turns("POST, Prefer: wait", times, lambda side, _: self._post(side, {"Prefer": "wait=10"}))
        self._in_turns("PUT, Prefer: wait", times, lambda side, n: self._put(side, n, {"Prefer": "wait=10"}))
        self._in_turns("GET an item", times, lambda side, n: _get(side, f"/items/{side.items[n]}"))
        self._in_turns("GET a job (a poll)", times, lambda side, n: _get(side, f"/jobs/{side.jobs[n]}"))
        self._in_turns("GET a page of 50", LISTS, lambda side, _: _get(side, f"/items?limit={PAGE}"))
        self._in_turns(SCAN, LISTS, lambda side, _: _scan(side))

    def figures(self) -> Figures:
        empty, large = self._sides["empty"].seconds, self._sides["large"].seconds
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

    def _side(self, name: str, stack: ExitStack) -> _Side:
        stage = self.lab.deployed(name)
        return _Side(
            stage,
            self.lab.calls(stage),
            BareLoop(self.lab, stage, "api_function", stack),
            Recorder(stage).page(PAGE),
        )

    def _in_turns(self, name: str, times: int, do: Callable[[_Side, int], float]) -> None:
        taken: dict[str, list[float]] = {key: [] for key in self._sides}
        for n in range(times):
            for key in list(self._sides)[:: 1 if n % 2 else -1]:
                taken[key].append(do(self._sides[key], n))
        for key, seconds in taken.items():
            self._sides[key].seconds[name] += seconds
        self._ratios[name].append(statistics.median(taken["large"]) / statistics.median(taken["empty"]))

    def _post(self, side: _Side, headers: dict[str, str] | None = None) -> float:
        answer = side.calls.request("POST", "/items", document(next(self._names)), headers)
        return _checked(answer, CREATED if headers else ACCEPTED)

    def _put(self, side: _Side, n: int, headers: dict[str, str]) -> float:
        answer = side.calls.request("PUT", f"/items/{side.items[n]}", {"price": n}, headers)
        return _checked(answer, OK if headers else ACCEPTED)

    def _rows_read(self) -> dict[str, int]:
        """What the call of jobpipe's own list reads of the table: a count, and exact."""
        return {
            name: side.stage.aws("dynamodb").scan(**side.page[2])["ScannedCount"]
            for name, side in self._sides.items()
        }


def _get(side: _Side, path: str) -> float:
    return _checked(side.calls.request("GET", path), OK)


def _scan(side: _Side) -> float:
    return side.scan.do([[[side.page]]], threads=1)[1][0]


def _checked(answer: Answer, status: int) -> float:
    assert answer.status == status, answer
    return answer.seconds


def rows(figures: Figures) -> Iterator[Row]:
    """Header and lines."""
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
    """Alone."""
    return take_turns([Growth], quick=quick)["growth"]


if __name__ == "__main__":
    alone(measure)
