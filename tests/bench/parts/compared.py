"""This checkout and the release before group commit, in turns on one emulator: each has a stage of its own."""

from __future__ import annotations

import resource
import secrets
import sys
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain

from jobpipe.domain.commands.command import CreateItem, SetFields
from scripts.load.http_calls import ACCEPTED
from scripts.load.report import summary
from tests.bench.laboratory.recorder import Recorder, commands, document
from tests.bench.laboratory.rounds import Figures, Part, Row, measure_in_turns, median, print_figures
from tests.bench.parts.drain import drain
from tests.bench.parts.importing import import_rows
from tests.bench.parts.pipeline import ITEMS, QUICK_ITEMS, ended
from tests.bench.peers.previous_release import NAME, deployed_previous, previous_release
from tests.helpers.commands import ROOT

THIS, BEFORE = "this", "before"
UPDATES, QUICK_UPDATES = 500, 30
ROWS, QUICK_ROWS = 600, 50
JOBS, QUICK_JOBS = 15, 3
_TITLES = {
    "hot_item": "drain, 500 updates of one item",
    "import": "`jobpipe import`, 600 rows",
}


class Compared(Part):
    """The drain of the release before; a hot item, an import and one job alone of both releases."""

    name = "compared"

    def prepare(self, stack: ExitStack) -> None:
        self._stages = {THIS: self.lab.stage, BEFORE: deployed_previous(self.lab)}
        previous = previous_release()
        self._clients = {THIS: (ROOT, sys.executable), BEFORE: (previous.folder, str(previous.python))}
        self._recorders = {name: Recorder(stage) for name, stage in self._stages.items()}
        self._calls = {name: self.lab.calls(stage) for name, stage in self._stages.items()}
        self._rates: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._shares: dict[str, list[float]] = defaultdict(list)
        self._drain_rates: list[float] = []
        self._gb_seconds: list[float] = []
        self._seconds: dict[str, list[list[float]]] = defaultdict(list)
        for name in self._stages:
            self._one_job(name)
            self._import(name, QUICK_ROWS)  # starts as many environments of the API as an import uses

    def round(self, number: int) -> None:
        # Each of them runs first in some of the rounds.
        names = [THIS, BEFORE] if number % 2 else [BEFORE, THIS]
        to_run = commands(QUICK_ITEMS if self.lab.quick else ITEMS, secrets.token_hex(4))
        drained = drain(self.lab, self._stages[BEFORE], self._recorders[BEFORE], to_run)
        self._drain_rates.append(drained.rate)
        self._gb_seconds.append(1000 * drained.gb_seconds)
        for name in names:
            self._rates["hot_item"][name].append(self._hot_item(name))
        for name in names:
            rows = QUICK_ROWS if self.lab.quick else ROWS
            before = processor_seconds()
            spent = self._import(name, rows)
            self._rates["import"][name].append(rows / spent)
            self._shares[name].append((processor_seconds() - before) / spent)
        samples: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(QUICK_JOBS if self.lab.quick else JOBS):
            for name in names:
                samples[name].append(self._one_job(name))
        for name, seconds in samples.items():
            self._seconds[name].append(seconds)

    def figures(self) -> Figures:
        alone = {name: [summary(each)["p50"] for each in rounds] for name, rounds in self._seconds.items()}
        return {
            "release": NAME,
            "drain_before": median(self._drain_rates),
            "gb_seconds_per_1000_jobs_before": median(self._gb_seconds),
            "per_second": {
                kind: {name: median(rates) for name, rates in by.items()} for kind, by in self._rates.items()
            },
            "processor_share_of_import": {name: median(shares) for name, shares in self._shares.items()},
            "alone_ms": {name: summary(list(chain(*rounds))) for name, rounds in self._seconds.items()},
            "ratio": {
                **{kind: median(_by_round(by[THIS], by[BEFORE])) for kind, by in self._rates.items()},
                "alone": median(_by_round(alone[THIS], alone[BEFORE])),
            },
        }

    def _hot_item(self, name: str) -> float:
        """Return the updates per second of one item, whose queue was filled beforehand."""
        item_id = str(uuid.uuid4())
        stage, recorder = self._stages[name], self._recorders[name]
        created = CreateItem(item_id, document(f"hot {secrets.token_hex(4)}"))
        updates = QUICK_UPDATES if self.lab.quick else UPDATES
        # The create is in the queue too, ahead of the updates; its batch is not measured (rate_of).
        return drain(self.lab, stage, recorder, [created, *_prices(item_id, updates)]).rate

    def _import(self, name: str, rows: int) -> float:
        return import_rows(self._stages[name], rows, *self._clients[name])

    def _one_job(self, name: str) -> float:
        """Return the seconds from a request to the answer of a poll that shows the job's end."""
        accepted = self._calls[name].request("POST", "/items", document(f"alone {secrets.token_hex(6)}"))
        assert accepted.status == ACCEPTED, accepted
        return ended(self._calls[name], accepted.document["id"]).ended - accepted.began


def processor_seconds() -> float:
    """Return the processor time of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _prices(item_id: str, updates: int) -> Iterator[SetFields]:
    for price in range(updates):
        yield SetFields(item_id, {"price": price + 1}, None)


def _by_round(figures: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return the ratio of each round."""
    return [a / b for a, b in zip(figures, others, strict=True)]


def rows(figures: Figures) -> Iterator[Row]:
    """Yield the rows of the table, the header first. This release's drain is in the table of the pipeline."""
    yield "", "this release", "before", "ratio", "its rounds"
    yield "drain, 1,000 jobs of 500 items, a second", "", f"{figures['drain_before']['median']:.0f}", "", ""
    spent = figures["gb_seconds_per_1000_jobs_before"]["median"]
    yield "GB-seconds of the worker for 1,000 jobs of that drain", "", f"{spent:.2f}", "", ""
    for kind, by in figures["per_second"].items():
        yield (
            f"{_TITLES[kind]}, a second",
            *(f"{by[name]['median']:.0f}" for name in (THIS, BEFORE)),
            *_ratio(figures, kind),
        )
    shares = figures["processor_share_of_import"]
    yield (
        "processor time of the import's command line, share of its time",
        *(f"{shares[name]['median']:.0%}" for name in (THIS, BEFORE)),
        "",
        "",
    )
    alone = figures["alone_ms"]
    yield (
        "one job alone, end to end, p50 ms",
        *(f"{alone[name]['p50']:.1f}" for name in (THIS, BEFORE)),
        *_ratio(figures, "alone"),
    )


def _ratio(figures: Figures, kind: str) -> Row:
    found = figures["ratio"][kind]
    return f"{found['median']:.2f}", ", ".join(f"{each:.2f}" for each in found["rounds"])


def measure(quick: bool) -> Figures:
    """Measure this part alone."""
    return measure_in_turns([Compared], quick=quick)["compared"]


if __name__ == "__main__":
    print_figures(measure)
