"""stats and watch."""

from __future__ import annotations

import json
import signal

import pytest

from jobpipe.domain.jobs.scheduled import MOST_COUNTED
from tests.cli.conftest import Jobpipe
from tests.cli.running import a_failed_job, a_job, documents, on_a_terminal, started, until
from tests.client.service import Canned, Service


def test_stats_in_both_forms(jobpipe: Jobpipe, service: Service) -> None:
    service.pause()
    a_job(jobpipe)
    done = jobpipe("stats")
    assert done.exit_code == 0
    assert "waiting\t1\n" in done.stdout
    assert "oldest\tunknown\n" in done.stdout
    assert done.stderr.startswith("no outcomes: ")
    told = json.loads(jobpipe.does("stats", "--json"))
    assert (told["waiting"], told["parked"], told["outcomes"]) == (1, 0, None)
    assert told["outcomes_missing"]


@pytest.mark.parametrize(
    ("scheduled", "shown"), [(0, "0"), (7, "7"), (999, "999"), (MOST_COUNTED, "1,000+")], ids=lambda each: f"{each}"
)
def test_scheduled_commands_are_counted(jobpipe: Jobpipe, service: Service, scheduled: int, shown: str) -> None:
    service.scheduled = scheduled
    assert f"scheduled\t{shown}\n" in jobpipe.does("stats")
    assert json.loads(jobpipe.does("stats", "--json"))["scheduled"] == scheduled
    watched = on_a_terminal(service, {}, "watch", a_failed_job(jobpipe)["id"], status=3)
    assert f"scheduled: {shown}" in " ".join(watched.split())


def test_an_older_service_counts_no_scheduled_commands(jobpipe: Jobpipe, service: Service) -> None:
    counts = {"waiting": 0, "in_flight": 0, "delayed": 0, "oldest_seconds": None}
    older = {"at": "2026-11-29T23:10:43Z", "queue": counts, "paused_at": None, "dead_letters": 0, "parked": 0}
    service.canned.append(Canned(200, {}, older))
    assert "scheduled" not in jobpipe.does("stats")


def test_stats_are_watched_until_ctrl_c(service: Service) -> None:
    with started(service, "stats", "--watch", "--interval", "0.2", "--json") as watching:
        until(lambda: len([seen for seen in service.seen if seen.path == "/stats"]) >= 3)
        watching.send_signal(signal.SIGINT)
        said, complained = watching.communicate(timeout=30)
    assert watching.returncode == 130, complained
    assert len(documents(said)) >= 2


def test_watch_prints_each_change_until_the_jobs_have_ended(jobpipe: Jobpipe, service: Service) -> None:
    service.pause()
    job = a_job(jobpipe)["id"]
    with started(service, "watch", job, "--interval", "0.2", "--json") as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["status"] == "queued"
        service.resume()
        said, complained = watching.communicate(timeout=30)
    assert watching.returncode == 0, complained
    assert [each["status"] for each in documents(said)] == ["succeeded"]
    assert jobpipe("watch", a_failed_job(jobpipe)["id"]).exit_code == 3
    assert jobpipe.fails(1, "watch", "none")


@pytest.mark.parametrize(("by", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_watching(jobpipe: Jobpipe, service: Service, by: signal.Signals, status: int) -> None:
    with started(service, "watch", "--interval", "0.2") as watching:
        assert watching.stdout is not None
        until(lambda: sum(seen.path == "/jobs" for seen in service.seen) >= 4)  # it has seen that none has failed
        a_failed_job(jobpipe)
        assert "failed" in watching.stdout.readline()
        watching.send_signal(by)
        _, complained = watching.communicate(timeout=30)
    assert (watching.returncode, complained) == (status, "jobpipe: interrupted\n")


@pytest.mark.parametrize(("count", "shown"), [(1, "1 job"), (12, "12 jobs"), (101, "100 jobs or more")])
def test_old_failures_are_one_line_with_their_number(
    jobpipe: Jobpipe, service: Service, count: int, shown: str
) -> None:
    old = a_failed_job(jobpipe)
    for n in range(1, count):
        job_id = f"{n:032x}"
        service.jobs[job_id] = {**service.jobs[old["id"]], "id": job_id}
    with started(service, "watch", "--interval", "0.2") as watching:
        assert watching.stderr is not None
        assert watching.stderr.readline().startswith(f"{shown} had failed before: `jobpipe failed` lists them")
        new = a_failed_job(jobpipe)["id"]
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith(f"{new}\tfailed\t"), "it failed since then"
        watching.send_signal(signal.SIGINT)
        assert watching.communicate(timeout=30)[0] == ""


def test_an_old_failure_that_is_retried_and_fails_again_is_shown(jobpipe: Jobpipe, service: Service) -> None:
    old = str(a_failed_job(jobpipe)["id"])
    with started(service, "watch", "--interval", "0.2") as watching:
        assert watching.stderr is not None
        assert watching.stderr.readline().startswith("1 job had failed before")
        jobpipe.does("retry", old)
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith(f"{old}\tfailed\t")


def test_old_failures_are_one_line_on_a_terminal(jobpipe: Jobpipe, service: Service) -> None:
    for _ in range(3):
        a_failed_job(jobpipe)
    watched = on_a_terminal(service, {}, "watch", a_failed_job(jobpipe)["id"], status=3)
    assert "3 jobs had failed before" in " ".join(watched.split())
    assert "no failed or retrying jobs since then" not in watched, "the job that is watched is shown"


@pytest.mark.parametrize("interval", ["inf", "nan", "1e10", "0.1"])
@pytest.mark.parametrize("command", ["watch", "stats"])
def test_an_interval_must_be_between_200_ms_and_a_day(jobpipe: Jobpipe, command: str, interval: str) -> None:
    jobpipe.fails(2, command, "--interval", interval)


def test_a_writers_key_watches_jobs_without_the_queue(jobpipe: Jobpipe, service: Service) -> None:
    service.role = "writer"
    job = a_failed_job(jobpipe)
    shown = on_a_terminal(service, {}, "watch", job["id"], status=3)
    assert "no counts of the queue: 403 forbidden: The role of this key, writer, does not" in " ".join(
        shown.split()
    )
    assert "failed" in shown
    line = jobpipe.fails(1, "stats")
    assert line.startswith("jobpipe: 403 forbidden: The role of this key, writer, does not allow this request")
    assert "the key is wrong" not in line
