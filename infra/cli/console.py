"""Output whose reader may close it early, as `head` does; the command continues and keeps its exit status."""

import sys

from rich.console import Console

from jobpipe_client.cli.exits import silence


class LastingConsole(Console):
    """A console that drops its output once the reader has closed it; rich's own ends the process with status 1."""

    def on_broken_pipe(self) -> None:
        """Write nothing from now on."""
        self.quiet = True
        silence(sys.stderr if self.stderr else sys.stdout)


def emit(line: str) -> None:
    """Print one line of machine-readable output."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        silence(sys.stdout)
