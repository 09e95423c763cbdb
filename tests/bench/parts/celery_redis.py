"""Celery on Redis, whose two worker processes make the same AWS calls."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import tenacity

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
from tests.bench.parts.drain import rate_of
from tests.bench.parts.pipeline import QUICK_ITEMS
from tests.helpers.commands import ROOT

PROCESSES = 2
ITEMS = 150  # fewer than in tests/bench/parts/pipeline.py, which is enough for a rate
_START_SECONDS = 30


class CeleryRedis(Part):
    """The jobs per second of a prefilled queue, and the latency of one job from sending it to its result."""

    name = "celery_redis"

    def prepare(self, stack: ExitStack) -> None:
        self._reason = _reason_to_skip()
        self._rates: list[float] = []
        self._seconds: list[float] = []
        if self._reason:
            return
        url = stack.enter_context(_redis())
        env = self.lab.environment(self.lab.stage, "worker_function") | {"BENCH_REDIS_URL": url}
        command = (
            *(
                sys.executable,
                "-m",
                "celery",
                "-A",
                "tests.bench.peers.celery_tasks",
                "worker",
                "--loglevel",
                "CRITICAL",
            ),
            *("--pool", "prefork", "--concurrency", str(PROCESSES)),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        )
        stack.enter_context(_process(command, env))
        os.environ["BENCH_REDIS_URL"] = url
        self._tasks: Any = importlib.import_module("tests.bench.peers.celery_tasks")
        self._recorder = Recorder(self.lab.stage)
        for _ in range(PROCESSES * 2):  # warms the workers up
            self._tasks.apply.delay([]).get(timeout=_START_SECONDS)
        self._drain(QUICK_ITEMS)

    def round(self, number: int) -> None:
        if self._reason:
            return
        self._rates.append(self._drain(QUICK_ITEMS if self.lab.quick else ITEMS))
        for calls, _ in self._job_calls(3 if self.lab.quick else 20):
            started = time.perf_counter()
            self._tasks.apply.delay(calls).get(timeout=_START_SECONDS)
            self._seconds.append(time.perf_counter() - started)

    def figures(self) -> Figures:
        if self._reason:
            return {"left_out": self._reason}
        return {
            "processes": PROCESSES,
            "jobs_per_second": median(self._rates),
            "end_to_end_ms": summary(self._seconds),
        }

    def _drain(self, items: int) -> float:
        control = self._tasks.app.control
        _send_control(lambda: control.cancel_consumer(self._tasks.QUEUE, reply=True))
        # Celery has no order, so each update is chained to its create.
        chains = [self._tasks.chain_of(create, update) for create, update in self._job_calls(items)]
        _send_control(lambda: control.add_consumer(self._tasks.QUEUE, reply=True))
        ends = [(last.get(timeout=120), last.parent.get(timeout=120)) for last in chains]
        return rate_of(sorted(end for both in ends for end in both))

    def _job_calls(self, items: int) -> list[tuple[Any, Any]]:
        """Return the calls of the two jobs of each item."""
        to_run = commands(items, f"celery {secrets.token_hex(4)}")
        jobs = fill(self.lab.stage, self._recorder, to_run, queued=False)
        calls = [self._recorder.apply(command, job) for command, job in zip(to_run, jobs, strict=True)]
        return list(zip(calls[:items], calls[items:], strict=True))


@tenacity.retry(
    retry=tenacity.retry_if_result(lambda replies: not replies), stop=tenacity.stop_after_attempt(20), reraise=True
)
def _send_control(send: Callable[[], Any]) -> Any:
    """Send a control message until a worker replies to it; Celery loses some of them."""
    return send()


def _reason_to_skip() -> str | None:
    if shutil.which("redis-server") is None:
        return "no redis-server on the PATH"
    if importlib.util.find_spec("celery") is None:
        return "Celery is not installed (make .venv/.bench-installed)"
    return None


@contextmanager
def _redis() -> Iterator[str]:
    """Run a Redis server without persistence, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="jobpipe-redis-") as folder:
        command = ("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        with _process((*command, "--dir", folder, "--logfile", "redis.log"), dict(os.environ)):
            _wait_for(port)
            yield f"redis://127.0.0.1:{port}/0"


@tenacity.retry(
    wait=tenacity.wait_fixed(0.05),
    stop=tenacity.stop_after_delay(_START_SECONDS),
    retry=tenacity.retry_if_exception_type(ConnectionRefusedError),
)
def _wait_for(port: int) -> None:
    socket.create_connection(("127.0.0.1", port)).close()


@contextmanager
def _process(command: tuple[str, ...], env: dict[str, str]) -> Iterator[None]:
    with subprocess.Popen(
        command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.terminate()


def rows(figures: Figures) -> Iterator[Row]:
    """Yield the header of the table, and then its rows."""
    yield "Celery on Redis", "jobs/s", *PERCENTILES
    if "left_out" in figures:
        yield f"not measured: {figures['left_out']}", "", "", "", "", ""
        return
    yield "queue filled beforehand", f"{figures['jobs_per_second']['median']:.0f}", "", "", "", ""
    yield "end to end", "", *percentiles(figures["end_to_end_ms"])


def measure(quick: bool) -> Figures:
    """Measure this part alone."""
    return measure_in_turns([CeleryRedis], quick=quick)["celery_redis"]


if __name__ == "__main__":
    print_figures(measure)
