"""Output whose reader may close it early, as `head` does: the command continues, and its exit status stays."""

import os
import sys
from typing import TextIO

from rich.console import Console


class LastingConsole(Console):
    """A console that drops its output once the reader is gone; rich's own would end the process with status 1."""

    def on_broken_pipe(self) -> None:
        """Write nothing from now on."""
        self.quiet = True
        drop(sys.stderr if self.stderr else sys.stdout)


def emit(line: str) -> None:
    """Print one line for programs."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        drop(sys.stdout)


def drop(stream: TextIO) -> None:
    """Redirect the stream to the null device, also for the interpreter, which flushes it at exit."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)
