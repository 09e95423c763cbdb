"""`python -m tests.bench.parts.waiting`: the time from a job's end to the response, and the number of requests."""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from api_lambda.chalicelib.submitting.wait import LONGEST_PAUSE
from jobpipe.domain.clock import now
from jobpipe.domain.errors import InternalError
from jobpipe.domain.job_ref import JobRef
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs
from jobpipe_client import Client, Job
from tests.bench.laboratory.open_stage import open_stage
from tests.bench.laboratory.rounds import in_rounds
from tests.bench.parts.waiting_costs import HABITS, JOB_SECONDS, Tariff, learn
from tests.helpers.deployed import Stage, unique

MEMORY_MB = (128, 256, 512, 1024, 1769)
DEFAULT_MEMORY_MB = 1024
TARGET_MS = 50
_ENDS_AFTER = (0.05, 0.15, 0.5, 2.0)  # seconds; the pauses between two reads only grow for the first 0.2 s
_PHASES = 4  # the ends of jobs are spread evenly over the pause between two reads

Figures = dict[str, Any]


def measure(quick: bool) -> Figures:
    """Measure this part alone."""
    with open_stage() as stage:
        return measure_in(stage, quick)


def measure_in(stage: Stage, quick: bool) -> Figures:
    """Measure the delays of answers and the numbers of status requests."""
    jobs = 8 if quick else 9
    ordinary = _ordinary(stage, jobs)
    ends_after = {str(seconds): _ended_after(stage, seconds, jobs) for seconds in _ENDS_AFTER}
    return {
        "target_ms": TARGET_MS,
        "ordinary": {name: _percentiles(lags) for name, lags in ordinary.items()},
        "ends_after": {seconds: _percentiles(lags) for seconds, lags in ends_after.items()},
        "all_kinds": _percentiles(in_equal_parts([*ordinary.values(), *ends_after.values()])),
        "requests": _requests(stage, jobs),
        **costs(),
    }


def costs() -> Figures:
    """Compute the costs, which need no measurement."""
    tariffs = {memory: Tariff.of(memory) for memory in MEMORY_MB}
    return {
        "memory_mb": {
            str(memory): {
                "request_dollars_per_million": tariff.request * 1e6,
                "waited_second_dollars_per_million": tariff.waiting(1) * 1e6,
                "break_even_seconds": tariff.break_even(),
            }
            for memory, tariff in tariffs.items()
        },
        "habits": {
            habit.name: {
                str(seconds): {
                    "status_requests": effort.requests,
                    "waited_seconds": effort.waited,
                    "late_ms": effort.late * 1000,
                    "dollars_per_million": effort.dollars(tariffs[DEFAULT_MEMORY_MB]) * 1e6,
                }
                for seconds in JOB_SECONDS
                for effort in [learn(habit, seconds)]
            }
            for habit in HABITS
        },
    }


