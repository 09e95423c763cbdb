"""`jobpipe watch` while batches and other jobs run, on a terminal and in a pipe."""

from __future__ import annotations

import re
import signal
import time

import pytest

from jobpipe_client import Client
from jobpipe_client.cli.watching.activity import Activity
from jobpipe_client.cli.watching.sent_batches import SentBatches
from tests.cli.activity import ended, last_screen, note, put_job
from tests.cli.conftest import Jobpipe
from tests.cli.running import a_failed_job, a_job, on_a_terminal, started, until
from tests.client.service import KEY, Service

WIDTHS = (40, 60, 80, 120)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_header_is_whole_at_every_width(jobpipe: Jobpipe, service: Service, width: int) -> None:
    now = time.time()
    for n in range(90):
        put_job(service, now - 200 + n, now - 190 + n)
    for n in range(1500):
        put_job(service, now - 60 + n / 25, now - 58 + n / 25, "failed" if n == 1450 else "succeeded")
    job = a_failed_job(jobpipe)["id"]
    service.scheduled = 1000
    shown = on_a_terminal(service, {"COLUMNS": str(width), "NO_COLOR": "1"}, "watch", job, status=3)
    assert not re.search(r"\x1b\[[0-9;]*[34][0-9]", shown), "no colour"
    lines = last_screen(shown)
    assert all(len(line) <= width for line in lines)
    text = " ".join(line.strip() for line in lines)
    assert re.match(r"waiting: 0, .*scheduled: 1,000\+ last \d+ (seconds|minute)", text)
    rate = r"(?: \(2\d a second\))?"
    words = rf"last \d+ seconds: (\d+) jobs accepted{rate}, (\d+) ended{rate}, of which ([12]) failed"
    found = re.search(words, text)
    assert found, text
    assert all(200 <= int(number) <= 300 for number in found.groups()[:2])
    assert ("a second" in text) == (width >= 120)
    header = next(place for place, line in enumerate(lines) if line.startswith("1 job had failed before"))
    assert header <= {40: 4, 60: 3, 80: 2, 120: 2}[width]


def test_zeros_are_left_out_where_the_queue_does_not_fit_on_a_line(jobpipe: Jobpipe, service: Service) -> None:
    job = a_failed_job(jobpipe)["id"]
    service.paused_at = "2026-11-29T23:10:43+00:00"
    lines = last_screen(on_a_terminal(service, {"COLUMNS": "60"}, "watch", job, status=3))
    assert lines[0] == "PAUSED: since 2026-11-29 23:10:43 UTC"
    service.paused_at = None
    lines = last_screen(on_a_terminal(service, {"COLUMNS": "60"}, "watch", job, status=3))
    assert lines[0] == "waiting: 0"
    assert lines[1] == "last minute: 1 job accepted, 1 ended, of which 1 failed"
    assert not lines[2].startswith("last 5 minutes"), "it would say the same"


def test_a_batch_is_shown_until_it_has_ended(service: Service) -> None:
    service.pause()
    client = Client(service.url, KEY)
    read = {"operation": "read", "item_id": "none"}
    batch = client.submit_batch([read, read, {"operation": "fly"}])
    with started(service, "watch", "--interval", "0.2") as watching:
        assert note(watching, "batch-") == f"{batch.id}: 1 of 3 commands, none failed, 1 refused"
        client.cancel(str(batch.entries[1].job_id))
        service.resume()
        assert note(watching, "batch-") == f"{batch.id}: finished, 3 commands, 1 failed, 1 refused, 1 cancelled"
        ended(watching)


def test_batches_of_which_only_the_last_are_known_say_so(service: Service) -> None:
    client = Client(service.url, KEY)
    tent = {"operation": "create", "item": {"name": "Tent", "description": "d"}}
    service.pause()
    for number in (5, 6):
        client.submit_batch([tent] * 20, idempotency_key=f"import-{'0a' * 12}-{number}")
    batches, now = SentBatches(client), time.time()
    batches.note(client.jobs(), now)
    batches.read(now)
    (found,) = batches.sendings(now)
    assert (found.name, found.parts()) == ("import 0a0a0a0a", ["0 of 40 rows in 2 of its 7 batches", "none failed"])
    assert found.state == "running"
    for job in service.jobs.values():
        job |= {"status": "succeeded", "done": True}
    batches.read(now + 1)
    assert batches.sendings(now + 1)[0].state == "running", "it may send another batch"
    batches.read(now + 16)
    assert batches.sendings(now + 16)[0].state == "ended"
    assert not batches.has_open()
    batches.read(now + 80)
    assert batches.sendings(now + 80) == []


