"""Write the reference part of docs/cli.md from the help texts: `python -m scripts.reference.command_line`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from jobpipe_client.cli.app import app

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
BEGIN = "<!-- written by python -m scripts.reference.command_line; do not edit below -->\n"
_WIDTH = 100


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def page(before: str) -> str:
    """Return the page with everything below the marker replaced."""
    introduction, marker, _ = before.partition(BEGIN)
    if not marker:
        raise SystemExit(f"{PAGE} has lost its line {BEGIN.strip()}")
    helps = (f"\n## {name}\n\n```text\n{text.rstrip()}\n```\n" for name, text in _helps("jobpipe", app, None))
    return introduction + BEGIN + "".join(helps)


def _helps(name: str, command: click.Command, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    """Yield the help of a command and its subcommands, in the order of `jobpipe --help`."""
    settings = {**command.context_settings, "max_content_width": _WIDTH}
    last_word = name.rpartition(" ")[2]
    with click.Context(command, info_name=last_word, parent=parent, terminal_width=_WIDTH, **settings) as context:
        yield name, command.get_help(context)
        if isinstance(command, click.Group):
            for each in command.list_commands(context):
                found = command.get_command(context, each)
                if found is not None:
                    yield from _helps(f"{name} {each}", found, context)


if __name__ == "__main__":
    main()
