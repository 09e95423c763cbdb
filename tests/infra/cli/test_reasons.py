"""The reason of a failure is short on the screen and complete in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from rich.console import Console

from infra.cli import reasons
from infra.cli.command_line import run
from infra.cli.progress import Progress
from infra.cli.reasons import on_screen
from infra.errors import OperatorError
from infra.stacks.change_sets import Stacks
from tests.helpers.stubbed import a_client

LONG = "Resource handler returned message: " + "x" * 6_000 + " the end"
LONGEST_LINE = 800  # with the name of the file


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JOBPIPE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(reasons, "_saved", {})
    return tmp_path / "state" / "reasons.log"


def test_a_long_reason_is_cut_and_saved_in_a_private_file(file: Path) -> None:
    shown = on_screen(LONG)

    assert shown.startswith(LONG[:500])
    assert shown.endswith(f"(all {len(LONG):,} characters of it are in {file})")
    assert len(shown) < LONGEST_LINE
    assert LONG in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert on_screen(LONG) == shown
    on_screen(LONG + "2")
    assert file.read_text().count("the end\n") == 1, "each once"
    assert "the end2\n" in file.read_text()


def test_a_short_reason_is_shown_unchanged_and_not_saved(file: Path) -> None:
    assert on_screen("no room") == "no room"
    assert on_screen("x" * 500) == "x" * 500
    assert not file.exists()


def test_a_reason_is_one_line_without_control_characters() -> None:
    assert on_screen("first\n  second\x1b]0;title\x07 \u2028third") == "first second ]0;title third"


def test_characters_that_utf_8_cannot_encode_are_saved_as_escapes(file: Path) -> None:
    """The output of a tool may not be UTF-8."""
    assert str(file) in on_screen(LONG + "\udcff")
    assert "the end\\udcff\n" in file.read_text(encoding="utf-8")


def test_a_reason_is_cut_even_if_it_cannot_be_saved(file: Path) -> None:
    file.parent.write_text("no folder")
    assert on_screen(LONG).endswith(f"({len(LONG):,} characters in all)")


def refusing(stub: Stubber) -> None:
    """CloudFormation refuses the call itself."""
    absent(stub)
    stub.add_client_error("create_change_set", "ValidationError", LONG, 400)
    stub.add_client_error("describe_stacks", "ValidationError", "Stack s does not exist", 400)


def failing(stub: Stubber) -> None:
    """CloudFormation makes the change set, which fails."""
    absent(stub)
    stub.add_response("create_change_set", {"Id": "arn:aws:change-set"}, dict.fromkeys(CREATED, ANY))
    stub.add_response("describe_change_set", {"Status": "FAILED", "StatusReason": LONG})
    stub.add_response("delete_change_set", {})
    stub.add_client_error("describe_stacks", "ValidationError", "Stack s does not exist", 400)


def absent(stub: Stubber) -> None:
    for call in ("describe_stacks", "describe_stack_events", "describe_stacks"):
        stub.add_client_error(call, "ValidationError", "Stack s does not exist", 400)


CREATED = ("StackName", "ChangeSetName", "ChangeSetType", "TemplateBody", "Parameters", "Capabilities")


@pytest.mark.parametrize("answers", [refusing, failing])
def test_the_reason_of_a_change_set_is_cut(file: Path, answers: Callable[..., None]) -> None:
    client = a_client("cloudformation")
    with Stubber(client) as stub:
        answers(stub)
        with pytest.raises(OperatorError, match="s is refused: Resource handler") as refused:
            Stacks(client, Progress(Console(quiet=True)), 0).deploy("s", {"Resources": {}}, {})
    assert len(str(refused.value)) < LONGEST_LINE
    assert str(file) in str(refused.value)


def test_the_reason_of_an_event_is_cut(file: Path, tmp_path: Path) -> None:
    console = Console(record=True, width=5_000, file=(tmp_path / "out").open("w"))
    Progress(console).event("s", "CREATE_FAILED", "AWS::SQS::Queue Queue", LONG)
    assert len(console.export_text().strip()) < LONGEST_LINE + 100
    assert LONG in file.read_text()


@pytest.mark.parametrize("code", ["Throttling", "AccessDenied"])
def test_the_message_of_any_call_of_aws_is_cut(file: Path, capsys: pytest.CaptureFixture[str], code: str) -> None:
    def fails() -> None:
        raise ClientError({"Error": {"Code": code, "Message": LONG}}, "CreateTable")

    assert run("deploy", fails) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert len(line) < LONGEST_LINE
    assert LONG in file.read_text()
