"""The command line `jobpipe`, for people at a terminal and for scripts."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `jobpipe`, and return its exit status."""
    try:
        from jobpipe_client.cli.app import main as run  # noqa: PLC0415  # the import takes a while, and Ctrl-C may come meanwhile
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in {"click", "rich"}:
            raise
        sys.stderr.write("jobpipe: the command line needs more: pip install 'jobpipe-client[cli]'\n")
        return 1
    return run(arguments)


def entry() -> NoReturn:
    """Run `jobpipe` as a program, and end the process even if threads still run."""
    status = main()
    with suppress(ValueError):  # not on the main thread
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the process without a traceback
    if threading.active_count() > 1:
        # Python would wait for requests under way, and may then wait for a lock of a daemon thread for ever.
        with suppress(OSError):
            sys.stdout.flush()
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
