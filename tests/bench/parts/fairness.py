"""`python -m tests.bench.parts.fairness`: the time of a polite caller's jobs while another one floods the stage.

The flooding caller sends batches at a steady rate, whatever it is answered. The stage limits an owner's commands
(OwnerRate); the burst that the flooding caller may send is over when the measurement begins. For comparison, the
stage is also flooded without a limit, with batches of a hundred.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from typing import Any

import requests
import tenacity

from api_lambda.chalicelib.http.callers import Role
from jobpipe.domain.jobs.batch import MAX_COMMANDS
from jobpipe_client import Client
from tests.bench.laboratory.open_stage import open_stage
from tests.bench.laboratory.rounds import QUICK_ROUNDS, ROUNDS
from tests.helpers.deployed import WAIT, Stage, unique

RATE, BURST = 2, 200  # of an owner's commands; the polite caller's jobs fit into them
JOBS, QUICK_JOBS = 15, 5  # of the polite caller, in each turn
_TURNS = 3  # in each round, so that load on the machine affects both alike
_PAUSE = 0.05  # seconds between two jobs of the polite caller
_UNLIMITED_SECONDS = 2.0  # of the flood without a limit, before the polite caller's jobs
_UNLIMITED_JOBS = 4  # at once
_BATCHES, _COMMANDS = 10, 10  # of the flooding caller, a second; and in each
_LEAD = 1.0  # seconds of each flood before the polite caller's jobs, in which its allowance ends
_SENDERS = 4  # so that one that waits for an answer does not delay the next batch
_LONGEST = 120.0  # seconds until the queue is empty again
_UPDATE_SECONDS = 30.0

Figures = dict[str, Any]


def measure(quick: bool) -> Figures:
    """Measure this part alone."""
    with open_stage() as stage:
        return measure_in(stage, quick)


def measure_in(stage: Stage, quick: bool) -> Figures:
    """Measure the polite caller alone and beside the flooding one, in turns."""
    jobs = QUICK_JOBS if quick else JOBS
    polite, flooding = (stage.api_keys.add(owner, Role.WRITER).value for owner in ("polite", "flooding"))
    alone: list[list[float]] = []
    beside: list[list[float]] = []
    answers: Counter[int] = Counter()
    with _limited(stage, RATE):
        _times(stage, polite, QUICK_JOBS)  # until the new processes are warm
        for _ in range(BURST // MAX_COMMANDS):
            _send_batch(stage, flooding, MAX_COMMANDS)
        _wait_until_empty(stage)
        for _ in range(QUICK_ROUNDS if quick else ROUNDS):
            calm, flooded = [], []
            for _ in range(_TURNS):
                calm += _times(stage, polite, jobs)
                with _flood(stage, flooding, _COMMANDS) as answered:
                    time.sleep(_LEAD)
                    flooded += _times(stage, polite, jobs)
                answers += answered
                _wait_until_empty(stage)
            alone.append(calm)
            beside.append(flooded)
    _times(stage, polite, QUICK_JOBS)
    with _flood(stage, flooding, MAX_COMMANDS):
        time.sleep(_UNLIMITED_SECONDS)
    with ThreadPoolExecutor(_UNLIMITED_JOBS) as pool:
        unlimited = list(pool.map(lambda _: _time(stage, polite), range(_UNLIMITED_JOBS)))
    _wait_until_empty(stage)
    rounds = [_p95(flooded) / _p95(calm) for calm, flooded in zip(alone, beside, strict=True)]
    return {
        "alone": _percentiles(list(chain(*alone))),
        "beside": _percentiles(list(chain(*beside))),
        "unlimited": _percentiles(unlimited),
        "ratio": {"median": round(statistics.median(rounds), 2), "rounds": [round(each, 2) for each in rounds]},
        "offered": _BATCHES * _COMMANDS,
        "refused": answers[requests.codes.too_many_requests],
        "accepted": answers[requests.codes.accepted],
    }


def rows(figures: Figures) -> Iterator[tuple[str, ...]]:
    """Yield the header of the table, and then its rows."""
    yield "a polite caller's job, ms", "p50", "p95", "samples"
    offered = f"{figures['offered']} commands/s by another caller"
    labels = {
        "alone": "alone",
        "beside": f"{offered}, limited to {RATE}/s",
        "unlimited": f"after {_UNLIMITED_SECONDS:.0f} s of {_BATCHES * MAX_COMMANDS} commands/s, not limited",
    }
    for name, label in labels.items():
        found = figures[name]
        yield label, f"{found['p50']:.0f}", f"{found['p95']:.0f}", str(found["n"])


def _times(stage: Stage, key: str, jobs: int) -> list[float]:
    """Return the milliseconds of the polite caller's jobs, from the request until their end."""
    times = []
    for _ in range(jobs):
        time.sleep(_PAUSE)
        times.append(_time(stage, key))
    return times


