"""Output whose reader may close it early, as `head` does: the command continues, and its exit status stays."""

import sys

from rich.console import Console

from jobpipe_client.cli.exits import silence


class LastingConsole(Console):
    """A console that drops its output once the reader is gone; rich's own would end the process with status 1."""

    def on_broken_pipe(self) -> None:
        """Write nothing from now on."""
        self.quiet = True
        silence(sys.stderr if self.stderr else sys.stdout)


def emit(line: str) -> None:
    """Print one line for programs."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        silence(sys.stdout)
