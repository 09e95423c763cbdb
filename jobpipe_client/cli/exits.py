"""How a command ends: its exit status, one line for an error, and signals."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TextIO

import click

from jobpipe_client.cli.output.escaping import escaped
from jobpipe_client.exceptions import Forbidden, JobpipeError, Unreachable
from jobpipe_client.models import JobError, WaitTimeout

OK, ERROR, USAGE, FAILED, NOT_ENDED, INTERRUPTED = 0, 1, 2, 3, 4, 130

MEANINGS = [
    ("0", "all went well"),
    ("1", "an error: of the service, the network, the disk"),
    ("2", "a mistake in the command line"),
    ("3", "a job failed or was cancelled, or rows of an import failed"),
    ("4", "a job had not ended in time"),
    ("130", "interrupted by Ctrl-C"),
    ("143", "ended by SIGTERM"),
]


class OperatorError(Exception):
    """An error that is shown as one line."""


class Terminated(KeyboardInterrupt):
    """Raised in place of KeyboardInterrupt if SIGTERM or SIGHUP ends the process."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_status = 128 + signal_number


def run(command: Callable[[], object]) -> int:
    """Call the command and return its exit status, OK if it returns none."""
    try:
        status = command()
    except click.exceptions.Exit as end:
        return _flush(end.exit_code)
    except click.UsageError as mistake:
        return _print_usage_error(mistake)
    except click.ClickException as error:
        return print_error(error.format_message())
    except (KeyboardInterrupt, click.Abort) as interrupt:
        return _print_interrupt(interrupt)
    except (OperatorError, JobpipeError, ValueError, OSError) as error:
        return _print_failure(error)
    return _flush(status if isinstance(status, int) else OK)


def print_error(line: str, status: int = ERROR) -> int:
    """Print one line on standard error, and return the status."""
    text = " ".join(line.split())
    try:
        click.echo(f"jobpipe: {escaped(text)}", err=True)
    except OSError:  # nobody reads it
        silence(sys.stderr)
    return status


def describe(error: Exception) -> str:
    """Return the error's message, with advice if there is any."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    if isinstance(error, Forbidden) and "role" not in (error.problem.detail or ""):
        return f"{error}: the key is wrong, has expired, or is for another stage (JOBPIPE_API_KEY, --stage)"
    if isinstance(error, Unreachable):
        return (
            f"{error} (is the stage up? `jobpipe doctor` looks for the cause; --stage and JOBPIPE_URL name another)"
        )
    return str(error)


def silence(stream: TextIO) -> None:
    """Discard all output of a stream; otherwise the interpreter would complain when it closes the stream."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _print_usage_error(mistake: click.UsageError) -> int:
    if isinstance(mistake, click.exceptions.NoArgsIsHelpError):
        click.echo(mistake.format_message(), err=True)
        return USAGE
    return print_error(mistake.format_message(), USAGE)


def _print_failure(error: Exception) -> int:
    if isinstance(error, BrokenPipeError):
        silence(sys.stdout)
        return ERROR
    if isinstance(error, OSError):
        _discard_unwritten()
    if isinstance(error, WaitTimeout):
        return print_error(describe(error), NOT_ENDED)
    return print_error(describe(error), FAILED if isinstance(error, JobError) else ERROR)


def _print_interrupt(interrupt: BaseException) -> int:
    cause = interrupt.__cause__ if isinstance(interrupt, click.Abort) else interrupt
    status = cause.exit_status if isinstance(cause, Terminated) else INTERRUPTED
    _discard_unwritten()
    notes = getattr(cause, "__notes__", [])  # the interrupted command's advice on how to continue
    return print_error(notes[0] if notes else "interrupted", status)


def _flush(status: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe
        silence(sys.stdout)
    except OSError as error:
        return _print_failure(error)
    return status


def _discard_unwritten() -> None:
    # Otherwise the interpreter would try to write the output again when it exits, and report the error again.
    try:
        sys.stdout.flush()
    except OSError:
        silence(sys.stdout)


@contextmanager
def interrupts_as_exits() -> Iterator[None]:
    """Turn Ctrl-C, signals and the closed pipe of a help text into exit statuses, before click handles them."""
    try:
        yield
    except BrokenPipeError as error:
        silence(sys.stdout)
        raise click.exceptions.Exit(OK) from error
    except KeyboardInterrupt as interrupt:
        if sys.stderr.isatty():  # the terminal shows ^C on the current line
            click.echo(err=True)
        raise click.exceptions.Exit(_print_interrupt(interrupt)) from interrupt


@contextmanager
def closed_pipe_as_error() -> Iterator[None]:
    """Turn a closed pipe into an error while a command runs, since it has output to write."""
    try:
        yield
    except BrokenPipeError as error:
        raise click.exceptions.Exit(_print_failure(error)) from error


@contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does, unless they are ignored, as under `nohup`."""

    def terminate(number: int, _: FrameType | None) -> NoReturn:
        raise Terminated(number)

    with _handlers(("SIGTERM", "SIGHUP"), terminate, lambda current: current is signal.SIG_DFL):
        yield


@contextmanager
def pass_interrupts_to(handle: Callable[[KeyboardInterrupt], None]) -> Iterator[None]:
    """Pass Ctrl-C, SIGTERM and SIGHUP to `handle`, which must be safe in a signal handler.

    An exception that a signal handler raises may be lost, for instance if the main thread is in the callback of a
    weak reference.
    """

    def pass_on(number: int, _: FrameType | None) -> None:
        handle(KeyboardInterrupt() if number == signal.SIGINT else Terminated(number))

    with _handlers(("SIGINT", "SIGTERM", "SIGHUP"), pass_on, callable):
        yield


@contextmanager
def _handlers(
    names: tuple[str, ...], handler: Callable[[int, FrameType | None], Any], may_replace: Callable[[Any], bool]
) -> Iterator[None]:
    """Install a handler for each of the signals whose current handler may be replaced."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread can install handlers
        yield
        return
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    replaced = {each: signal.signal(each, handler) for each in signals if may_replace(signal.getsignal(each))}
    try:
        yield
    finally:
        for each, previous in replaced.items():
            signal.signal(each, previous)