def _time(stage: Stage, key: str) -> float:
    started = time.perf_counter()
    answer = stage.request("POST", "/items", _item(), headers=WAIT, key=key)
    if answer.status_code == requests.codes.accepted:  # it has not ended in time
        with Client(stage.deployment.base_url, key) as client:
            client.wait(client.job(answer.json()["id"]))
    elif answer.status_code != requests.codes.created:
        raise RuntimeError(f"the polite caller was answered {answer.status_code}: {answer.text}")
    return (time.perf_counter() - started) * 1000


def _send_batch(stage: Stage, key: str, size: int) -> int:
    commands = [{"operation": "create", "item": _item()} for _ in range(size)]
    return stage.request("POST", "/batches", {"commands": commands}, key=key).status_code


@contextmanager
def _flood(stage: Stage, key: str, size: int) -> Iterator[Counter[int]]:
    """Send batches of this size during the block; yield their answers, counted by status."""
    answers: Counter[int] = Counter()
    stopped = threading.Event()

    def send() -> None:
        answers[_send_batch(stage, key, size)] += 1

    def flood() -> None:
        with ThreadPoolExecutor(_SENDERS) as pool:
            while not stopped.wait(1 / _BATCHES):
                pool.submit(send)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield answers
    finally:
        stopped.set()
        thread.join()


@contextmanager
def _limited(stage: Stage, rate: int) -> Iterator[None]:
    """Limit the commands of each owner during the block."""
    functions, name = stage.aws("lambda"), stage.resources["api_function"]
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    _update(functions, name, {**variables, "OWNER_RATE": str(rate), "OWNER_BURST": str(BURST)})
    try:
        yield
    finally:
        _update(functions, name, variables)


def _update(functions: Any, name: str, variables: dict[str, str]) -> None:
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    tenacity.Retrying(  # boto3's waiter polls every few seconds only
        retry=tenacity.retry_if_result(lambda found: found["LastUpdateStatus"] != "Successful"),
        stop=tenacity.stop_after_delay(_UPDATE_SECONDS),
        wait=tenacity.wait_fixed(0.02),
    )(functions.get_function_configuration, FunctionName=name)


@tenacity.retry(
    retry=tenacity.retry_if_result(lambda is_empty: not is_empty),
    stop=tenacity.stop_after_delay(_LONGEST),
    wait=tenacity.wait_fixed(0.2),
)
def _wait_until_empty(stage: Stage) -> bool:
    stats = stage.client.stats()
    return stats.waiting + stats.in_flight + stats.delayed == 0


def _item() -> dict[str, str]:
    return {"name": unique("Tent"), "description": "For two"}


def _percentiles(values: Sequence[float]) -> Figures:
    return {"p50": statistics.median(values), "p95": _p95(values), "n": len(values)}


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    figures = measure(quick=False)
    for row in rows(figures):
        print("  ".join(f"{cell:<50}" if i == 0 else f"{cell:>7}" for i, cell in enumerate(row)))  # noqa: T201
    print(figures["ratio"], figures["accepted"], "batches accepted,", figures["refused"], "refused")  # noqa: T201
