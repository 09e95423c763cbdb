"""How every command here ends: with an exit status, and one line for what an operator can put right."""

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
    """The command's exit status; 1 after an operator's error, 130 after Ctrl-C, 143 after SIGTERM."""
    try:
        with terminable():
            status = command() or 0
    except (OperatorError, PermissionError) as error:
        return _say(name, _line_of(error))
    except EndpointConnectionError as error:
        where = urlsplit(str(error.kwargs.get("endpoint_url", "")))
        hint = "make deploy-local starts an emulator, and JOBPIPE_PORT says on which port"
        return _say(name, f"nothing answers at {where.scheme}://{where.netloc.rpartition('@')[2]}: {hint}")
    except LIBRARY_ERRORS as error:
        return _say(name, describe(error))
    except BrokenPipeError:
        silence(sys.stdout)  # the reader of our output has closed it
        return 0
    except KeyboardInterrupt as interrupt:
        print("interrupted", file=sys.stderr)
        return interrupt.exit_status if isinstance(interrupt, Terminated) else INTERRUPTED
    return _flushed(status)


def _flushed(status: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
    return status


def _line_of(error: OperatorError | PermissionError) -> str:
    if isinstance(error, PermissionError) and isinstance(error.filename, str):
        return permission_problem(Path(error.filename))
    return str(error)


def _say(name: str, line: str) -> int:
    print(f"{name}: {line}", file=sys.stderr)
    return 1


def duration(unit: str) -> Callable[[str], float]:
    """The type of an option that is a length of time, in seconds or minutes: 0, or more, up to ten years."""
    longest = timedelta(days=3650) / timedelta(**{unit: 1})

    def parsed(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not 0 <= found <= longest:
            raise argparse.ArgumentTypeError(f"{text!r} is no number of {unit} within ten years")
        return found

    return parsed


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong without the usage, which speaks of options where make has variables."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog.rpartition('.')[2]}: {message}", file=sys.stderr)
        raise SystemExit(2)

    def print_help(self, file: Any = None) -> None:
        """Print the help, also if its reader has closed the output."""
        super().print_help(file)
        _flushed(0)
