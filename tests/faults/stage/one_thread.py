"""The release and the functions that notify as random histories run them: in one thread, in the histories' time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from itertools import count
from typing import Any
from unittest.mock import patch
from uuid import UUID

from jobpipe.domain.errors import ClaimUnusable, JobEnded, Unavailable
from jobpipe.runtime.metrics import meter
from jobpipe.runtime.telemetry import logger
from tests.faults.stage.lambdas import Inline
from tests.faults.stage.notifying_stage import SHARD
from worker_lambda.chalicelib.consumer import CommandInterrupted, NoTimeLeft
from worker_lambda.chalicelib.execute import NotDueYet


class LogLines:
    """Collects the exceptions that the product logs and that are no outage."""

    # A copy of a message whose job has ended has no claim check.
    _EXPECTED = (Unavailable, ClaimUnusable, JobEnded, NotDueYet, CommandInterrupted, NoTimeLeft)

    def __init__(self) -> None:
        self.unexpected: list[str] = []

    def ignore(self, *_: Any, **__: Any) -> None:
        """Write no line."""

    def exception(self, message: str, *_: Any, exc_info: object = None, **__: Any) -> None:
        error = exc_info if isinstance(exc_info, Exception) else sys.exception()
        if not isinstance(error, self._EXPECTED):
            self.unexpected.append(f"{message}: {error!r}")

    def warning(self, message: str, *_: Any, exc_info: object = None, **__: Any) -> None:
        if exc_info:
            self.exception(message, exc_info=exc_info)


@contextmanager
def one_thread(sleep: Callable[[float], None], lines: LogLines) -> Iterator[None]:
    """Let the release and the functions that notify run in one thread, with this sleep and the same ids."""
    numbers = count()

    def digest() -> str:
        return sha256(str(next(numbers)).encode()).hexdigest()

    sleeping = sleep

    class Time:
        sleep = staticmethod(sleeping)
        perf_counter = staticmethod(time.perf_counter)

    chalicelib = "worker_lambda.chalicelib"
    with ExitStack() as stack:
        for name, value in {
            "jobpipe.domain.jobs.scheduled.SHARDS": (SHARD,),
            f"{chalicelib}.releasing.sweep.SHARDS": (SHARD,),
            f"{chalicelib}.releasing.sweep._shards": Inline,
            f"{chalicelib}.releasing.release._markers": Inline,
            f"{chalicelib}.notifications.parallel._threads": Inline,
            f"{chalicelib}.releasing.sweep.time": Time,
            f"{chalicelib}.execute.time": Time,
            f"{chalicelib}.releasing.release.PAGE": 3,
            f"{chalicelib}.notifications.notify.STORED_TOGETHER": 2,
            f"{chalicelib}.notifications.wait.SWEEP_PAGE": 2,
            "jobpipe.domain.jobs.queue_message.MAX_WAITING_BYTES": 250,
            "secrets.token_hex": lambda size: digest()[: 2 * size],
            "api_lambda.chalicelib.submitting.submit.token_hex": lambda size: digest()[: 2 * size],
            "uuid.uuid4": lambda: UUID(digest()[:32], version=4),
        }.items():
            stack.enter_context(patch(name, value))
        stack.enter_context(patch.object(meter, "write"))
        for method in ("error", "info", "log"):
            stack.enter_context(patch.object(logger, method, lines.ignore))
        stack.enter_context(patch.object(logger, "exception", lines.exception))
        stack.enter_context(patch.object(logger, "warning", lines.warning))
        yield
