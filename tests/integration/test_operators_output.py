"""The output of the operators' commands: complete at any width, with tabs in a pipe, and with a closed reader."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from rich.console import Console

from scripts.stage.tables import print_table
from tests.helpers import commands
from tests.helpers.deployed import Stage, unique
from tests.integration.operators import Operator

pytestmark = pytest.mark.slow

WIDTHS = (40, 60, 80, 120)


@pytest.fixture
def operator(stage: Stage, tmp_path: Path) -> Operator:
    return Operator(stage, tmp_path)


@pytest.fixture
def stale(stage: Stage) -> str:
    """Lock a name without an item, which every audit finds, and return it."""
    name = unique("stale")
    row = {"name": {"S": name}, "item_id": {"S": "no-such-item"}}
    stage.aws("dynamodb").put_item(TableName=stage.resources["names_table"], Item=row)
    return name


def unread(operator: Operator, script: str, *arguments: str) -> tuple[int, str]:
    """Return the status and the standard error of a command whose output is closed."""
    command = (sys.executable, "-m", f"scripts.{script}", "--stage", operator.stage, *arguments)
    pipe = subprocess.PIPE
    # Output must be buffered in the command, so that the interpreter writes the rest when it exits.
    env = {name: value for name, value in operator.environment.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, cwd=commands.ROOT, env=env, stdout=pipe, stderr=pipe, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        return running.wait(120), running.stderr.read()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_on_a_terminal_has_every_cell_at_every_width(width: int) -> None:
    key = f"items/{uuid4()}/{uuid4().hex}/{'ab' * 8}/{'cd' * 8}.json"
    row = ("dangling pointer", str(uuid4()), f"its document {key} is gone", "nothing: it needs a person")
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, no_color=True)
    print_table(console, ("kind", "about", "detail", "--repair would"), [row], "Findings")
    shown = re.sub(r"\x1b\[[0-9;]*m|[─-╿]", "", out.getvalue())
    assert all(len(line) <= width for line in shown.splitlines())
    if width < 120:  # each cell has its own line
        flat = re.sub(r"\s", "", shown)
        assert all(re.sub(r"\s", "", text) in flat for text in row)
    for word in f"{row[0]} {row[3]} its document is gone".split():
        assert word in shown


def test_a_pipe_gets_a_line_of_tabs_for_each_row(operator: Operator, stale: str) -> None:
    env = operator.environment | {"COLUMNS": "40"}
    command = (sys.executable, "-m", "scripts.audit", "--stage", operator.stage, "--older-than", "0")
    lines = commands.run(*command, env=env).stdout.splitlines()
    expected = ("lock without item", stale, "its item no-such-item does not exist", "delete the lock")
    assert "\t".join(expected) in lines
    assert not re.search("[─-╿]", "".join(lines))


def test_redrive_and_parked_print_lines_of_tabs_in_a_pipe(stage: Stage, operator: Operator) -> None:
    stage.client.wait(stage.client.read(str(uuid4())))  # fails
    lines = operator.output_of("redrive", "--reason", "not-found", "--operation", "read", "--dry-run").splitlines()
    assert re.fullmatch(r"not-found\tread\t\d+", lines[0])
    stage.aws("sqs").send_message(QueueUrl=stage.resources["parked_queue_url"], MessageBody="{\ttab")
    rows = [line.split("\t") for line in operator.output_of("parked").splitlines() if "\t" in line]
    assert ["{\\ttab", ""] in [row[4:] for row in rows], "a tab in a body is escaped"
    operator.output_of("parked", "--drop", "--all")


@pytest.mark.parametrize("more", [(), ("--json",)], ids=str)
def test_an_audit_with_a_closed_output_still_repairs(
    stage: Stage, operator: Operator, stale: str, more: tuple[str, ...]
) -> None:
    assert unread(operator, "audit", "--older-than", "0", *more) == (3, "")
    unread(operator, "audit", "--older-than", "0", "--repair", *more)
    key = {"name": {"S": stale}}
    assert "Item" not in stage.aws("dynamodb").get_item(TableName=stage.resources["names_table"], Key=key)


@pytest.mark.parametrize("more", [(), ("--json",)], ids=str)
def test_a_redrive_with_a_closed_output_runs_to_its_end(
    stage: Stage, operator: Operator, more: tuple[str, ...]
) -> None:
    item = str(uuid4())
    jobs = [stage.client.wait(stage.client.read(item)) for _ in range(2)]
    assert unread(operator, "redrive", "--item", item, *more) == (0, "")
    for job in jobs:
        assert stage.client.job(job.id).retries == 1


def test_a_command_that_changes_nothing_ends_with_0(operator: Operator) -> None:
    for arguments in (("parked",), ("parked", "--json"), ("redrive", "--all", "--dry-run"), ("audit", "--help")):
        assert unread(operator, *arguments) == (0, "")
