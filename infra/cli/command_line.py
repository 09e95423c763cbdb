"""Runs a command, and reports errors that an operator can correct in one line and by the exit status."""

import argparse
import math
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from botocore.exceptions import EndpointConnectionError

from infra.cli.aws_errors import LIBRARY_ERRORS, describe
from infra.cli.ownership import permission_problem
from infra.cli.signals import Terminated, terminable
from infra.errors import OperatorError
from jobpipe_client.cli.exits import silence

INTERRUPTED = 130


def run(name: str, command: Callable[[], int | None]) -> int:
    """Return the command's exit status: 1 after an operator's error, 130 after Ctrl-C, 143 after SIGTERM."""
    try:
        with terminable():
            status = command() or 0
    except (OperatorError, PermissionError, *LIBRARY_ERRORS) as error:
        print(f"{name}: {_line_on(error)}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader has closed the output
        silence(sys.stdout)
        return 0
    except KeyboardInterrupt as interrupt:
        print("interrupted", file=sys.stderr)
        return interrupt.exit_status if isinstance(interrupt, Terminated) else INTERRUPTED
    _flush()
    return status


def _line_on(error: Exception) -> str:
    if isinstance(error, PermissionError) and isinstance(error.filename, str):
        return permission_problem(Path(error.filename))
    if isinstance(error, EndpointConnectionError):
        where = urlsplit(str(error.kwargs.get("endpoint_url", "")))
        hint = "make deploy-local starts an emulator, and JOBPIPE_PORT is its port"
        return f"nothing answers at {where.scheme}://{where.netloc.rpartition('@')[2]}: {hint}"
    return describe(error) if isinstance(error, LIBRARY_ERRORS) else str(error)


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)


def duration(unit: str) -> Callable[[str], float]:
    """Return the type of an option for a time in `unit`s, such as "seconds": from 0 to ten years."""
    longest = timedelta(days=3650) / timedelta(**{unit: 1})

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value <= longest:
            raise argparse.ArgumentTypeError(f"{text!r} is no number of {unit} within ten years")
        return value

    return parse


def add_collections_option(parser: argparse.ArgumentParser) -> None:
    """Add `--collections`, whose value infra.settings.collections_folder resolves."""
    parser.add_argument(
        "--collections", metavar="FOLDER", help="the folder of collections (JOBPIPE_COLLECTIONS, else collections/)"
    )


class OneLineParser(argparse.ArgumentParser):
    """Prints errors without the usage, which names options where the operator gave variables of make."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog.rpartition('.')[2]}: {message}", file=sys.stderr)
        raise SystemExit(2)

    def print_help(self, file: Any = None) -> None:
        """Print the help, even if its reader closes the output."""
        super().print_help(file)
        _flush()
