"""The command line `jobpipe`: the client for a person at a terminal, and for scripts."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of a run of `jobpipe`."""
    try:
        from jobpipe_client.cli.app import main as run  # noqa: PLC0415  # it takes a while, and Ctrl-C may come
    except KeyboardInterrupt:
        return 130
    return run(arguments)
