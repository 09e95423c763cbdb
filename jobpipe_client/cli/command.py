"""The base of all commands: the global options, before or after a command's name, and the state that they set."""

from __future__ import annotations

import json as standard_json
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from jobpipe_client import json_text
from jobpipe_client.cli.exits import OperatorError, closed_pipe_as_error, signals_as_interrupts
from jobpipe_client.cli.files import check_encoding
from jobpipe_client.cli.output.output import Output
from jobpipe_client.client import Client

_MAX_PAGE_SIZE = 100  # the service's limit


@dataclass
class State:
    """The values of the global options."""

    stage: str | None = None
    json: bool = False
    color: bool = True

    @cached_property
    def client(self) -> Client:
        """The client of the given stage, or without one of the environment's deployment."""
        return Client.from_stage(self.stage, request_timeout=30.0)

    @cached_property
    def output(self) -> Output:
        return Output(json=self.json, color=self.color)


def _set_state(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None and value is not False:
        setattr(ctx.ensure_object(State), str(parameter.name), value)


def _disable_color(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(State).color = False


def global_options() -> list[click.Parameter]:
    """Return the options that every command takes, before or after its name."""
    return [
        click.Option(
            ["--stage"],
            metavar="NAME",
            expose_value=False,
            callback=_set_state,
            help="The deployed stage; else JOBPIPE_URL with JOBPIPE_API_KEY, JOBPIPE_STAGE, or local.",
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_set_state,
            help="Print JSON: a document a line.",
        ),
        click.Option(
            ["--no-color"], is_flag=True, expose_value=False, callback=_disable_color, help="Print without colors."
        ),
    ]


class Command(click.Command):
    """A command with the global options, and examples below its help."""

    def __init__(self, *arguments: Any, examples: str = "", **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.params.extend(global_options())
        self.examples = examples

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; SIGTERM and SIGHUP end it as Ctrl-C does."""
        with signals_as_interrupts(), closed_pipe_as_error():
            return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        write_examples(formatter, self.examples)
        super().format_epilog(ctx, formatter)


def write_examples(formatter: click.HelpFormatter, examples: str) -> None:
    """Write a section of lines, which are not wrapped."""
    if examples:
        with formatter.section("Examples"):
            for line in examples.strip().splitlines():
                formatter.write(f"{' ' * formatter.current_indent}{line.strip()}\n")


pass_state = click.make_pass_decorator(State, ensure=True)


def page_size(limit: int | None) -> int | None:
    """Return the page size for showing `limit` entries; None lets the service choose."""
    return None if limit is None else min(limit, _MAX_PAGE_SIZE)


def read_object(text: str) -> dict[str, Any]:
    """Return the JSON object in an argument, or in the file that the argument names; `-` is standard input."""
    try:
        if text == "-":
            text = _decode(sys.stdin.buffer.read())
        elif not text.lstrip().startswith(("{", "[")):
            text = _decode(Path(text).read_bytes())
        found = json_text.decode_strictly(text)
    except UnicodeDecodeError:
        raise OperatorError("the input is not UTF-8") from None
    except standard_json.JSONDecodeError as error:
        raise OperatorError(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise OperatorError("not a JSON object")
    return found


def _decode(raw: bytes) -> str:
    check_encoding(raw)
    return raw.decode("utf-8-sig")
