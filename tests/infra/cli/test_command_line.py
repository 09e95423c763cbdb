"""The operators' commands report errors in one line."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from infra.cli.command_line import run
from infra.cli.ownership import permission_problem
from tests.helpers import commands


def test_a_file_of_another_user_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "missing" / "file"

    def refused() -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    assert run("up", refused) == 1
    assert capsys.readouterr().err == f"up: {permission_problem(path)}\n"
    assert permission_problem(path) == f"{tmp_path} cannot be written to; is it read-only?", "the user owns it"


def test_a_permission_error_without_a_file_is_shown_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    def refused() -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    assert run("stop", refused) == 1
    assert capsys.readouterr().err == f"stop: [Errno {errno.EPERM}] {os.strerror(errno.EPERM)}\n"


@pytest.mark.parametrize(("words", "stage"), [((), "prod"), (("--stage", "test"), "test")])
@pytest.mark.parametrize("command", ["up", "destroy"])
def test_commands_for_the_stage_local_refuse_other_stages(command: str, words: tuple[str, ...], stage: str) -> None:
    environment = commands.clean_environment(JOBPIPE_STAGE="prod")
    done = commands.run(
        sys.executable, "-m", "infra.deploy", command, "--only-local", *words, "--confirm", stage, env=environment
    )
    line = f"{command}: this is for the stage local, not {stage}; use make deploy and make destroy for AWS\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)
