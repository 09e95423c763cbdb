"""`python -m tests.bench.parts.cold_start_collections [ROUNDS]`: cold starts with 20 collections and with one.

As in cold_start.py, each zip runs under a Runtime API in a new process, and the processes are interleaved. The
first event is a command for items, and the target is a ratio of 1.05 at most.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from statistics import median

from infra.emulator import ensure_venv
from infra.packaging.package import package_all
from tests.bench.laboratory.lambda_process import open_foundation
from tests.bench.laboratory.runtime_api import ColdStart, Function, cold_start
from tests.bench.parts.cold_start_cases import CASES
from tests.helpers.many_collections import write_copies

TARGET = 1.05
FEW, MANY = 1, 20
_ROUNDS = 15
_TIMES = ("init", "total", "cpu")


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Return the ratio of each time of each function with MANY collections to the same with FEW."""
    python = ensure_venv()
    samples: dict[tuple[str, int], list[ColdStart]] = {}
    with open_foundation() as foundation:
        roots = {number: _unpacked(foundation.folder / f"with-{number}", number) for number in (FEW, MANY)}
        for number_of_round in range(rounds):
            for name, case in CASES.items():
                settings = foundation.settings(case.app) | {"SERVICE_NAME": f"jobpipe-{name}"}
                order = (FEW, MANY) if number_of_round % 2 else (MANY, FEW)
                for number in order:
                    function = Function(roots[number][case.app], case.handler, settings)
                    sample = cold_start(python, function, case.event(foundation))
                    samples.setdefault((name, number), []).append(sample)
    return {name: {time: _ratio(samples, name, time) for time in _TIMES} for name in CASES}


def _ratio(samples: Mapping[tuple[str, int], list[ColdStart]], name: str, time: str) -> float:
    many, few = (median(map(attrgetter(time), samples[name, number])) for number in (MANY, FEW))
    return float(round(many / few, 3))


def _unpacked(folder: Path, number: int) -> dict[str, Path]:
    """Package both apps with so many collections, and return the folders of their code."""
    collections = write_copies(folder / "collections", number)
    roots = {}
    for app, package in package_all(folder / "build", collections).items():
        roots[app] = folder / app
        with zipfile.ZipFile(package.zip_path) as archive:
            archive.extractall(roots[app])
    return roots


def rows(figures: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, ...]]:
    """Yield the header of the table, and then its rows."""
    yield f"{MANY} collections / {FEW}", *_TIMES
    for name, each in figures.items():
        yield name, *(f"{each[time]:.3f}" for time in _TIMES)


def main() -> None:
    for row in rows(measure(int(sys.argv[1]) if len(sys.argv) > 1 else _ROUNDS)):
        sys.stdout.write("  ".join(f"{cell:>24}" for cell in row) + "\n")


if __name__ == "__main__":
    main()
