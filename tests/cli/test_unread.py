"""Commands whose output nobody reads any more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Jobpipe
from tests.client.service import KEY, Service
from tests.helpers import commands

pytestmark = pytest.mark.slow

FAILS = '{"operation": "read", "item_id": "none"}'
ROWS = '{"name": "A", "description": "d"}\n{\n'


def unread(service: Service, *arguments: str, stream: str = "stdout", said: str = "") -> tuple[int, str]:
    """Return the exit status, and the text on the other stream, of a command whose stream nobody reads."""
    env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY)
    command = (sys.executable, "-m", "jobpipe_client.cli", *arguments)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=commands.ROOT, env=env, text=True, stdin=pipe, stdout=pipe, stderr=pipe
    ) as running:
        for each, name in ((running.stdout, "stdout"), (running.stderr, "stderr")):
            if name == stream and each is not None:
                each.close()
        assert running.stdin is not None
        running.stdin.write(said)
        running.stdin.close()
        other = running.stderr if stream == "stdout" else running.stdout
        assert other is not None
        return running.wait(30), other.read()


def failed_jobs(jobpipe: Jobpipe, n: int) -> list[str]:
    return [str(json.loads(jobpipe("submit", FAILS, "--wait", "--json").stdout)["id"]) for _ in range(n)]


def test_a_command_that_changes_something_keeps_its_exit_status(
    jobpipe: Jobpipe, service: Service, tmp_path: Path
) -> None:
    jobs = failed_jobs(jobpipe, 2)
    path = tmp_path / "a.jsonl"
    path.write_text(ROWS)
    for json_too in ((), ("--json",)):
        assert unread(service, "wait", *jobs, *json_too) == (3, "")
        assert unread(service, "status", *jobs, *json_too) == (3, "")
        assert unread(service, "watch", *jobs, *json_too) == (3, "")
        assert unread(service, "import", str(path), *json_too)[0] == 3
    assert len(service.items) == 1
    service.pause()
    assert unread(service, "retry", *jobs) == (0, "")
    assert {service.jobs[job]["status"] for job in jobs} == {"queued"}, "the second one as well"


SHOWING = [
    *(("failed",), ("retrying",), ("items", "list"), ("items", "get", "1"), ("export",), ("stats",), ("watch",)),
    *(("failed", "--json"), ("items", "list", "--json"), ("items", "get", "1", "--json"), ("stats", "--json")),
    *(("export", "--format", "csv"), ("export", "--json"), ("stats", "--watch"), ("watch", "--json")),
    *(("open", "--print"), ("completion", "zsh"), ("--help",), ("--version",), ("failed", "--help")),
    *(("items", "--help"), ("import", "--help"), ("items", "create", "--help"), ("audit", "--help")),
]
"""Commands that only show something."""


@pytest.mark.parametrize("arguments", SHOWING, ids=" ".join)
def test_a_command_that_only_shows_something_ends_well_and_silently(
    jobpipe: Jobpipe, service: Service, arguments: tuple[str, ...]
) -> None:
    failed_jobs(jobpipe, 2)
    service.items = {str(n): {"id": str(n), "name": f"N{n}", "description": "d"} for n in range(2)}
    status, complained = unread(service, *arguments)
    assert status == 0
    said = ("no outcomes: ", "no retrying jobs", "2 jobs had failed before: ", "the console asks for ")
    assert complained == "" or complained.startswith(said)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_watch_ends_when_its_reader_has_gone_even_if_nothing_changes(
    jobpipe: Jobpipe, service: Service, form: tuple[str, ...]
) -> None:
    """`jobpipe watch | head -1`, with nothing to write that would fail."""
    failed_jobs(jobpipe, 1)
    env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY)
    command = (sys.executable, "-m", "jobpipe_client.cli", "watch", "--interval", "0.2", *form)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=commands.ROOT, env=env, stdout=pipe, stderr=pipe) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert b"1 job had failed before" in running.stderr.readline()
        failed_jobs(jobpipe, 1)
        assert running.stdout.readline()
        running.stdout.close()
        try:
            assert running.wait(10) == 0
        finally:
            running.kill()


def test_a_file_that_cannot_be_written_to_its_end_is_an_error(service: Service, tmp_path: Path) -> None:
    """If the file itself is a named pipe, its reader is not the reader of the output."""
    service.items = {str(n): {"id": str(n), "name": f"N{n}", "description": "d" * 5000} for n in range(200)}
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY)
    command = (sys.executable, "-m", "jobpipe_client.cli", "export", str(pipe), "--format", "jsonl")
    with subprocess.Popen(command, cwd=commands.ROOT, env=env) as running:
        with pipe.open("rb") as reader:
            reader.read(10)
        assert running.wait(30) == 1


def test_an_import_goes_on_without_its_complaints(service: Service) -> None:
    status, said = unread(service, "import", "-", "--format", "jsonl", "--dry-run", stream="stderr", said=ROWS)
    assert (status, said.splitlines()[0]) == (3, "2 rows: 1 can be sent, 1 would be refused")
    status, said = unread(
        service, "import", "-", "--format", "jsonl", "--failures", "/dev/null", stream="stderr", said=ROWS[:-2]
    )
    assert (status, said.splitlines()[0]) == (0, "1 row: 1 succeeded, 0 failed")


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_closed_streams_are_no_error(service: Service, tmp_path: Path, closed: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(ROWS)
    env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY)
    line = f'"$0" -m jobpipe_client.cli import "$1" {closed}'
    done = commands.run("sh", "-c", line, sys.executable, str(path), env=env)
    assert done.returncode == 3
    assert len(service.items) == 1
    assert [json.loads(each) for each in (tmp_path / "a.jsonl.jobpipe-import").read_text().splitlines()]
