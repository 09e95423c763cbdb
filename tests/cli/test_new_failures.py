"""`jobpipe watch` finds each failure since its start once, however many come at once, and in whatever order."""

from __future__ import annotations

import io
import json
import random
import signal
import time

import pytest
from rich.console import Console

from jobpipe_client import Client
from jobpipe_client.cli.command import State
from jobpipe_client.cli.commands.watch import _View
from jobpipe_client.cli.watching.failures import NewFailures
from tests.cli.activity import put_job
from tests.cli.running import started, until
from tests.client.service import KEY, Service


@pytest.fixture
def failures(service: Service) -> NewFailures:
    return NewFailures(Client(service.url, KEY))


def put_failures(service: Service, count: int, at: float) -> list[str]:
    with service.changed:
        return [put_job(service, at - 1, at + n / 1000, "failed") for n in range(count)]


def found_in(failures: NewFailures, rounds: int) -> list[str]:
    return [job.id for _ in range(rounds) for job in failures.read()]


def lists_of_failed(service: Service) -> int:
    return sum(seen.query.get("status") == ["failed"] for seen in service.seen)


@pytest.mark.parametrize("before", [0, 5, 300])
def test_each_failure_is_found_once(service: Service, failures: NewFailures, before: int) -> None:
    now = time.time()
    put_failures(service, before, now - 400)
    assert len(failures.begin()) == min(before, 100)
    assert failures.read() == []
    new = put_failures(service, 405, now)
    assert found_in(failures, 3) == new, "the earliest first"
    later = put_failures(service, 3, now + 200)
    assert found_in(failures, 2) == later
    assert failures.count == 408


def test_a_round_is_bounded_and_the_next_ones_go_on(service: Service, failures: NewFailures) -> None:
    now = time.time()
    put_failures(service, 3, now - 400)
    failures.begin()
    new = put_failures(service, 1200, now)
    requests = lists_of_failed(service)
    first = found_in(failures, 1)
    assert (len(first), lists_of_failed(service) - requests) == (500, 5)
    rest = found_in(failures, 2)
    new += put_failures(service, 700, now + 100)
    rest += found_in(failures, 8)
    assert sorted(first + rest) == sorted(new)


@pytest.mark.parametrize("before", [0, 3])
def test_a_worker_whose_clock_is_ahead_hides_no_failure(
    service: Service, failures: NewFailures, before: int
) -> None:
    put_failures(service, before, time.time() + 400)
    failures.begin()
    new = put_failures(service, 2, time.time() + 300)
    assert sorted(found_in(failures, 2)) == sorted(new)
    later = put_failures(service, 5, time.time())
    assert sorted(found_in(failures, 2)) == sorted(later)


def test_a_failure_that_comes_into_the_list_late_is_found(service: Service, failures: NewFailures) -> None:
    now, chance = time.time() - 300, random.Random(7)
    put_failures(service, 120, now - 500)
    failures.begin()
    new: list[str] = []
    found: list[str] = []
    for second in range(0, 300, 5):
        for _ in range(20):
            late = chance.uniform(0, 50)
            new += put_failures(service, 1, now + second - late if second > 60 else now + second)
        found += found_in(failures, 1)
    found += found_in(failures, 3)
    assert sorted(found) == sorted(new)
    assert len(failures._known) < 1200, "what failed long ago is forgotten"


def test_a_job_that_fails_again_is_another_failure(service: Service, failures: NewFailures) -> None:
    now = time.time()
    (job,) = put_failures(service, 1, now - 100)
    failures.begin()
    service.jobs[job] |= {"retries": 1, "updated_at": service.jobs[put_failures(service, 1, now)[0]]["updated_at"]}
    assert sorted(found_in(failures, 2)) == sorted(service.jobs)
    assert {each.id for each in failures.latest(10)} == set(service.jobs)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_pipe_gets_every_failure_of_many(service: Service, form: str) -> None:
    more = ("--json",) if form == "json" else ()
    put_failures(service, 12, time.time() - 500)
    with started(service, "watch", "--interval", "0.2", *more) as watching:
        assert watching.stdout is not None
        until(lambda: lists_of_failed(service) >= 2)
        new = put_failures(service, 405, time.time())
        lines = [watching.stdout.readline() for _ in new]
        watching.send_signal(signal.SIGINT)
        lines += watching.communicate(timeout=30)[0].splitlines(keepends=True)
    found = [json.loads(line)["id"] for line in lines] if more else [line.split("\t")[0] for line in lines]
    assert found == new


@pytest.mark.usefixtures("jobpipe")
def test_a_terminal_shows_ten_and_says_how_many_there_are(service: Service) -> None:
    put_failures(service, 12, time.time() - 500)
    view = _View(State(), [])
    view.draw()
    console = Console(width=160, record=True, file=io.StringIO())
    new = put_failures(service, 10, time.time())
    console.print(view.draw())
    assert "earlier failures" not in console.export_text(clear=False)
    new += put_failures(service, 395, time.time() + 1)
    console.print(view.draw())
    shown = console.export_text()
    assert shown.rstrip().endswith("and 395 earlier failures since the start: `jobpipe failed` lists all")
    assert all(job in shown for job in new[-10:])
