"""`jobpipe watch` beside imports: of this machine, by their journals, and of others, by their batches."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from jobpipe_client import Client
from jobpipe_client.cli.importing.running import announced, running_imports
from jobpipe_client.cli.watching import journals
from jobpipe_client.cli.watching.activity import Activity
from jobpipe_client.cli.watching.recent_jobs import Counts
from tests.cli.activity import ended, importing, last_screen, note, tents
from tests.cli.conftest import Jobpipe
from tests.cli.running import a_failed_job, on_a_terminal, started, until
from tests.client.service import KEY, Service

JOB_LISTS_OFF = "no throughput and no batches: this stage has JobLists=off"


def test_an_import_of_this_machine_is_followed_to_its_end(service: Service, tmp_path: Path) -> None:
    service.pause()
    path = tents(tmp_path / "tents.jsonl", 300, refused=3)
    with (
        importing(service, path, "--batch-size", "10") as running,
        started(service, "watch", "--interval", "0.2") as watching,
    ):
        assert note(watching, "tents.jsonl") == "tents.jsonl: 0 of about 300 rows, none failed"
        service.resume()
        assert note(watching, "tents.jsonl") == "tents.jsonl: ended: 300 rows, 3 failed"
        assert running.wait(30) == 3
        ended(watching)
    assert list(Path(os.environ["TMPDIR"]).glob("jobpipe-imports-*/*")) == []


def test_the_batches_of_such_an_import_are_not_shown_too(service: Service, tmp_path: Path) -> None:
    service.pause()
    activity = Activity(Client(service.url, KEY))
    with importing(service, tents(tmp_path / "tents.jsonl", 100), "--batch-size", "10"):
        until(lambda: len(service.jobs) >= 40)
        activity.read()
        label, *more = activity.lines(120)[1:]
    assert label.startswith("last 5 minutes: ")
    assert more == ["tents.jsonl: 0 of about 100 rows, none failed"]


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
            ours, others = journals.RunningImports(service.url), journals.RunningImports(other.url)
            until(lambda: [each.name for each in others.read(0)] == ["tents.jsonl"])
            assert ours.read(0) == []
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
        found = journals.RunningImports(service.url)
        until(lambda: found.read(0))
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
        found = journals.RunningImports(service.url)
        until(lambda: found.read(0)[0].ended > 0)
        assert found.read(0)[0].size == 500


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


def test_a_note_of_another_user_or_in_an_open_folder_is_not_read(tmp_path: Path) -> None:
    journal = tmp_path / "a.jobpipe-import"
    key = f"import-{'0' * 24}"
    with announced(key, journal):
        assert running_imports() == {key: journal}
        folder = Path(os.environ["TMPDIR"]) / f"jobpipe-imports-{os.getuid()}"
        folder.chmod(0o777)
        assert running_imports() == {}
        with announced(f"import-{'1' * 24}", journal):
            pass
        assert [each.name for each in folder.iterdir()] == [key]
        folder.chmod(0o700)
        assert running_imports() == {key: journal}
    assert list(folder.iterdir()) == []


def test_an_import_works_where_no_note_can_be_kept(service: Service, tmp_path: Path) -> None:
    folder = Path(os.environ["TMPDIR"]) / f"jobpipe-imports-{os.getuid()}"
    folder.write_text("")
    with importing(service, tents(tmp_path / "tents.jsonl", 10)) as running:
        assert running.wait(30) == 0
    assert len(service.items) == 10
