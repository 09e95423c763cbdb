"""Forbids the code of a folder to use the clock, randomness, files, the environment, processes or the network.

Only that folder's code is watched, with what it calls, except while the standard library imports modules. This
finds mistakes. It is not a sandbox: malicious code can escape.
"""

import datetime as dt
import linecache
import logging
import os
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

_CLOCK = (
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time"),
    *("process_time_ns", "thread_time", "thread_time_ns", "clock_gettime", "clock_gettime_ns", "sleep"),
)
_CLOCK_WITHOUT_ARGUMENT = {"localtime": 0, "gmtime": 0, "ctime": 0, "asctime": 0, "strftime": 1}
_RANDOMNESS = {
    "os": ("urandom", "getrandom"),
    "random": (
        *("random", "uniform", "triangular", "randint", "randrange", "choice", "choices", "sample", "shuffle"),
        *("seed", "getrandbits", "randbytes", "betavariate", "expovariate", "gammavariate", "gauss"),
        *("lognormvariate", "normalvariate", "vonmisesvariate", "paretovariate", "weibullvariate"),
        *("binomialvariate", "getstate", "setstate", "_urandom"),
    ),
    "uuid": ("uuid1", "uuid4", "uuid6", "uuid7", "getnode"),
}
_SYSTEM = (
    *("stat", "lstat", "access", "readlink", "getcwd", "getpid", "getppid", "getlogin", "uname", "times"),
    "cpu_count",
)
# Python's audit events (https://docs.python.org/3/library/audit_events.html), by prefix.
_EVENTS = {
    "open": "opens a file",
    "os.": "uses the system",
    "shutil.": "uses files",
    "glob.": "uses files",
    "tempfile.": "uses files",
    "sqlite3.": "uses a database",
    "subprocess.": "starts a process",
    "pty.": "starts a process",
    "_thread.start": "starts a thread",
    "_posixsubprocess.": "starts a process",
    "socket.": "uses the network",
    "urllib.": "uses the network",
    "http.": "uses the network",
    "ftplib.": "uses the network",
    "smtplib.": "uses the network",
    "imaplib.": "uses the network",
    "poplib.": "uses the network",
    "ctypes.": "uses native code",
    "builtins.input": "reads the standard input",
}
_PREFIXES = tuple(_EVENTS)
_HARMLESS = {logging.__file__, linecache.__file__}  # these only report what happens
_HINT = "at is the time of the command"


class TakenAway(BaseException):
    """The code used something forbidden to operations. It is a BaseException, so that few handlers catch it."""

    used: ClassVar[list[tuple[str, str, int]]] = []
    """What was used since the list was emptied, with file and line, since a handler may catch the error."""


class _Watch:
    """Refuses calls that come from the code of a folder."""

    def __init__(self) -> None:
        self.folder = ""
        self._looking = False

    def refuse(self, what: str) -> None:
        """Raise TakenAway if the folder's code makes the call, unless it is importing a module."""
        if self._looking:
            return
        self._looking = True
        try:
            frame = sys._getframe(1)  # noqa: SLF001  # the only way to see the callers
            while frame is not None:
                name = frame.f_code.co_filename
                if name.startswith("<frozen importlib") or name in _HARMLESS:
                    return
                if name.startswith(self.folder):
                    TakenAway.used.append((what, name, frame.f_lineno))
                    raise TakenAway(what)
                frame = frame.f_back  # type: ignore[assignment]  # the loop ends at None
        finally:
            self._looking = False


_WATCH = _Watch()


def take_away(folder: Path) -> None:
    """Replace what is forbidden to operations. This cannot be undone: the process does nothing else."""
    _WATCH.folder = f"{folder}{os.sep}"
    for name in _CLOCK:
        _replace(time, name, f"uses the clock (time.{name}); {_HINT}")
    for name, position in _CLOCK_WITHOUT_ARGUMENT.items():
        _replace(time, name, f"uses the clock (time.{name}); {_HINT}", position)
    for module in (os, random, uuid):
        for name in _RANDOMNESS[module.__name__]:
            _replace(module, name, f"uses randomness ({module.__name__}.{name.lstrip('_')})")
    for name in _SYSTEM:
        _replace(os, name, f"uses the system (os.{name})")
    classes: tuple[tuple[ModuleType, str, type], ...] = (
        (dt, "date", _Date),
        (dt, "datetime", _Datetime),
        (random, "Random", _Random),
        (random, "SystemRandom", _SystemRandom),
    )
    for module, name, replaced in classes:
        replaced.__name__ = replaced.__qualname__ = name
        replaced.__module__ = module.__name__
        setattr(module, name, replaced)
    environment = _Environment()
    for name, of_environment in (("environ", environment), ("getenv", environment.get)):
        setattr(os, name, of_environment)
    sys.addaudithook(_audit)


def _audit(event: str, _: object) -> None:
    if event.startswith(_PREFIXES):
        what = next(words for prefix, words in _EVENTS.items() if event.startswith(prefix))
        _WATCH.refuse(f"{what} ({event})")


def _replace(module: ModuleType, name: str, what: str, position: int | None = None) -> None:
    """Replace a function. With a position, only calls without an argument there are refused."""
    original: Callable[..., Any] | None = getattr(module, name, None)
    if original is None:  # this version of Python, or this system, does not have the function
        return

    def replaced(*arguments: Any, **named: Any) -> Any:
        if position is None or len(arguments) <= position:
            _WATCH.refuse(what)
        return original(*arguments, **named)

    replaced.__name__ = name
    setattr(module, name, replaced)


_REAL = {"date": dt.date, "datetime": dt.datetime}


class _AlsoReal(type):
    """Accepts an instance of the real class as an instance of its replacement."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _REAL[cls.__name__])


class _Date(dt.date, metaclass=_AlsoReal):
    @classmethod
    def today(cls) -> Any:
        _WATCH.refuse(f"uses the clock (date.today); {_HINT}")
        return _REAL["date"].today()


class _Datetime(dt.datetime, metaclass=_AlsoReal):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        _WATCH.refuse(f"uses the clock (datetime.now); {_HINT}")
        return super().now(tz)

    @classmethod
    def utcnow(cls) -> Any:
        _WATCH.refuse(f"uses the clock (datetime.utcnow); {_HINT}")
        return super().now(dt.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> Any:
        _WATCH.refuse(f"uses the clock (datetime.today); {_HINT}")
        return super().now()


class _Random(random.Random):
    def __init__(self, x: Any = None) -> None:
        if x is None:
            _WATCH.refuse("uses randomness (random.Random without a seed)")
        super().__init__(x)


class _SystemRandom(random.SystemRandom):
    def random(self) -> float:
        """Refuse."""
        _WATCH.refuse("uses randomness (random.SystemRandom)")
        return super().random()

    def getrandbits(self, k: int, /) -> int:
        """Refuse."""
        _WATCH.refuse("uses randomness (random.SystemRandom)")
        return super().getrandbits(k)


class _Environment(dict[str, str]):
    """An empty environment that refuses to be read."""

    def __getitem__(self, name: str) -> str:
        _WATCH.refuse("reads the environment")
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        _WATCH.refuse("reads the environment")
        return False

    def __iter__(self) -> Iterator[str]:
        _WATCH.refuse("reads the environment")
        return iter(())

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ARG002  # no name has a value
        """Return the default."""
        _WATCH.refuse("reads the environment")
        return default

    def __setitem__(self, name: str, value: str) -> None:
        _WATCH.refuse("changes the environment")
