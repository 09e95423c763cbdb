"""How every command ends: with an exit status that means something, and one line for what went wrong."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, TextIO

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
    """One line for whoever ran the command."""


class Terminated(KeyboardInterrupt):
    """Raised where a signal asked the process to end."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_status = 128 + signal_number


def run(command: Callable[[], object]) -> int:
    """The exit status of the command, which may return one."""
    try:
        status = command()
    except click.exceptions.Exit as end:
        return _flushed(end.exit_code)
    except click.UsageError as mistake:
        return _misused(mistake)
    except click.ClickException as error:
        return say(error.format_message())
    except (KeyboardInterrupt, click.Abort) as interrupt:
        return _interrupted(interrupt)
    except (OperatorError, JobpipeError, ValueError, OSError) as error:
        return _failed(error)
    return _flushed(status if isinstance(status, int) else OK)


def _misused(mistake: click.UsageError) -> int:
    if isinstance(mistake, click.exceptions.NoArgsIsHelpError):
        click.echo(mistake.format_message(), err=True)
        return USAGE
    return say(mistake.format_message(), USAGE)


def line_of(error: Exception) -> str:
    """What one line can say of an error, and what may help."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    if isinstance(error, Forbidden):
        return f"{error}: the key is wrong, has ended, or is another stage's (JOBPIPE_API_KEY, --stage)"
    if isinstance(error, Unreachable):
        return f"{error} (is the stage up? jobpipe --stage, JOBPIPE_URL)"
    return str(error)


def status_of(error: Exception) -> int:
    """The exit status that an error is."""
    if isinstance(error, WaitTimeout):
        return NOT_ENDED
    return FAILED if isinstance(error, JobError) else ERROR


def say(line: str, status: int = ERROR) -> int:
    """The status, after one line on standard error."""
    text = " ".join(line.split())
    try:
        click.echo(f"jobpipe: {escaped(text)}", err=True)
    except OSError:  # nobody reads it
        silence(sys.stderr)
    return status


def _failed(error: Exception) -> int:
    if isinstance(error, BrokenPipeError):
        silence(sys.stdout)
        return ERROR
    if isinstance(error, OSError):
        _drop_unwritten()
    return say(line_of(error), status_of(error))


@contextmanager
def as_exits() -> Iterator[None]:
    """Turns Ctrl-C, signals and a closed pipe of the help into exit statuses, before click handles them."""
    try:
        yield
    except BrokenPipeError as error:
        silence(sys.stdout)
        raise click.exceptions.Exit(OK) from error
    except KeyboardInterrupt as interrupt:
        if sys.stderr.isatty():  # where ^C stands
            click.echo(err=True)
        raise click.exceptions.Exit(_interrupted(interrupt)) from interrupt


@contextmanager
def writing() -> Iterator[None]:
    """Turns a closed pipe into an error while a command runs, since it has output to write."""
    try:
        yield
    except BrokenPipeError as error:
        raise click.exceptions.Exit(_failed(error)) from error


def _interrupted(interrupt: BaseException) -> int:
    cause = interrupt.__cause__ if isinstance(interrupt, click.Abort) else interrupt
    status = cause.exit_status if isinstance(cause, Terminated) else INTERRUPTED
    _drop_unwritten()
    notes = getattr(cause, "__notes__", [])  # the interrupted command's note on how to continue
    return say(notes[0] if notes else "interrupted", status)


def _flushed(status: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough
        silence(sys.stdout)
    except OSError as error:
        return _failed(error)
    return status


def _drop_unwritten() -> None:
    """What cannot be written now could not be at the interpreter's end either, which would say so again."""
    try:
        sys.stdout.flush()
    except OSError:
        silence(sys.stdout)


def silence(stream: TextIO) -> None:
    """Drops what is and will be written: the interpreter, too, would complain when it closes the stream."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM and SIGHUP end the command as Ctrl-C does, through its `finally`s; `nohup` keeps what it ignores."""
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    endings = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {each: signal.signal(each, _end) for each in endings if signal.getsignal(each) is signal.SIG_DFL}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def interrupts_told(tell: Callable[[KeyboardInterrupt], None]) -> Iterator[None]:
    """Ctrl-C, and the signals of `terminable`, go to `tell` instead of being raised wherever the main thread is.

    Raised in the callback of a weak reference, say, it would be lost. `tell` must be safe in a signal handler.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _: FrameType | None) -> None:
        tell(KeyboardInterrupt() if number == signal.SIGINT else Terminated(number))

    known = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {each: signal.signal(each, handle) for each in known if callable(signal.getsignal(each))}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _end(signal_number: int, _: FrameType | None) -> NoReturn:
    raise Terminated(signal_number)