def test_an_import_from_elsewhere_has_the_name_of_its_file(service: Service) -> None:
    client = Client(service.url, KEY)
    service.pause()
    read = {"operation": "read", "item_id": "none"}
    client.submit_batch([read], idempotency_key=f"import-{'0a' * 12}-0", name="tents.csv")
    client.submit_batch([read], name="reads")
    batches, now = SentBatches(client), time.time()
    batches.note(client.jobs(), now)
    batches.read(now)
    assert {found.name for found in batches.sendings(now)} == {"tents.csv", "reads"}


def test_batches_that_ended_long_ago_are_not_read(service: Service) -> None:
    client = Client(service.url, KEY)
    for _ in range(3):
        client.submit_batch([{"operation": "read", "item_id": "none"}])
    until(lambda: all(job["done"] for job in service.jobs.values()))
    batches = SentBatches(client)
    batches.note(client.jobs(), time.time() + 100)
    assert not batches.has_open()
    batches.note(client.jobs(), time.time())
    assert batches.has_open()


def test_a_batch_that_expires_is_forgotten(service: Service) -> None:
    service.pause()
    client = Client(service.url, KEY)
    client.submit_batch([{"operation": "read", "item_id": "none"}])
    batches, now = SentBatches(client), time.time()
    batches.note(client.jobs(), now)
    batches.read(now)
    assert batches.has_open()
    service.batches.forget()
    batches.read(now + 1)
    assert not batches.has_open()
    assert [each.state for each in batches.sendings(now + 1)] == ["ended"]


@pytest.mark.slow
def test_a_pipe_gets_no_flood_of_notes(jobpipe: Jobpipe, service: Service) -> None:
    with started(service, "watch", "--interval", "0.2") as watching:
        until(lambda: sum(seen.path == "/jobs" for seen in service.seen) >= 4)
        for _ in range(30):
            a_job(jobpipe, "--wait", command='{"operation": "read", "item_id": "none"}')
            time.sleep(0.05)
        first = note(watching, "last minute")
        assert re.fullmatch(r"last minute: \d+ jobs? accepted, (none|\d+) ended(, of which \d+ failed)?", first)
        for _ in range(50):  # the numbers go on changing
            a_job(jobpipe, "--wait", command='{"operation": "read", "item_id": "none"}')
            time.sleep(0.1)
        assert ended(watching) == ["jobpipe: interrupted"]


def test_a_pipe_of_a_quiet_stage_gets_nothing_and_the_list_is_read_seldom(service: Service) -> None:
    with started(service, "watch", "--interval", "0.2") as watching:
        until(lambda: sum(seen.path == "/jobs" for seen in service.seen) >= 20)
        watching.send_signal(signal.SIGINT)
        assert watching.communicate(timeout=30) == ("", "jobpipe: interrupted\n")
    assert sum(seen.path == "/jobs" and "status" not in seen.query for seen in service.seen) <= 2


def test_with_jobs_a_pipe_gets_these_jobs_only(jobpipe: Jobpipe, service: Service) -> None:
    job = a_failed_job(jobpipe)["id"]
    done = jobpipe("watch", job)
    assert (done.exit_code, done.stderr) == (3, "")
    assert all("status" in seen.query for seen in service.seen if (seen.method, seen.path) == ("GET", "/jobs"))


def test_a_slow_round_is_followed_by_a_pause_of_its_length(service: Service) -> None:
    service.silent_for = 0.25  # before each of three answers or more
    with started(service, "watch", "--interval", "0.2") as watching:
        until(lambda: sum(seen.path == "/jobs" for seen in service.seen) >= 4)
        before, began = len(service.seen), time.monotonic()
        until(lambda: len(service.seen) >= before + 8)
        took = time.monotonic() - began
        ended(watching)
    assert took > 8 * service.silent_for * 1.5


def test_a_list_that_is_read_slowly_is_read_less_often(service: Service) -> None:
    put_job(service, time.time())
    activity = Activity(Client(service.url, KEY))
    service.silent_for = 1.1  # with it, a pause of four readings is longer than the one after a quick reading
    began = time.monotonic()
    activity.read()
    took, read = time.monotonic() - began, len(service.seen)
    while len(service.seen) == read:
        time.sleep(0.02)
        activity.read()
    assert time.monotonic() - began >= 5 * took + 1, "a pause of four readings, and the second reading"
