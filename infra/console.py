"""Standard output whose reader may have seen enough, as `head` has: the command goes on and keeps its status."""

import os
import sys
from typing import TextIO

from rich.console import Console


class LastingConsole(Console):
    """A console that drops what nobody reads any more; rich's own would end the process with status 1."""

    def on_broken_pipe(self) -> None:
        """Nothing is written from now on."""
        self.quiet = True
        drop(sys.stderr if self.stderr else sys.stdout)


def emit(line: str) -> None:
    """One line for programs."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        drop(sys.stdout)


def drop(stream: TextIO) -> None:
    """Nobody reads the stream: what is and will be written goes nowhere. The interpreter flushes it at its end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)
