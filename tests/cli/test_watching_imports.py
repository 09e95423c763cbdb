"""`jobpipe watch` beside imports: of this machine, by their journals, and of others, by their batches."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from jobpipe_client import Client
from jobpipe_client.cli.importing.running import keep_note, read_notes
from jobpipe_client.cli.watching import journals
from jobpipe_client.cli.watching.activity import Activity
from tests.cli.activity import end_job, ended, importing, last_screen, note, tents
from tests.cli.conftest import Jobpipe
from tests.cli.running import a_failed_job, on_a_terminal, started, until
from tests.client.service import KEY, Service


def locked_notes() -> dict[str, Path]:
    return {key: note.journal for key, note in read_notes().items() if note.ended_at is None}


def seen_while_it_ran(service: Service, path: Path) -> journals.RunningImports:
    """Import the file to its end, and return the running imports, which were read during the import."""
    found = journals.RunningImports(service.url)
    service.pause()
    with importing(service, path, "--batch-size", "10") as running:
        until(lambda: found.read(0) != [])
        service.resume()
        assert running.wait(60) == 0
    return found


def test_each_row_is_counted_when_it_ends(service: Service, tmp_path: Path) -> None:
    service.pause()
    found = journals.RunningImports(service.url)
    with importing(service, tents(tmp_path / "tents.jsonl", 20), "--batch-size", "10") as running:
        until(lambda: len(service.jobs) == 20)
        until(lambda: [each.ended for each in found.read(0)] == [0])
        for number, job_id in enumerate(list(service.jobs)[:16:4], start=1):
            end_job(service, job_id, time.time())
            until(lambda rows=number: [each.ended for each in found.read(rows * 2)] == [rows])
        (seen,) = found.read(9)
        assert (seen.size, seen.is_estimate, seen.per_second) == (20, True, 0.5)
        running.kill()
        running.wait()
        until(lambda: [(each.ended, each.state) for each in found.read(12)] == [(0, "interrupted")])


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
        assert note(watching, "tents.jsonl") == "tents.jsonl: finished, 300 rows, 3 failed"
        assert running.wait(30) == 3
        ended(watching)


def test_the_batches_of_such_an_import_are_not_shown_too(service: Service, tmp_path: Path) -> None:
    service.pause()
    activity = Activity(Client(service.url, KEY))
    with importing(service, tents(tmp_path / "tents.jsonl", 100), "--batch-size", "10"):
        until(lambda: len(service.jobs) >= 40)
        activity.read()
        label, *more = activity.lines(120)
    assert label.startswith("last minute: ")
    assert more == ["tents.jsonl: 0 of about 100 rows, none failed"]


def test_while_an_import_runs_nobody_says_that_nothing_goes_on(service: Service, tmp_path: Path) -> None:
    activity = Activity(Client(service.url, KEY))
    activity.read()
    assert activity.lines(120) == ["last 5 minutes: none of your jobs was accepted or ended"]
    service.batches.open.clear()
    with importing(service, tents(tmp_path / "tents.jsonl", 10)):

        def lines() -> list[str]:
            activity.read()
            return activity.lines(120)

        until(lambda: lines() == ["tents.jsonl: 0 of about 10 rows, none failed"])
        service.batches.open.set()


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
        assert locked_notes() == {}
        with importing(service, path, "--batch-size", "10"):
            assert note(watching, "tents.jsonl").endswith("0 of about 100 rows, none failed")
            service.resume()
            assert note(watching, "tents.jsonl").endswith("finished, 100 rows, none failed")
        ended(watching)


def test_an_import_from_elsewhere_is_known_by_its_batches(service: Service, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    service.pause()
    path = tents(tmp_path / "tents.jsonl", 40)
    with (
        importing(service, path, "--batch-size", "10", TMPDIR=str(tmp_path / "elsewhere")),
        started(service, "watch", "--interval", "0.2") as watching,
    ):
        found = note(watching, "tents.jsonl")
        assert re.fullmatch(r"tents.jsonl: 0 of \d0 rows (sent so far|in \d of its \d batches), none failed", found)
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
    monkeypatch.setattr(journals, "_MAX_COUNTED_BYTES", 100)
    path = tmp_path / "tents.csv"
    path.write_text("name,description\n" + "".join(f'Tent {n:04},"two\nlines"\n' for n in range(500)))
    service.batches.open.clear()
    with importing(service, path, "--batch-size", "50", "--concurrency", "1") as running:
        found = journals.RunningImports(service.url)
        until(lambda: found.read(0))
        assert [(each.size, each.ended) for each in found.read(0)] == [(None, 0)]
        service.batches.open.set()
        until(lambda: found.read(0)[0].size is not None)
        (seen,) = found.read(0)
        assert (seen.size, seen.is_estimate) == (500, True), "all rows have the same length"
        assert running.wait(60) == 0
        (seen,) = found.read(1)
        assert (seen.size, seen.ended, seen.is_estimate, seen.state) == (500, 500, False, "ended")
        assert found.read(100) == []


def test_rows_that_became_no_jobs_are_refused_and_not_failed(service: Service, tmp_path: Path) -> None:
    path = tents(tmp_path / "tents.jsonl", 120, refused=2)
    path.write_text(path.read_text() + "{\n")  # a row that is no command
    with started(service, "watch", "--interval", "0.2") as watching:
        until(lambda: sum(seen.path == "/jobs" for seen in service.seen) >= 4)
        with importing(service, path, "--batch-size", "10") as importer:
            assert importer.wait(60) == 3
        while "finished" not in (line := note(watching, "tents.jsonl")):
            pass
        assert line == "tents.jsonl: finished, 121 rows, 2 failed, 1 refused"
        ended(watching)


def test_an_import_that_ends_at_once_has_its_files_name(service: Service, tmp_path: Path) -> None:
    with started(service, "watch", "--interval", "0.2") as watching:
        until(lambda: sum(seen.path == "/jobs" for seen in service.seen) >= 4)
        watching.send_signal(signal.SIGSTOP)
        with importing(service, tents(tmp_path / "tents.jsonl", 3)) as importer:
            assert importer.wait(60) == 0
        watching.send_signal(signal.SIGCONT)
        assert note(watching, "tents.jsonl") == "tents.jsonl: finished, 3 rows, none failed"
        until(lambda: sum(seen.path == "/jobs" and "status" not in seen.query for seen in service.seen) >= 3)
        assert not [line for line in ended(watching) if line.startswith(("import", "tents"))]
    found = journals.RunningImports(service.url)
    assert found.read(0) == [], "it had ended before this one began to look"
    assert len(list(found.keys())) == 1, "and its batches are left out"


def test_an_import_is_judged_by_the_last_entry_of_its_journal(service: Service, tmp_path: Path) -> None:
    path = tents(tmp_path / "tents.jsonl", 40)
    found = seen_while_it_ran(service, path)
    assert [each.state for each in found.read(1)] == ["ended"], "its note has no lock any more"


def test_an_import_whose_journal_was_begun_anew_is_not_called_interrupted(service: Service, tmp_path: Path) -> None:
    path = tents(tmp_path / "tents.jsonl", 40)
    found = seen_while_it_ran(service, path)
    with importing(service, path, "--batch-size", "10", "--restart") as second:
        assert second.wait(60) == 3
    assert [(each.state, each.failed) for each in found.read(1)] == [("ended", 40)], "only the second one is known"


def test_the_note_of_an_import_is_deleted_a_minute_after_its_end(tmp_path: Path) -> None:
    key, other = f"import-{'0' * 24}", f"import-{'1' * 24}"
    with keep_note(key, tmp_path / "a.jobpipe-import"):
        (file,) = Path(os.environ["TMPDIR"]).glob("jobpipe-imports-*/*")
        os.utime(file, (0, 0))
        assert list(locked_notes()) == [key], "it may run for long"
    assert list(read_notes()) == [key]
    os.utime(file, (time.time() - 61,) * 2)
    with keep_note(other, tmp_path / "b.jobpipe-import"):
        assert [each.name for each in file.parent.iterdir()] == [other]


def test_rows_of_several_lines_are_not_counted_as_lines(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "tents.csv"
    path.write_text("name,description\n" + "".join(f'Tent {n:04},"two\nlines"\n' for n in range(500)))
    with importing(service, path, "--batch-size", "50", "--concurrency", "1"):
        found = journals.RunningImports(service.url)
        until(lambda: found.read(0)[0].size == 500)
        assert found.read(0)[0].is_estimate


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
    with keep_note(key, journal):
        assert locked_notes() == {key: journal}
        folder = Path(os.environ["TMPDIR"]) / f"jobpipe-imports-{os.getuid()}"
        folder.chmod(0o777)
        assert locked_notes() == {}
        with keep_note(f"import-{'1' * 24}", journal):
            pass
        assert [each.name for each in folder.iterdir()] == [key]
        folder.chmod(0o700)
        assert locked_notes() == {key: journal}
    assert locked_notes() == {}


def test_an_import_works_where_no_note_can_be_kept(service: Service, tmp_path: Path) -> None:
    folder = Path(os.environ["TMPDIR"]) / f"jobpipe-imports-{os.getuid()}"
    folder.write_text("")
    with importing(service, tents(tmp_path / "tents.jsonl", 10)) as running:
        assert running.wait(30) == 0
    assert len(service.items) == 10
