"""`jobpipe watch` beside imports, batches and other jobs: on a terminal, and in a pipe."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobpipe_client import Client
from jobpipe_client.cli.importing.running import announced, running_imports
from jobpipe_client.cli.watching import journals
from jobpipe_client.cli.watching.recent_jobs import Counts
from jobpipe_client.cli.watching.sent_batches import SentBatches
from tests.cli.activity import last_screen, put_job, tents
from tests.cli.conftest import Jobpipe
from tests.cli.running import a_failed_job, a_job, on_a_terminal, started, until
from tests.client.service import KEY, Service
from tests.helpers import commands

WIDTHS = (40, 60, 80, 120)
JOB_LISTS_OFF = "no throughput and no batches: this stage has JobLists=off"


@pytest.fixture(autouse=True)
def _notes_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)


@contextmanager
def importing(service: Service, path: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY, **environment)
    command = (sys.executable, "-m", "jobpipe_client.cli", "import", str(path), *arguments)
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=commands.ROOT, env=env, text=True, **quiet) as running:
        try:
            yield running
        finally:
            running.kill()


def note(watching: subprocess.Popen[str], beginning: str) -> str:
    """Return the next note that begins so."""
    assert watching.stderr is not None
    for line in watching.stderr:
        if line.startswith(beginning):
            return line.rstrip()
    raise AssertionError(f"no note begins with {beginning!r}")


def ended(watching: subprocess.Popen[str]) -> list[str]:
    """End it by Ctrl-C, and return the rest of its notes."""
    watching.send_signal(signal.SIGINT)
    return watching.communicate(timeout=30)[1].splitlines()


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


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
def test_an_import_that_was_interrupted_says_so_and_can_be_continued(
    service: Service, tmp_path: Path, by: signal.Signals
) -> None:
    service.pause()
    path = tents(tmp_path / "tents.jsonl", 100)
    with started(service, "watch", "--interval", "0.2") as watching:
        with importing(service, path, "--batch-size", "10") as running:
            assert note(watching, "tents.jsonl").endswith("0 of about 100 rows, none failed")
            running.send_signal(by)
        assert note(watching, "tents.jsonl").endswith("0 of about 100 rows, none failed, interrupted")
        assert running_imports() == {}
        with importing(service, path, "--batch-size", "10"):
            assert note(watching, "tents.jsonl").endswith("0 of about 100 rows, none failed")
            service.resume()
            assert note(watching, "tents.jsonl").endswith("ended: 100 rows, none failed")
        ended(watching)


def test_an_import_from_elsewhere_is_known_by_its_batches(service: Service, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    service.pause()
    path = tents(tmp_path / "tents.jsonl", 40)
    with (
        importing(service, path, "--batch-size", "10", TMPDIR=str(tmp_path / "elsewhere")),
        started(service, "watch", "--interval", "0.2") as watching,
    ):
        found = note(watching, "import ")
        assert re.fullmatch(
            r"import [0-9a-f]{8}: 0 of \d0 rows (sent so far|in \d of its 4 batches), none failed", found
        )
        ended(watching)


def test_an_import_into_another_stage_is_not_shown(service: Service, tmp_path: Path) -> None:
    other = Service()
    try:
        other.pause()
        with importing(other, tents(tmp_path / "tents.jsonl", 10)):
            until(running_imports)
            found = journals.RunningImports(service.url)
            assert found.read(0) == []
            assert [each.name for each in journals.RunningImports(other.url).read(0)] == ["tents.jsonl"]
    finally:
        other.stop()


def test_the_size_of_a_large_file_is_estimated_by_its_bytes(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "_MOST_READ", 100)
    path = tmp_path / "tents.csv"
    path.write_text("name,description\n" + "".join(f'Tent {n:04},"two\nlines"\n' for n in range(500)))
    service.batches.open.clear()
    with importing(service, path, "--batch-size", "50", "--concurrency", "1") as running:
        until(running_imports)
        found = journals.RunningImports(service.url)
        assert [(each.size, each.ended) for each in found.read(0)] == [(None, 0)]
        service.batches.open.set()
        until(lambda: 0 < found.read(0)[0].ended < 500)
        (seen,) = found.read(0)
        assert (seen.size, seen.is_estimate) == (500, True), "all rows have the same length"
        assert running.wait(60) == 0
        (seen,) = found.read(1)
        assert (seen.size, seen.ended, seen.is_estimate, seen.state) == (500, 500, False, "ended")
        assert found.read(100) == []


def test_the_journals_say_what_the_list_of_jobs_cannot(service: Service, tmp_path: Path) -> None:
    service.pause()
    path = tents(tmp_path / "tents.jsonl", 120, refused=2)
    path.write_text(path.read_text() + "{\n")  # a row that is no command
    listed = Counts(60, 0, 7, None, 0, "at least")
    with importing(service, path, "--batch-size", "10") as running:
        until(running_imports)
        found, other = journals.RunningImports(service.url), journals.RunningImports("http://other")
        until(lambda: found.read(0) != [])
        other.read(0)
        service.batches.open.clear()
        found.read(100)
        assert found.at_least(listed, 110) == listed, "nothing has ended"
        service.resume()
        service.batches.open.set()
        assert running.wait(60) == 3
    found.read(130)
    other.read(130)
    seen = found.at_least(listed, 150)
    assert (seen.ended, seen.failed) == (120, 2)
    assert 40 <= seen.accepted < 120, "those that were sent after the first reading"
    assert found.at_least(replace(listed, accepted=900, ended=800, failed=3), 150) == replace(
        listed, accepted=900, ended=800, failed=3
    )
    assert other.at_least(listed, 150) == listed
    assert found.at_least(replace(listed, precision="about"), 150).accepted == 7
    assert found.at_least(listed, 110) == listed, "it was later"


def test_rows_of_several_lines_are_not_counted_as_lines(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "tents.csv"
    path.write_text("name,description\n" + "".join(f'Tent {n:04},"two\nlines"\n' for n in range(500)))
    with importing(service, path, "--batch-size", "50", "--concurrency", "1"):
        until(running_imports)
        found = journals.RunningImports(service.url)
        until(lambda: found.read(0)[0].ended > 0)
        assert found.read(0)[0].size == 500


def test_a_batch_is_shown_until_it_has_ended(service: Service) -> None:
    service.pause()
    client = Client(service.url, KEY)
    read = {"operation": "read", "item_id": "none"}
    batch = client.submit_batch([read, read, {"operation": "fly"}])
    with started(service, "watch", "--interval", "0.2") as watching:
        assert note(watching, "batch-") == f"{batch.id}: 1 of 3 commands, 1 failed"
        client.cancel(str(batch.entries[1].job_id))
        service.resume()
        assert note(watching, "batch-") == f"{batch.id}: ended: 3 commands, 2 failed, 1 cancelled"
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


def test_without_the_list_of_all_jobs_one_line_says_so(jobpipe: Jobpipe, service: Service, tmp_path: Path) -> None:
    service.job_lists = False
    job = a_failed_job(jobpipe)["id"]
    shown = on_a_terminal(service, {"COLUMNS": "60"}, "watch", job, status=3)
    assert last_screen(shown)[1] == JOB_LISTS_OFF
    service.pause()
    with (
        importing(service, tents(tmp_path / "tents.jsonl", 10)),
        started(service, "watch", "--interval", "0.2") as watching,
    ):
        assert note(watching, "no throughput") == JOB_LISTS_OFF
        assert note(watching, "tents.jsonl") == "tents.jsonl: 0 of about 10 rows, none failed"
        before = len(service.seen)
        until(lambda: len(service.seen) > before + 8)
        assert ended(watching) == ["jobpipe: interrupted"], "it is said once"
    lists = [seen for seen in service.seen if seen.path == "/jobs" and seen.method == "GET"]
    assert sum("status" not in seen.query for seen in lists) == 2, "it is asked once in each watch"


def test_a_pipe_gets_no_flood_of_notes(jobpipe: Jobpipe, service: Service) -> None:
    with started(service, "watch", "--interval", "0.2") as watching:
        until(lambda: sum(seen.path == "/jobs" for seen in service.seen) >= 4)
        for _ in range(30):
            a_job(jobpipe, "--wait", command='{"operation": "read", "item_id": "none"}')
            time.sleep(0.05)
        first = note(watching, "last minute")
        assert re.fullmatch(r"last minute: \d+ jobs? accepted, (none|\d+) ended(, of which \d+ failed)?", first)
        time.sleep(3)
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


def test_a_note_of_another_user_or_in_an_open_folder_is_not_read(tmp_path: Path) -> None:
    journal = tmp_path / "a.jobpipe-import"
    key = f"import-{'0' * 24}"
    with announced(key, journal):
        assert running_imports() == {key: journal}
        folder = tmp_path / "notes" / f"jobpipe-imports-{os.getuid()}"
        folder.chmod(0o777)
        assert running_imports() == {}
        with announced(f"import-{'1' * 24}", journal):
            pass
        assert [each.name for each in folder.iterdir()] == [key]
        folder.chmod(0o700)
        assert running_imports() == {key: journal}
    assert running_imports() == {}


def test_an_import_works_where_no_note_can_be_kept(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "notes" / f"jobpipe-imports-{os.getuid()}"
    folder.write_text("")
    with importing(service, tents(tmp_path / "tents.jsonl", 10)) as running:
        assert running.wait(30) == 0
    assert len(service.items) == 10
