"""`jobpipe` as a program: help, completion, and an incomplete installation."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Jobpipe
from tests.cli.running import TENT, started
from tests.client.service import KEY, Service
from tests.helpers import commands


def test_every_command_has_examples_and_the_global_options(jobpipe: Jobpipe) -> None:
    shown = jobpipe.does("--help")
    for status in ("0", "1", "2", "3", "4", "130", "143"):
        assert f"\n  {status} " in shown
    for name in [line.split()[0] for line in shown.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()]:
        if name not in {"items", "webhooks", "audit", "redrive", "parked", "demo", "doctor"}:
            told = jobpipe.does(name, "--help")
            assert "Examples:\n" in told, name
            assert "--json" in told, name
    assert jobpipe.does("--version").startswith("jobpipe, version ")


@pytest.mark.parametrize("arguments", [(), ("items",)], ids=str)
def test_without_a_command_the_help_is_printed(service: Service, arguments: tuple[str, ...]) -> None:
    with started(service, *arguments) as running:
        _, complained = running.communicate(timeout=30)
    assert running.returncode == 2
    assert complained.startswith("Usage: jobpipe")
    assert len(complained.splitlines()) > 10


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(jobpipe: Jobpipe, shell: str) -> None:
    assert "_JOBPIPE_COMPLETE" in jobpipe.does("completion", shell)


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_its_extra_the_command_says_so(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from jobpipe_client.cli import main; sys.exit(main([]))"
    done = commands.run(sys.executable, "-c", code, env=commands.clean_environment())
    assert done.returncode == 1
    assert done.stderr == "jobpipe: the command line needs more: pip install 'jobpipe-client[cli]'\n"


def test_where_files_cannot_be_locked_all_but_an_import_works(jobpipe: Jobpipe, tmp_path: Path) -> None:
    """As on Windows, where Python has no fcntl."""
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(TENT))
    code = (
        "import sys; sys.modules['fcntl'] = None; from jobpipe_client.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    env = commands.clean_environment(JOBPIPE_URL="http://127.0.0.1:9", JOBPIPE_API_KEY=KEY)
    done = commands.run(sys.executable, "-c", code, "--version", env=env)
    assert (done.returncode, done.stdout[:17], done.stderr) == (0, "jobpipe, version ", "")
    done = commands.run(sys.executable, "-c", code, "import", str(path), env=env)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "POSIX" in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["a.jsonl"]
