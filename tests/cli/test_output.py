"""The output of all commands: control characters, encodings, closed pipes, full disks, terminals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Jobpipe
from tests.cli.running import TENT, on_a_terminal, started
from tests.client.service import KEY, Canned, Service
from tests.client.service_state import problem
from tests.helpers import commands


def test_hostile_text_does_not_steer_the_terminal(jobpipe: Jobpipe, service: Service) -> None:
    name = "\x1b[31mred\u202e\x07\r\n\u009b"
    service.items["i"] = {"id": "i", "name": name, "description": "[bold]d"}
    for arguments in (("items", "list"), ("items", "get", "i"), ("items", "get", "i", "--json"), ("export",)):
        shown = jobpipe.does(*arguments)
        assert all(c.isprintable() or c in "\n\t" for c in shown), shown
    assert json.loads(jobpipe.does("items", "get", "i", "--json"))["name"] == name
    assert json.loads(jobpipe.does("export"))["name"] == name
    service.canned.append(Canned(404, {}, problem(404, detail=name)))
    assert jobpipe.fails(1, "items", "get", "i").isprintable()


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "cp1252"])
def test_the_output_to_a_program_is_utf_8(service: Service, encoding: str) -> None:
    service.items["i"] = {"id": "i", "name": "Zelt für \U0001f3d5", "description": "d"}
    env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY, PYTHONIOENCODING=encoding)
    for arguments in (["items", "list", "--json"], ["export", "--format", "jsonl"]):
        command = (sys.executable, "-m", "jobpipe_client.cli", *arguments)
        done = subprocess.run(command, cwd=commands.ROOT, env=env, check=True, capture_output=True)
        assert json.loads(done.stdout.decode("utf-8")) == service.items["i"]


def test_a_closed_pipe_is_not_an_error(service: Service) -> None:
    service.items = {str(n): {"id": str(n), "name": f"N{n}", "description": "x" * 1000} for n in range(2000)}
    with started(service, "export") as exporting:
        assert exporting.stdout is not None
        exporting.stdout.readline()
        exporting.stdout.close()
        assert exporting.stderr is not None
        assert exporting.stderr.read() == ""
        assert exporting.wait(30) == 0


@pytest.mark.parametrize("arguments", [("export",), ("items", "list"), ("failed", "--help")], ids=str)
def test_a_full_disk_is_reported_on_one_line(service: Service, arguments: tuple[str, ...]) -> None:
    service.items["i"] = {"id": "i", **TENT}
    with Path("/dev/full").open("w") as full, started(service, *arguments, stdout=full) as running:
        _, complained = running.communicate(timeout=30)
    assert (running.returncode, complained) == (1, "jobpipe: No space left on device\n")


def test_a_terminal_gets_tables_and_without_colour_no_colour(service: Service) -> None:
    service.items["i"] = {"id": "i", **TENT}
    plain = on_a_terminal(service, {"NO_COLOR": "1"}, "items", "list")
    assert "│" in plain
    assert "\x1b[3" not in plain
    assert "│" in on_a_terminal(service, {"TERM": "dumb"}, "items", "list")
    assert "│" in on_a_terminal(service, {}, "items", "list", "--no-color")


def test_an_export_into_a_pipe_or_a_device_leaves_it_what_it_is(service: Service, tmp_path: Path) -> None:
    service.items["i"] = {"id": "i", **TENT}
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with started(service, "export", str(pipe), "--format", "jsonl") as running:
        assert json.loads(pipe.read_text())["id"] == "i"
        running.communicate(timeout=30)
    assert running.returncode == 0
    assert pipe.is_fifo()
