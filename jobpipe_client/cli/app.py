"""The command `jobpipe`, with all of its commands."""

from __future__ import annotations

import io
import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class

import jobpipe_client
from jobpipe_client.cli import exits
from jobpipe_client.cli.command import Command, State, global_options, pass_state, write_examples
from jobpipe_client.cli.commands import checkout, collections, jobs
from jobpipe_client.cli.commands.dismiss import dismiss
from jobpipe_client.cli.commands.exporting import export
from jobpipe_client.cli.commands.items import items
from jobpipe_client.cli.commands.retry import retry
from jobpipe_client.cli.commands.stats import stats
from jobpipe_client.cli.commands.watch import watch
from jobpipe_client.cli.commands.webhooks import webhooks
from jobpipe_client.cli.importing.command import import_file
from jobpipe_client.settings import find_connection

_EXAMPLES = """
jobpipe items create name=Tent description="For two" price:=12.95
jobpipe import items.csv --number price
jobpipe run ship 7a41… --collection orders carrier=dhl
jobpipe failed
jobpipe retry --all-failed
jobpipe stats --watch
"""


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class App(click.Group):
    """The group of all commands, which ends with one of the documented exit statuses."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line, and exit with its status."""
        name = prog_name or "jobpipe"
        click_main = super().main
        status = exits.run(
            lambda: click_main(
                args, name, complete_var, standalone_mode=False, windows_expand_args=windows_expand_args, **extra
            )
        )
        if standalone_mode:
            sys.exit(status)
        return status

    def make_context(self, *arguments: Any, **named: Any) -> click.Context:
        """Parse the command line, and show the help if it asks for that."""
        with exits.interrupts_as_exits():
            return super().make_context(*arguments, **named)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with exits.interrupts_as_exits():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands in the order of their registration."""
        return list(self.commands)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples and the meaning of the exit statuses."""
        write_examples(formatter, _EXAMPLES)
        with formatter.section("Exit status"):
            formatter.write_dl(exits.MEANINGS)


@click.group(cls=App, params=global_options(), context_settings=_SETTINGS)
@click.version_option(jobpipe_client.__version__, prog_name="jobpipe")
@click.pass_context
def app(ctx: click.Context) -> None:
    """Send commands to a jobpipe deployment, watch their jobs, import and export items."""
    ctx.ensure_object(State)


@click.command("open", cls=Command, examples="jobpipe open\njobpipe open --print")
@click.option("--print", "only_print", is_flag=True, help="Only print the URL.")
@pass_state
def open_console(state: State, *, only_print: bool) -> None:
    """Open the stage's console in the browser, and print its URL and where its API key is."""
    url = f"{state.client.base_url}/console"
    if state.output.json:
        state.output.document({"url": url})
    else:
        state.output.line(url)
        state.output.note(f"the console asks for the API key: it is in {find_connection(state.stage).key_place}")
    if not only_print and not webbrowser.open(url):
        raise exits.OperatorError("no browser could be started: open the URL yourself")


@click.command(
    cls=Command,
    examples="""
    eval "$(jobpipe completion bash)"        # in ~/.bashrc
    jobpipe completion zsh > ~/.zfunc/_jobpipe
    jobpipe completion fish > ~/.config/fish/completions/jobpipe.fish
    """,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_state
def completion(state: State, shell: str) -> None:
    """Print the script that completes jobpipe's commands and options in a shell."""
    kind = get_completion_class(shell)
    if kind is None:
        raise exits.OperatorError(f"there is no completion for {shell}")
    state.output.script(kind(app, {}, "jobpipe", "_JOBPIPE_COMPLETE").source())


for _command in (
    *(jobs.submit, jobs.status, jobs.wait, watch, items, import_file, export),
    *(collections.collections, collections.run, collections.find, collections.new),
    *(jobs.list_jobs, jobs.failed, jobs.retrying, retry, dismiss, jobs.cancel),
    *(webhooks, stats, open_console),
    *(checkout.audit, checkout.redrive, checkout.parked, checkout.demo, checkout.doctor, completion),
):
    app.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `jobpipe`, and return its exit status."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed; the next file that is opened would get its number
            setattr(sys, name, Path(os.devnull).open("r" if name == "stdin" else "w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # escape what a terminal or a pipe cannot encode
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():  # for programs: JSON and CSV are UTF-8
        sys.stdout.reconfigure(encoding="utf-8")
    return int(app.main(arguments, standalone_mode=False))
