"""The operators' programs of a checkout, with their own options: audit, redrive, parked."""

from __future__ import annotations

import click

from jobpipe_client.cli.command import State, pass_state, write_examples
from jobpipe_client.cli.commands.checkout import checkout_module


class _PassedOn(click.Command):
    """Its options are the program's own, `--help` among them."""

    def __init__(self, name: str, text: str, examples: str) -> None:
        more = f"All options are those of its own program, which a checkout has: jobpipe {name} --help."
        super().__init__(
            name,
            callback=_run,
            params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
            help=f"{text}\n\n{more}",
            context_settings={"ignore_unknown_options": True, "help_option_names": []},
        )
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The examples as they stand."""
        write_examples(formatter, self.examples)


@pass_state
def _run(state: State, arguments: tuple[str, ...]) -> int:
    name = click.get_current_context().info_name
    given = list(arguments)
    if state.stage is not None and not any(each.split("=")[0] == "--stage" for each in given):
        given = ["--stage", state.stage, *given]
    if state.json and "--json" not in given:
        given.append("--json")
    try:
        return int(checkout_module(f"{name}.__main__").main(given))
    except SystemExit as end:  # of argparse: --help, or a mistake
        return end.code if isinstance(end.code, int) else 0


audit = _PassedOn(
    "audit",
    "Compare jobs, items, name locks and documents of a stage, and say where they disagree.",
    "jobpipe audit\njobpipe audit --repair\njobpipe audit --json --older-than 0",
)
redrive = _PassedOn(
    "redrive",
    "Retry failed jobs of all callers, those that match every filter.",
    "jobpipe redrive --reason attempts-spent --since 2026-11-22T20:00:00Z --dry-run\njobpipe redrive --all",
)
parked = _PassedOn(
    "parked",
    "Show messages that are no command, and resend or drop them.",
    "jobpipe parked\njobpipe parked --resend ID\njobpipe parked --drop --all",
)
