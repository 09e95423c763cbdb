"""`jobpipe watch` goes on after an outage of the service, and neither loses a failure nor repeats one."""

from __future__ import annotations

import io
import json
import re
import signal
import time
from collections.abc import Callable
from itertools import count

import pytest
from rich.console import Console

from jobpipe_client import Client
from jobpipe_client.cli.output.output import Output
from jobpipe_client.cli.polling import show_repeatedly
from jobpipe_client.cli.watching.failures import NewFailures
from jobpipe_client.cli.watching.recent_jobs import RecentJobs
from jobpipe_client.cli.watching.sent_batches import SentBatches
from jobpipe_client.exceptions import ProblemError, error_for
from jobpipe_client.problem import Problem
from tests.cli.activity import end_job, last_screen, put_job
from tests.cli.conftest import Jobpipe
from tests.cli.running import documents, started, until
from tests.client.service import KEY, Canned, Seen, Service
from tests.client.service_state import problem

SERVER_ERROR = Canned(500, {}, problem(500, "internal-error"))


def put_failures(service: Service, number: int) -> list[str]:
    now = time.time()
    with service.changed:
        return [put_job(service, now - 1, now + n / 1000, "failed") for n in range(number)]


def rounds(service: Service) -> int:
    return sum(seen.query.get("status") == ["retrying"] for seen in service.seen)


def fails_once(number: int) -> Callable[[Seen], Canned | None]:
    """Return an outage of one request: the one of this number."""
    numbers = count(1)
    return lambda _: SERVER_ERROR if next(numbers) == number else None


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (500, {}),
        pytest.param(502, {}, marks=pytest.mark.slow),
        pytest.param(503, {}, marks=pytest.mark.slow),
        pytest.param(503, {"Retry-After": "1"}, marks=pytest.mark.slow),
        pytest.param(429, {"Retry-After": "1"}, marks=pytest.mark.slow),
    ],
)
def test_failures_of_an_outage_are_written_once_after_it(
    service: Service, status: int, headers: dict[str, str]
) -> None:
    put_failures(service, 2)
    with started(service, "watch", "--interval", "0.2", "--json") as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        assert watching.stderr.readline().startswith("2 jobs had failed before")
        new = put_failures(service, 3)
        written = [json.loads(watching.stdout.readline())["id"] for _ in new]
        until(lambda: rounds(service) >= 2)
        service.outage = lambda _: Canned(status, headers, problem(status, "unavailable"))
        until(lambda: watching.stderr.readline().endswith("; retrying until the service responds\n"))
        new += put_failures(service, 4)
        requests = len(service.seen)
        until(lambda: len(service.seen) > requests + 1)
        service.outage = lambda _: None
        written += [json.loads(watching.stdout.readline())["id"] for _ in range(4)]
        said = watching.stderr.readline()
        assert re.fullmatch("it responds again, after [0-9]+ s\n", said), "an outage is told once"
        watching.send_signal(signal.SIGINT)
        rest, complained = watching.communicate(timeout=30)
    assert watching.returncode == 130, complained
    assert written + [job["id"] for job in documents(rest)] == new


def test_a_stage_that_does_not_answer_at_first_is_an_error(jobpipe: Jobpipe, service: Service) -> None:
    service.outage = lambda _: SERVER_ERROR
    jobpipe.fails(1, "watch")


def test_a_mistake_is_an_error_at_any_time(service: Service) -> None:
    with started(service, "watch", "--interval", "0.2", "--json") as watching:
        until(lambda: rounds(service) >= 2)
        service.outage = lambda _: Canned(403, {}, problem(403))
        _, complained = watching.communicate(timeout=30)
    assert watching.returncode == 1
    assert complained.startswith("jobpipe: ")


@pytest.mark.parametrize("number", range(1, 8))
def test_a_failed_request_loses_no_failure(service: Service, number: int) -> None:
    failures = NewFailures(Client(service.url, KEY))
    failures.begin()
    new = put_failures(service, 650)
    service.outage = fails_once(number)
    found: list[str] = []
    errors = 0
    for _ in range(6):
        try:
            found += [job.id for job in failures.read()]
        except ProblemError:
            errors += 1
    assert errors == 1
    assert sorted(found) == sorted(new)
    assert failures.count == len(new)


@pytest.mark.parametrize("number", range(1, 5))
def test_a_batch_whose_reading_failed_is_read_again(service: Service, number: int) -> None:
    client, now = Client(service.url, KEY), time.time()
    service.pause()
    for _ in range(2):
        client.submit_batch([{"operation": "read", "item_id": "none"}])
    batches = SentBatches(client)
    batches.note(client.jobs(), now)
    service.outage = fails_once(number)
    errors = 0
    for round_number in range(2):
        try:
            batches.read(now + round_number)
        except ProblemError:
            errors += 1
    assert errors == 1
    batches.read(now + 2)
    assert [each.state for each in batches.sendings(now + 2)] == ["running", "running"]
    for job in service.jobs.values():
        job |= {"status": "succeeded", "done": True}
    batches.read(now + 3)
    assert [each.state for each in batches.sendings(now + 3)] == ["ended", "ended"]
    assert not batches.has_open()


def test_the_ends_of_jobs_are_not_known_until_they_were_read(service: Service) -> None:
    now = time.time()
    jobs, recent = [put_job(service, now - 30) for _ in range(3)], RecentJobs(Client(service.url, KEY))
    recent.read(now)
    for each in range(320):  # so that the others are not among the newest
        put_job(service, now + 2 + each / 1000)
    end_job(service, jobs[0], now + 2)
    service.outage = lambda seen: SERVER_ERROR if "until" in seen.query else None
    with pytest.raises(ProblemError):
        recent.read(now + 5)
    counts = recent.counts(now + 5, 60)
    assert counts is not None
    assert counts.late == pytest.approx(5)
    service.outage = lambda _: None
    recent.read(now + 6)
    counts = recent.counts(now + 6, 60)
    assert counts is not None
    assert counts.late == pytest.approx(0)
    assert counts.ended == 1


def test_a_terminal_keeps_the_last_picture_and_says_since_when_nothing_answers() -> None:
    shown, output = io.StringIO(), Output(json=False, color=False)
    output.out = Console(file=shown, force_terminal=True, width=100, color_system=None)
    pictures = iter(["first picture", None, "third picture"])

    def draw() -> str:
        picture = next(pictures)
        if picture is None:
            raise error_for(Problem.of(problem(503, "unavailable"), status=503, title=""))
        return picture

    ends = iter([False, False, True])
    show_repeatedly(output, 0.01, write=draw, draw=draw, has_ended=lambda: next(ends))
    erasing = r"\r\x1b\[2K(?:\x1b\[1A\x1b\[2K)*"
    first, second, third = (last_screen(frame) for frame in re.split(erasing, shown.getvalue())[:3])
    assert first == ["first picture"]
    assert second[0] == "first picture"
    assert re.match("no response for [0-9]+ s, retrying: ", second[1])
    assert third == ["third picture"]
