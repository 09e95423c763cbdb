"""A virtual clock for the product, for botocore's backoff and for the emulator."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from types import ModuleType
from typing import Any, Self
from unittest.mock import patch

import botocore.endpoint

import jobpipe.domain.clock

_PRODUCT = ("jobpipe.", "api_lambda.", "worker_lambda.")


class Clock:
    """Replaces the module `time` where it is installed; a sleep advances it."""

    def __init__(self) -> None:
        self._start = time.time()
        self.elapsed = 0.0

    def sleep(self, seconds: float) -> None:
        self.elapsed += seconds

    def time(self) -> float:
        return self._start + self.elapsed

    def monotonic(self) -> float:
        return self.elapsed

    perf_counter = monotonic

    @contextmanager
    def installed(self) -> Iterator[Self]:
        """Let the product and botocore use this clock in the block."""

        class Moments(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Any:
                return datetime.fromtimestamp(clock.time(), tz)

        clock = self
        product = [module for name, module in sys.modules.items() if name.startswith(_PRODUCT)]
        with patch.object(jobpipe.domain.clock, "datetime", Moments):
            changed = [module for module in [*product, botocore.endpoint] if getattr(module, "time", None) is time]
            for module in changed:
                vars(module)["time"] = self
            try:
                yield self
            finally:
                for module in changed:
                    vars(module)["time"] = time


class EmulatorTime:
    """The module `time` for the emulator: it reads the clock, but the emulator's threads really sleep."""

    def __init__(self, clock: Clock) -> None:
        self.time = clock.time

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def install(self, module: ModuleType) -> None:
        vars(module)["time"] = self
