"""Where the output of operators' commands has line breaks."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from infra.cli.console import LastingConsole, between_words
from infra.cli.progress import Progress

URL = "http://127.0.0.1:4566/_aws/execute-api/0123456789/local/items"
LINE = f"the stage is ready and its address is {URL} until it is stopped"


def output(*, terminal: bool) -> list[str]:
    written = io.StringIO()
    console = LastingConsole(
        file=written, width=40, force_terminal=terminal, color_system=None, highlight=False, soft_wrap=True
    )
    Progress(console).say(LINE)
    return [line.rstrip() for line in written.getvalue().splitlines()]


def test_a_narrow_terminal_gets_no_line_break_inside_a_word() -> None:
    assert output(terminal=True) == ["the stage is ready and its address is", URL, "until it is stopped"]


def test_a_pipe_gets_each_line_whole() -> None:
    assert output(terminal=False) == [LINE]


@given(text=st.text(alphabet=" ab\n", max_size=60), width=st.integers(1, 12))
def test_every_word_is_whole_and_lines_are_as_long_as_they_may_be(text: str, width: int) -> None:
    lines = [line.plain for line in between_words(Text(text), width)]
    assert " ".join(lines).split() == text.split()
    assert all(len(line) <= width or len(line.split()) == 1 for line in lines)
    assert len(lines) >= text.count("\n")