def rows(figures: Figures) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of measurements, the header first."""
    yield "answer after the job's end, ms", "p50", "p95", "samples"
    for name, lags in (*figures["ordinary"].items(), *figures["ends_after"].items()):
        label = name if name in figures["ordinary"] else ending_after(name)
        yield label, f"{lags['p50']:.0f}", f"{lags['p95']:.0f}", str(lags["n"])
    if "all_kinds" in figures:
        lags = figures["all_kinds"]
        yield "all kinds", f"{lags['p50']:.0f}", f"{lags['p95']:.0f}", str(lags["n"])
    yield "status requests of an ordinary job", "mean", "", "samples"
    for name, counted in figures["requests"].items():
        yield name, f"{counted['mean']:.2f}", "", str(counted["n"])


def ending_after(seconds: str) -> str:
    """Return the label of a request for a job that the benchmark ends."""
    return f"`?wait=20`, a job of {seconds} s"


def tables(figures: Figures) -> Iterator[str]:
    """Yield the computed costs as Markdown: by memory, and by habit and duration of the job."""
    yield "| memory, MB | a status request, $/million | a second of waiting, $/million | break-even, s |"
    yield "|---|---|---|---|"
    for memory, by in figures["memory_mb"].items():
        request, second = by["request_dollars_per_million"], by["waited_second_dollars_per_million"]
        yield f"| {memory} | {request:.2f} | {second:.2f} | {by['break_even_seconds']:.2f} |"
    yield ""
    yield "| status requests, $/million jobs, ms late | " + " | ".join(f"{s} s" for s in JOB_SECONDS) + " |"
    yield "|---" * (len(JOB_SECONDS) + 1) + "|"
    for habit, by in figures["habits"].items():
        cells = [
            f"{it['status_requests']}, {it['dollars_per_million']:.1f}, {it['late_ms']:.0f}" for it in by.values()
        ]
        yield f"| {habit} | " + " | ".join(cells) + " |"


def in_equal_parts(kinds: Sequence[list[float]]) -> list[float]:
    """Return the samples of all kinds in an order in which each round has a third of each kind."""
    rounds = zip(*map(in_rounds, kinds), strict=True)
    return [value for parts in rounds for part in parts for value in part]


def _ordinary(stage: Stage, jobs: int) -> dict[str, list[float]]:
    """Measure the time from `updated_at`, which precedes the transaction, to the answer."""
    requests: dict[str, Callable[[], Any]] = {
        "`?wait=3`": lambda: stage.request("GET", f"/jobs/{_accepted(stage)}?wait=3").json(),
        "`?wait`": lambda: stage.request("GET", f"/jobs/{_accepted(stage)}?wait=").json(),
        "`Prefer: wait=3`": lambda: _preferred(stage),
    }
    lags: dict[str, list[float]] = {name: [] for name in requests}
    for _ in range(jobs):
        for name, request in requests.items():  # in turns, so that load affects all of them alike
            job = request()
            if job["done"]:
                ended = datetime.fromisoformat(job["updated_at"])
                lags[name].append((_received(job) - ended).total_seconds() * 1000)
    return lags


def _accepted(stage: Stage) -> str:
    return str(stage.request("POST", "/items", _item()).json()["id"])


def _preferred(stage: Stage) -> Any:
    headers = {"Prefer": "wait=3", "Idempotency-Key": uuid.uuid4().hex}
    body = _item()
    stage.request("POST", "/items", body, headers=headers)
    received = now()
    del headers["Prefer"]
    return stage.request("POST", "/items", body, headers=headers).json() | {"received": received}


def _received(job: dict[str, Any]) -> datetime:
    return job.get("received") or now()


def _ended_after(stage: Stage, seconds: float, jobs: int) -> list[float]:
    """Measure jobs without a message: the time from before the write that ends them to the answer."""
    clients = AwsClients(make=lambda service, **_: stage.aws(service))
    store = DynamoDbJobs(clients, stage.resources["jobs_table"], timedelta(days=1))
    stage.aws("dynamodb")  # made here, because boto3's default session is not thread-safe

    def lag(number: int) -> float:
        ref, ended = JobRef(uuid.uuid4().hex, uuid.uuid4().hex[:16]), []
        stage.put_job(ref.job_id, ref.generation, str(uuid.uuid4()))

        def end() -> None:
            ended.append(time.perf_counter())
            store.fail(ref, InternalError("Ended by the bench.").to_problem(), now())

        timer = threading.Timer(seconds + LONGEST_PAUSE * (number % _PHASES) / _PHASES, end)
        timer.start()
        job = stage.request("GET", f"/jobs/{ref.job_id}?wait=20").json()
        answered = time.perf_counter()
        timer.join()
        if not job["done"]:
            raise RuntimeError("the answer came before the job had ended")
        return (answered - ended[0]) * 1000

    if seconds < 1:
        return [lag(number) for number in range(jobs)]
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lag, range(jobs)))


def _requests(stage: Stage, jobs: int) -> Figures:
    """Count the status requests of jobpipe's client, and of a client that polls by Retry-After."""
    client = Client(stage.deployment.base_url, stage.deployment.api_key)
    counted: list[str] = []
    get = client.transport.get

    def counting(path: str, *arguments: Any, **how: Any) -> Any:
        counted.append(path)
        return get(path, *arguments, **how)

    setattr(client.transport, "get", counting)  # noqa: B010

    def polled() -> None:
        job = client.create(_item())
        while not job.done:
            time.sleep(job.retry_after or 1)
            job = client.job(job.id)

    habits: dict[str, Callable[[], Job | Any]] = {
        "polls by Retry-After": polled,
        "`Client.wait`": lambda: client.wait(client.create(_item())),
        "`Client.sync`": lambda: client.sync.create(_item()),
    }
    figures = {}
    for name, habit in habits.items():
        counted.clear()
        times = max(1, jobs // 8) if habit is polled else jobs
        for _ in range(times):
            habit()
        figures[name] = {"mean": len(counted) / times, "n": times}
    client.close()
    return figures


def _item() -> dict[str, Any]:
    return {"name": unique("Tent"), "description": "For two"}


def _percentiles(values: list[float]) -> Figures:
    if len(values) < 2:
        raise RuntimeError("fewer than two jobs ended in time")
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    rounds = [round(statistics.median(each), 1) for each in in_rounds(values)]
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "n": len(values), "rounds": rounds}


def main(arguments: list[str]) -> None:
    """Print the tables. `--costs` only computes, `--quick` measures less, and `--json` prints the figures too."""
    figures = costs() if "--costs" in arguments else measure("--quick" in arguments)
    if "--costs" not in arguments:
        for row in rows(figures):
            print("  ".join(f"{cell:<38}" if i == 0 else f"{cell:>6}" for i, cell in enumerate(row)))  # noqa: T201
    for line in tables(figures):
        print(line)  # noqa: T201
    if "--json" in arguments:
        print(json.dumps(figures))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
