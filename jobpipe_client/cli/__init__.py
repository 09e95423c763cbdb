"""The command line `jobpipe`: the client for a person at a terminal, and for scripts."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of a run of `jobpipe`."""
    try:
        from jobpipe_client.cli.app import main as run  # noqa: PLC0415  # it takes a while, and Ctrl-C may come
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in {"click", "rich"}:
            raise
        sys.stderr.write("jobpipe: the command line needs more: pip install 'jobpipe-client[cli]'\n")
        return 1
    return run(arguments)


def entry() -> NoReturn:
    """`jobpipe` as a program: the process ends with its status, whatever its threads are about."""
    status = main()
    with suppress(ValueError):  # not on the main thread
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is left that Ctrl-C could interrupt with a traceback
    if threading.active_count() > 1:
        # Python would wait for requests under way, and then may wait for a lock that one of the daemons has.
        with suppress(OSError):
            sys.stdout.flush()
        with suppress(OSError):
            sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
