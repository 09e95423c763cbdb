"""`python -m tests.bench.parts.profile_own_code`: the parts of the API's own time in a request, without AWS.

The API runs in this process, and its AWS calls return the stand-in's answers at once. The remaining time is that of
Chalice, of log and metrics lines, and of the rest. Between real calls, the same code takes several times as long
(see tests/bench/parts/own_code.py).
"""

from __future__ import annotations

import logging
import os
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient

from api_lambda.chalicelib.application import build_app
from api_lambda.chalicelib.services import open_services
from jobpipe.runtime.metrics import meter
from jobpipe.runtime.telemetry import logger
from tests.bench.laboratory.lambda_child import Context
from tests.bench.laboratory.lambda_process import CREDENTIALS, Foundation
from tests.bench.laboratory.stand_in import success
from tests.faults.stage.events import http_event

INVOCATIONS, QUICK_INVOCATIONS, WARM_UP = 2_000, 200, 100
PARTS = ("log lines", "metrics lines", "Chalice", "the rest")
_LINES = ("log lines", "metrics lines")
_SETTINGS = {
    **CREDENTIALS,
    **dict.fromkeys(("JOBS_TABLE", "ITEMS_TABLE", "NAMES_TABLE", "DOCUMENTS_BUCKET"), "x"),
    **dict.fromkeys(("COLLECTIONS_TABLE", "LOOKUPS_TABLE"), "x"),
    **dict.fromkeys(("COMMANDS_QUEUE_URL", "PARKED_QUEUE_URL", "DEAD_LETTERS_QUEUE_URL"), "http://127.0.0.1/x"),
}
Samples = dict[str, list[float]]  # seconds of each invocation, by part


def measure(quick: bool = False) -> dict[str, dict[str, float]]:
    """Return the median milliseconds of each part of each request, and their `total`."""
    with _handler() as (handle, spent):
        return {
            name: _profile(handle, spent, event, QUICK_INVOCATIONS if quick else INVOCATIONS)
            for name, event in _requests().items()
        }


def measure_on(_: Foundation, quick: bool = False) -> dict[str, dict[str, float]]:
    """Measure without the foundation, since no call is made."""
    return measure(quick)


def _requests() -> Mapping[str, Callable[[], Any]]:
    item = {"name": "Tent", "description": "For two", "price": 12.95}
    return {
        "poll": lambda: http_event("GET", f"/jobs/{uuid.uuid4().hex}", None, {}),
        "accept_create": lambda: http_event("POST", "/items", item, {"content-type": "application/json"}),
        "get_item": lambda: http_event("GET", f"/items/{uuid.uuid4()}", None, {}),
    }


def _profile(
    handle: Callable[[Any], Any], spent: dict[str, float], event: Callable[[], Any], invocations: int
) -> dict[str, float]:
    samples: Samples = defaultdict(list)
    for number in range(WARM_UP + invocations):
        request = event()
        spent.clear()
        started = time.perf_counter()
        answer = handle(request)
        total = time.perf_counter() - started
        assert answer["statusCode"] < 300, answer
        if number >= WARM_UP:
            own = total - spent["AWS"]
            lines = {name: spent[name] for name in _LINES}
            chalice = total - spent["view"]
            parts = {**lines, "Chalice": chalice, "the rest": own - chalice - sum(lines.values())}
            for name, seconds in {**parts, "total": own}.items():
                samples[name].append(seconds)
    return {name: round(median(seconds) * 1000, 4) for name, seconds in samples.items()}


@contextmanager
def _handler() -> Iterator[tuple[Callable[[Any], Any], dict[str, float]]]:
    """Yield the API, and the seconds of each part since they were cleared."""
    spent: dict[str, float] = defaultdict(float)
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, _SETTINGS))
        stack.enter_context(patch.object(BaseClient, "_make_api_call", _timed(spent, "AWS", _call)))
        for method in ("info", "log"):
            timed = _timed(spent, "log lines", getattr(logger, method))
            stack.enter_context(patch.object(logger, method, timed))
        stack.enter_context(patch.object(type(meter), "write", _timed(spent, "metrics lines", type(meter).write)))
        silent = stack.enter_context(Path(os.devnull).open("w"))
        stack.enter_context(redirect_stdout(silent))  # discards the metrics
        handler = logging.StreamHandler(silent)
        handler.setFormatter(logger.handlers[0].formatter)
        stack.enter_context(patch.object(logger, "handlers", [handler]))
        open_services.cache_clear()
        stack.callback(open_services.cache_clear)
        app = build_app("profile", open_services)
        for methods in app.routes.values():
            for route in methods.values():
                route.view_function = _timed(spent, "view", route.view_function)
        yield (lambda event: app(event, Context())), spent


def _call(_: Any, operation: str, parameters: Any) -> Any:
    return success(operation, parameters)


def _timed(spent: dict[str, float], part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            spent[part] += time.perf_counter() - started

    return timed


def rows(figures: Mapping[str, Mapping[str, float]]) -> Iterable[tuple[str, ...]]:
    """Yield the rows of the table, the header first: milliseconds, and the share of each part."""
    yield "", "own ms", *PARTS
    for name, each in figures.items():
        yield name, f"{each['total']:.3f}", *(f"{each[part] / each['total']:.0%}" for part in PARTS)


def main() -> None:
    for row in rows(measure("--quick" in sys.argv)):
        sys.stdout.write(f"{row[0]:16}" + "".join(f"{cell:>16}" for cell in row[1:]) + "\n")


if __name__ == "__main__":
    main()
