"""docs/cli.md equals the help texts of the command line."""

from __future__ import annotations

from jobpipe_client.cli.exits import MEANINGS
from scripts.reference.command_line import PAGE, page


def test_the_reference_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "python -m scripts.reference.command_line"


def test_the_introduction_has_every_exit_status() -> None:
    introduction = PAGE.read_text(encoding="utf-8").partition("## Importing")[0]
    for status, _ in MEANINGS:
        assert f"| {status} |" in introduction or f"{status}," in introduction or f", {status} |" in introduction
