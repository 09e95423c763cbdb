"""Each row takes effect once, even if the import is killed at any moments and resumed."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tenacity
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.running import INTERRUPTED
from tests.client.service import KEY, Service
from tests.helpers import commands

pytestmark = pytest.mark.slow

IMPORT = (sys.executable, "-m", "jobpipe_client.cli", "import")


class Kill(NamedTuple):
    """A signal after some requests and seconds. While Python starts, only SIGKILL is tried."""

    requests: int
    seconds: float
    by: signal.Signals


class Running:
    """`jobpipe import` in a process of its own."""

    def __init__(self, service: Service, *arguments: str, **how: Any) -> None:
        env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY)
        self.process = subprocess.Popen(
            (*IMPORT, *arguments),
            cwd=commands.ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **how,
        )

    def ended(self) -> tuple[int, str, str]:
        output, errors = self.process.communicate(timeout=120)
        assert "Traceback" not in errors, errors
        return self.process.returncode, output, errors


seconds = st.floats(0, 0.05)
kills = st.lists(
    st.builds(Kill, st.integers(0, 25), seconds, st.just(signal.SIGKILL))
    | st.builds(Kill, st.integers(1, 25), seconds, st.sampled_from([signal.SIGINT, signal.SIGTERM])),
    max_size=3,
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(
    kills=kills,
    rows=st.integers(1, 90),
    batch_size=st.integers(1, 12),
    concurrency=st.integers(1, 4),
    form=st.sampled_from(["csv", "jsonl", "commands"]),
    broken=st.sets(st.integers(0, 89), max_size=5),
)
def test_every_row_takes_effect_once(
    kills: list[Kill], rows: int, batch_size: int, concurrency: int, form: str, broken: set[int]
) -> None:
    service = Service()
    service.items["i"] = {"id": "i", "name": "I"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("rows.csv" if form == "csv" else "rows.jsonl")
        path.write_text(file_of(form, rows, broken))
        options: tuple[str, ...] = (
            str(path),
            "--batch-size",
            str(batch_size),
            "--concurrency",
            str(concurrency),
            "--json",
        )
        options += ("--commands",) if form == "commands" else ()
        for kill in kills:
            killed(Running(service, *options), service, kill)
        status, output, errors = Running(service, *options).ended()
        failed = Path(folder).joinpath(f"rows.failed.{'csv' if form == 'csv' else 'jsonl'}")
        there = sorted(broken & set(range(rows)))
        assert status == (3 if there else 0), output + errors
        assert failed.exists() == bool(there)
    service.stop()
    report = json.loads(output)
    assert (report["rows"], report["succeeded"], report["refused"]) == (rows, rows - len(there), len(there))
    first = 2 if form == "csv" else 1
    assert [each["line"] for each in report["first_failures"]] == [n + first for n in there]
    good = [f"N{n}" for n in range(rows) if n not in broken]
    applied = [name_of(command) for command in service.applied]
    if form == "commands":
        assert applied == good, "and in their order, since they are for one item"
    else:
        assert Counter(applied) == Counter(good)


def file_of(form: str, rows: int, broken: set[int]) -> str:
    if form == "csv":
        lines = ["a,b,c" if n in broken else f"N{n},d" for n in range(rows)]
        return "name,description\n" + "".join(f"{line}\n" for line in lines)
    documents: list[dict[str, Any]] = [{"name": f"N{n}", "description": "d"} for n in range(rows)]
    if form == "commands":
        documents = [{"operation": "update", "item_id": "i", "merge": {"name": each["name"]}} for each in documents]
    return "".join("{\n" if n in broken else json.dumps(each) + "\n" for n, each in enumerate(documents))


def name_of(command: dict[str, Any]) -> str:
    return str((command.get("item") or command["merge"])["name"])


def killed(running: Running, service: Service, kill: Kill) -> None:
    after = len(service.seen) + kill.requests
    while len(service.seen) < after and running.process.poll() is None:
        time.sleep(0.001)
    time.sleep(kill.seconds)  # so that any moment is tried
    running.process.send_signal(kill.by)
    status, _, errors = running.ended()
    # An import that ended before the signal has its own status.
    assert status in {0, 3, 130, 143, -kill.by}, errors


@tenacity.retry(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.01), reraise=True)
def until_requests(service: Service, n: int) -> None:
    assert len(service.seen) >= n


@tenacity.retry(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.01))
def until_begun(journal: Path) -> None:
    assert journal.stat().st_size > 0


def rows_file(folder: Path, n: int) -> Path:
    path = folder / "rows.jsonl"
    path.write_text(file_of("jsonl", n, set()))
    return path


def test_ctrl_c_ends_the_import_at_once_with_a_message(tmp_path: Path) -> None:
    service = Service()
    service.pause()
    path = rows_file(tmp_path, 30)
    running = Running(service, str(path), "--batch-size", "5")
    until_requests(service, 3)
    began = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    status, _, errors = running.ended()
    assert status == 130
    assert INTERRUPTED.fullmatch(errors.strip())
    assert time.monotonic() - began < 5
    service.resume()
    status, output, errors = Running(service, str(path), "--batch-size", "5").ended()
    assert (status, output.splitlines()[0]) == (0, "30 rows: 30 succeeded, 0 failed"), errors
    service.stop()


def test_an_import_does_not_continue_on_a_stage_that_was_deployed_again(tmp_path: Path) -> None:
    service = Service()
    path = rows_file(tmp_path, 60)
    running = Running(service, str(path), "--batch-size", "5", "--concurrency", "1")
    journal = tmp_path / "rows.jsonl.jobpipe-import"

    @tenacity.retry(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.01), reraise=True)
    def until_one_has_ended() -> None:
        assert b'{"done":' in journal.read_bytes()

    until_one_has_ended()
    running.process.kill()
    running.process.communicate()
    assert b'{"finished"' not in journal.read_bytes()
    service.batches.forget()
    status, _, errors = Running(service, str(path), "--batch-size", "5").ended()
    assert status == 1
    assert "since it was deployed anew; --restart sends all rows again" in errors
    service.stop()


def test_an_incomplete_last_line_of_the_journal_is_cut_off(tmp_path: Path) -> None:
    service = Service()
    service.pause()
    path = rows_file(tmp_path, 30)
    running = Running(service, str(path), "--batch-size", "10", "--concurrency", "2")
    until_requests(service, 3)
    running.process.kill()
    running.process.communicate()
    journal = tmp_path / "rows.jsonl.jobpipe-import"
    with journal.open("ab") as file:
        file.write(b'{"sent":2,"start":')
    service.resume()
    assert Running(service, str(path), "--batch-size", "10").ended()[0] == 0
    assert sorted(map(name_of, service.applied)) == sorted(f"N{n}" for n in range(30))
    service.stop()


def test_one_file_is_not_imported_twice_at_a_time(tmp_path: Path) -> None:
    service = Service()
    service.pause()
    path = rows_file(tmp_path, 10)
    first = Running(service, str(path))
    until_requests(service, 1)
    status, _, errors = Running(service, str(path)).ended()
    assert status == 1
    assert "another import of this file is running" in errors
    service.resume()
    assert first.ended()[0] == 0
    service.stop()


def test_a_full_disk_is_one_line_and_the_import_continues_later(tmp_path: Path) -> None:
    """The limit of a file's size stands for a full disk, since both are an OSError."""
    service = Service()
    path = rows_file(tmp_path, 60)

    def small_files_only() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))

    status, _, errors = Running(service, str(path), "--batch-size", "5", preexec_fn=small_files_only).ended()
    assert status == 1
    assert errors.splitlines() == [f"jobpipe: {path}.jobpipe-import: File too large"]
    status, output, errors = Running(service, str(path), "--batch-size", "5").ended()
    assert (status, output.splitlines()[0]) == (0, "60 rows: 60 succeeded, 0 failed"), errors
    assert sorted(map(name_of, service.applied)) == sorted(f"N{n}" for n in range(60))
    service.stop()


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """This is tested with a dry run, which reads in the same way."""

    def most_kilobytes(rows: int) -> int:
        path = tmp_path / f"{rows}.csv"
        with path.open("w") as file:
            file.write("name,description\n")
            file.writelines(f"N{n},{'x' * 100}\n" for n in range(rows))
        code = (
            "import resource, sys; from jobpipe_client.cli import main; main(sys.argv[1:]);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = commands.run(
            sys.executable, "-c", code, "import", str(path), "--dry-run", env=commands.clean_environment()
        )
        return int(done.stdout.splitlines()[-1])

    small, large = most_kilobytes(1_000), most_kilobytes(200_000)
    assert os.path.getsize(tmp_path / "200000.csv") > 20_000_000  # noqa: PTH202
    assert large - small < 10_000


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_obeyed_while_the_file_is_read(tmp_path: Path, by: signal.Signals) -> None:
    """Each line here opens a quotation mark that is never closed, so reading it all takes hours."""
    service = Service()
    path = tmp_path / "a.csv"
    path.write_text("name,description\n" + 'b","\n' * 400_000)
    running = Running(service, str(path))
    until_begun(tmp_path / "a.csv.jobpipe-import")
    time.sleep(0.5)  # into the reading; a signal that comes before it ends the import as well
    running.process.send_signal(by)
    try:
        running.process.wait(20)
    finally:
        running.process.kill()
    status, _, errors = running.ended()
    service.stop()
    assert status == 128 + by
    assert errors == "jobpipe: Interrupted. Run the same command to continue; 0 rows have ended\n"
