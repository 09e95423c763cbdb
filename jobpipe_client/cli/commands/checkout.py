"""Commands that need a checkout of jobpipe: the operators' programs, which use the stage's AWS account."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import click

from jobpipe_client.cli.command import State, pass_state, write_examples
from jobpipe_client.cli.exits import OperatorError


def import_from_own_checkout(name: str) -> ModuleType:
    """Import a module of `scripts` from the checkout that contains this client, or raise OperatorError.

    This is for callers' commands. They may run in any folder, so code from the current folder must not be imported.
    """
    root = Path(__file__).resolve().parents[3]
    if not _is_checkout(root):
        raise OperatorError("this needs the jobpipe of a checkout")
    if str(root) != sys.path[0]:
        _prepend_to_path(root)
    return _import(f"scripts.{name}")


def _import_from_checkout(name: str) -> ModuleType:
    """Import a module of `scripts` from the installed checkout or the checkout around the current folder.

    This is for operators' commands. Raise OperatorError if there is no checkout.
    """
    _add_checkout_to_path()
    return _import(f"scripts.{name}")


def write_collection(name: str, folder: str | None) -> Path:
    """Write a new collection with the checkout's scaffold, and return its folder.

    Raise OperatorError without a checkout, for a name that is not allowed, or if the folder exists.
    """
    _add_checkout_to_path()
    scaffold, settings = _import("infra.collections.scaffold"), _import("infra.settings")
    try:
        return Path(scaffold.write_collection(settings.collections_folder(folder), name))
    except _import("infra.errors").OperatorError as error:
        raise OperatorError(str(error)) from error


def _add_checkout_to_path() -> None:
    if importlib.util.find_spec("scripts") is None or importlib.util.find_spec("infra") is None:
        root = next((each for each in (Path.cwd(), *Path.cwd().parents) if _is_checkout(each)), None)
        if root is None:
            raise OperatorError("this needs a checkout of jobpipe: run it there")
        _prepend_to_path(root)


def _prepend_to_path(root: Path) -> None:
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()


def _import(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):  # the module, or a package around it
            raise OperatorError("this needs a checkout of jobpipe: run it there") from None
        raise OperatorError(f"this needs the checkout's own environment: there is no {error.name} here") from None


def _is_checkout(folder: Path) -> bool:
    return all(
        (folder / part).is_file()
        for part in ("scripts/audit/__main__.py", "infra/targets/target.py", "jobpipe/domain/jobs/job.py")
    )


class _ScriptCommand(click.Command):
    """A command that passes its arguments, including `--help`, to a program of `scripts`."""

    def __init__(self, name: str, text: str, examples: str) -> None:
        more = f"The program in a checkout defines all options: jobpipe {name} --help."
        super().__init__(
            name,
            callback=_run,
            params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
            help=f"{text}\n\n{more}",
            context_settings={"ignore_unknown_options": True, "help_option_names": []},
        )
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples."""
        write_examples(formatter, self.examples)


@pass_state
def _run(state: State, arguments: tuple[str, ...]) -> int:
    name = click.get_current_context().info_name
    passed = list(arguments)
    if state.stage is not None and not any(each.split("=")[0] == "--stage" for each in passed):
        passed = ["--stage", state.stage, *passed]
    if state.json and "--json" not in passed:
        passed.append("--json")
    try:
        return int(_import_from_checkout(f"{name}.__main__").main(passed))
    except SystemExit as end:  # from argparse, after --help or a usage error
        return end.code if isinstance(end.code, int) else 0


audit = _ScriptCommand(
    "audit",
    "Compare jobs, items, name locks and documents of a stage, and report where they disagree.",
    "jobpipe audit\njobpipe audit --repair\njobpipe audit --json --older-than 0",
)
demo = _ScriptCommand(
    "demo",
    "Send sample commands to a stage, and show the outcome and the latency of each kind.",
    "jobpipe demo\njobpipe demo --clean-up --concurrency 16",
)
doctor = _ScriptCommand(
    "doctor",
    "Look for what keeps this checkout or a stage from working, and say what to do.",
    "jobpipe doctor\njobpipe doctor --stage prod",
)
redrive = _ScriptCommand(
    "redrive",
    "Retry the failed jobs of all callers that match every filter.",
    "jobpipe redrive --reason attempts-spent --since 2026-11-22T20:00:00Z --dry-run\njobpipe redrive --all",
)
parked = _ScriptCommand(
    "parked",
    "Show parked messages, which are not valid commands, and resend or drop them.",
    "jobpipe parked\njobpipe parked --resend ID\njobpipe parked --drop --all",
)
