"""The synchronous architecture that jobpipe replaced: a POST that scans, with tables of several sizes."""

from __future__ import annotations

import itertools
import secrets
import sys
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from scripts.load.http_calls import CREATED, HttpCalls
from scripts.load.report import summary
from tests.bench.laboratory.recorder import document
from tests.bench.laboratory.rounds import (
    PERCENTILES,
    Figures,
    Part,
    Row,
    measure_in_turns,
    percentiles,
    print_figures,
)
from tests.bench.laboratory.seeding import import_table, key_schema
from tests.helpers.commands import clean_environment
from tests.helpers.deployed import Stage

REQUESTS = {0: 20, 1_000: 15, 10_000: 5, 100_000: 1}
"""The number of requests in a round, by the number of rows of the table."""
QUICK_REQUESTS = {0: 3, 1_000: 1}
SLOW = 100_000
"""With this many rows a request takes seconds, and is only sent in the first round."""


class Original(Part):
    """The milliseconds of a POST."""

    name = "original"

    def prepare(self, stack: ExitStack) -> None:
        self._requests = QUICK_REQUESTS if self.lab.quick else REQUESTS
        self._seconds: dict[int, list[float]] = defaultdict(list)
        self._names = (f"original {secrets.token_hex(4)} {n}" for n in itertools.count())
        for size in self._requests:
            _make_table(self.lab.stage, size)
            self.lab.stage.aws("s3").create_bucket(Bucket=_table(size))
        env = clean_environment(
            AWS_ENDPOINT_URL=str(self.lab.target.endpoint_url),
            AWS_DEFAULT_REGION=self.lab.target.region,
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
        )
        server = stack.enter_context(
            self.lab.process(sys.executable, "-m", "tests.bench.peers.original_app", env=env, quiet=True)
        )
        assert server.stdout is not None
        self._calls = HttpCalls(f"http://127.0.0.1:{int(server.stdout.readline())}", "none")
        for _ in range(3):
            self._post(0)

    def round(self, number: int) -> None:
        for size, requests in self._requests.items():
            if size >= SLOW and number > 0:
                continue
            self._seconds[size] += [self._post(size) for _ in range(requests)]

    def figures(self) -> Figures:
        return {"post_ms": {str(size): summary(seconds) for size, seconds in self._seconds.items()}}

    def _post(self, size: int) -> float:
        answer = self._calls.request("POST", f"/{_table(size)}/items", document(next(self._names)))
        assert answer.status == CREATED, answer
        return answer.seconds


def _table(size: int) -> str:
    return f"bench-original-{size}"


def _make_table(stage: Stage, size: int) -> None:
    parameters = key_schema(_table(size), "id")
    if size:
        import_table(stage, parameters, _rows(size))
    else:  # an import needs rows
        stage.aws("dynamodb").create_table(**parameters)


def _rows(size: int) -> Iterator[Any]:
    for n in range(size):
        item = document(f"seeded {n}")
        yield {
            "id": {"S": str(uuid.uuid4())},
            "name": {"S": item["name"]},
            "description": {"S": item["description"]},
            "price": {"N": str(item["price"])},
        }


def rows(figures: Figures) -> Iterator[Row]:
    """Yield the header of the table, and then its rows."""
    yield "the synchronous original's POST, rows in its table", *PERCENTILES
    for size, found in figures["post_ms"].items():
        yield f"{int(size):,}", *percentiles(found)


def measure(quick: bool) -> Figures:
    """Measure this part alone."""
    return measure_in_turns([Original], quick=quick)["original"]


if __name__ == "__main__":
    print_figures(measure)
