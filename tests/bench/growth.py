"""jobpipe with 100,000 items against jobpipe with none: the same requests, in turns, to two stages."""

from __future__ import annotations

import itertools
import secrets
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from scripts.load.figures import summary
from scripts.load.http_calls import ACCEPTED, CREATED, Answer, HttpCalls
from tests.bench.asked import BareLoop
from tests.bench.recorded import document
from tests.bench.rounds import Figures, Part, Row, alone, take_turns
from tests.bench.seeding import seed_stage
from tests.deployed import Stage

ITEMS, QUICK_ITEMS = 100_000, 1_000
TIMES, QUICK_TIMES = 15, 2
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
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    items: list[str] = field(default_factory=list)  # of this bench; each is changed once at a time
    jobs: list[str] = field(default_factory=list)


class Growth(Part):
    """Milliseconds by operation and size."""

    name = "growth"

    def prepare(self, stack: ExitStack) -> None:
        self._names = (f"growth {secrets.token_hex(4)} {n}" for n in itertools.count())
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
                "ratio": round(statistics.median(large[name]) / statistics.median(empty[name]), 2),
            }
            for name in empty
        }
        pages = {name: self._page(side) for name, side in self._sides.items()}
        own = {
            name: round((statistics.median(s["GET a page of 50"]) - statistics.median(s[SCAN])) * 1000, 2)
            for name, s in (("empty_ms", empty), ("large_ms", large))
        }
        return {"items": self._size, "operations": operations, "page": pages, "page_without_its_scan": own}

    def _side(self, name: str, stack: ExitStack) -> _Side:
        stage = self.lab.deployed(name)
        return _Side(stage, self.lab.calls(stage), BareLoop(self.lab, stage, "api_function", stack))

    def _in_turns(self, name: str, times: int, do: Callable[[_Side, int], float]) -> None:
        for n in range(times):
            for side in list(self._sides.values())[:: 1 if n % 2 else -1]:
                side.seconds[name].append(do(side, n))

    def _post(self, side: _Side, headers: dict[str, str] | None = None) -> float:
        answer = side.calls.request("POST", "/items", document(next(self._names)), headers)
        return _checked(answer, CREATED if headers else ACCEPTED)

    def _put(self, side: _Side, n: int, headers: dict[str, str]) -> float:
        answer = side.calls.request("PUT", f"/items/{side.items[n]}", {"price": n}, headers)
        return _checked(answer, OK if headers else ACCEPTED)

    def _page(self, side: _Side) -> dict[str, Any]:
        """What one page reads of the table: this is exact."""
        found = side.stage.aws("dynamodb").scan(
            TableName=side.stage.resources["items_table"], Limit=PAGE, ConsistentRead=True
        )
        return {"rows_read": found["ScannedCount"]}


def _get(side: _Side, path: str) -> float:
    return _checked(side.calls.request("GET", path), OK)


def _scan(side: _Side) -> float:
    parameters = {"TableName": side.stage.resources["items_table"], "Limit": PAGE, "ConsistentRead": True}
    return side.scan.do([[[["dynamodb", "scan", parameters]]]], threads=1)[1][0]


def _checked(answer: Answer, status: int) -> float:
    assert answer.status == status, answer
    return answer.seconds


def rows(figures: Figures) -> Iterator[Row]:
    """Header and lines."""
    yield "jobpipe", "empty: p50 ms", f"{figures['items']:,} items: p50 ms", "p99 ms", "ratio"
    for name, found in figures["operations"].items():
        empty, large = found["empty_ms"], found["large_ms"]
        yield name, f"{empty['p50']:.1f}", f"{large['p50']:.1f}", f"{large['p99']:.1f}", f"{found['ratio']:.2f}"


def measure(quick: bool) -> Figures:
    """Alone."""
    return take_turns([Growth], quick=quick)["growth"]


if __name__ == "__main__":
    alone(measure)
