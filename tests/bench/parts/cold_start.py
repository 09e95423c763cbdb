"""`python -m tests.bench.parts.cold_start [--quick]`: cold starts, and those of a Lambda that only uses boto3.

Each zip runs under a Runtime API in a new process. The processes are interleaved, so only ratios within one run are
meaningful. The interpreter is the emulator's, which has boto3, but not jobpipe. The modules of a zip are compiled
at each start, as in Lambda, where their folder is read-only.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import Any

from infra.emulator import ensure_venv
from infra.packaging.package import package_all
from scripts.load.report import summary
from tests.bench.laboratory.lambda_process import Foundation, open_foundation
from tests.bench.laboratory.rounds import in_rounds
from tests.bench.laboratory.runtime_api import ColdStart, Function, FunctionFailed, cold_start
from tests.bench.parts.cold_start_cases import CASES

TARGET = 1.15
_ROUNDS, _QUICK_ROUNDS = 9, 5
_PEERS = Path(__file__).parents[1] / "peers"


def measure(quick: bool) -> dict[str, object]:
    """Return the times of each Lambda's start and first request, their ratios to boto3, and the zips' sizes."""
    with open_foundation() as foundation:
        return measure_on(foundation, quick)


def measure_on(foundation: Foundation, quick: bool) -> dict[str, object]:
    python = ensure_venv()
    samples: dict[tuple[str, str], list[ColdStart]] = {}
    for number in range(_QUICK_ROUNDS if quick else _ROUNDS):
        for key, function, event in _round(foundation, with_imports=number % 3 == 0):
            sample = cold_start(python, function, event)
            if key[1] == "jobpipe":
                _check(key[0], sample.answer)
            samples.setdefault(key, []).append(sample)
    functions = {name: _figures(name, samples) for name in CASES}
    return {
        "target": TARGET,
        "functions": functions,
        "zips": {app: zip_sizes(package.zip_path) for app, package in package_all().items()},
    }


def _round(foundation: Foundation, *, with_imports: bool) -> Iterator[tuple[tuple[str, str], Function, object]]:
    """Yield the processes of one round, and those that only import if `with_imports`."""
    for name, case in CASES.items():
        settings = foundation.settings(case.app) | {"SERVICE_NAME": f"jobpipe-{name}"}  # decides what is imported
        function = Function(foundation.unpacked(case.app), case.handler, settings)
        bare = Function(_PEERS, "boto3_only.handler", settings | {"SERVICES": case.services})
        yield (name, "jobpipe"), function, case.event(foundation)
        yield (name, "boto3"), bare, {"calls": case.calls(foundation)}
        if with_imports:  # there are no clients, so the worker gets an empty batch
            without_clients = replace(function, environment=settings | {"AWS_CHALICE_CLI_MODE": "true"})
            event = {"Records": []} if case.app == "worker" else case.event(foundation)
            yield (name, "imports"), without_clients, event


def _check(name: str, answer: dict[str, Any]) -> None:
    """Raise FunctionFailed for an error, whose time must not be measured."""
    if answer.get("statusCode", 202) != 202 or answer.get("batchItemFailures"):
        raise FunctionFailed(f"{name} answered {answer}")


def _figures(name: str, samples: dict[tuple[str, str], list[ColdStart]]) -> dict[str, object]:
    jobpipe, bare = samples[name, "jobpipe"], samples[name, "boto3"]
    return {
        "imports": summary([each.init for each in samples[name, "imports"]]),
        "init": summary([each.init for each in jobpipe]),
        "first_request": summary([each.request for each in jobpipe]),
        "total": summary([each.total for each in jobpipe]),
        "boto3_init": summary([each.init for each in bare]),
        "boto3_same_calls": summary([each.request for each in bare]),
        "cpu": summary([each.cpu for each in jobpipe]),
        "boto3_cpu": summary([each.cpu for each in bare]),
        # the target: the time until the first answer, compared with boto3 and unused clients
        "ratio": _ratio(jobpipe, "total", bare, "init"),
        "rounds": [
            _ratio(some, "total", others, "init")
            for some, others in zip(in_rounds(jobpipe), in_rounds(bare), strict=True)
        ],
        "ratio_init": _ratio(jobpipe, "init", bare, "init"),
        # the ratio of processor time, which depends less on the load of the machine
        "ratio_cpu": _ratio(jobpipe, "cpu", bare, "cpu"),
        "ratio_same_calls": _ratio(jobpipe, "total", bare, "total"),
    }


def _ratio(some: Sequence[ColdStart], time: str, others: Sequence[ColdStart], other_time: str) -> float:
    """Return the median of a time of some cold starts, divided by the median of a time of others."""
    medians = median(map(attrgetter(time), some)), median(map(attrgetter(other_time), others))
    return float(round(medians[0] / medians[1], 3))


def zip_sizes(path: Path) -> dict[str, Any]:
    """Return the size of a zip, packed and unpacked, and its largest top-level entries."""
    parts: Counter[str] = Counter()
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            parts[entry.filename.partition("/")[0]] += entry.file_size
    return {"bytes": path.stat().st_size, "unpacked": parts.total(), "largest": dict(parts.most_common(5))}


def rows(figures: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the header of the table, and then its rows."""
    yield (
        "function",
        "imports ms",
        "init ms",
        "first request ms",
        "boto3 init ms",
        "ratio",
        "init alone",
        "same calls",
        "processor time",
        "zip, KB",
    )
    for name, each in figures["functions"].items():
        times = (each[key]["p50"] for key in ("imports", "init", "first_request", "boto3_init"))
        ratios = (each[key] for key in ("ratio", "ratio_init", "ratio_same_calls", "ratio_cpu"))
        yield (
            name,
            *(f"{time:.0f}" for time in times),
            *(f"{ratio:.2f}" for ratio in ratios),
            _kilobytes(figures, name),
        )


def _kilobytes(figures: dict[str, Any], name: str) -> str:
    """Return the size of the function's zip in KB, which are 1,024 bytes on all pages."""
    return f"{figures['zips'][CASES[name].app]['bytes'] / 1024:.0f}"


def main() -> None:
    figures = measure("--quick" in sys.argv[1:])
    for row in rows(figures):
        print("  ".join(f"{cell:>16}" for cell in row))  # noqa: T201
    print(json.dumps(figures["zips"], indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
