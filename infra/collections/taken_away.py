"""Takes clock, chance, files, environment, processes and network from the code of one folder.

Only that folder's code is watched, and code that it calls: what the standard library does while it is imported is its own.
This finds what is written by mistake. It is no cage: code that means to get out of it can.
"""

import datetime
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
_CHANCE = {
    "os": ("urandom", "getrandom"),
    "random": (
        *(
            "random",
            "uniform",
            "triangular",
            "randint",
            "randrange",
            "choice",
            "choices",
            "sample",
            "shuffle",
            "seed",
        ),
        *("getrandbits", "randbytes", "betavariate", "expovariate", "gammavariate", "gauss", "lognormvariate"),
        *("normalvariate", "vonmisesvariate", "paretovariate", "weibullvariate", "binomialvariate"),
        *("getstate", "setstate", "_urandom"),
    ),
    "uuid": ("uuid1", "uuid4", "uuid6", "uuid7", "getnode"),
}
_SYSTEM = (
    "stat",
    "lstat",
    "access",
    "readlink",
    "getcwd",
    "getpid",
    "getppid",
    "getlogin",
    "uname",
    "times",
    "cpu_count",
)
# Audit events of Python (https://docs.python.org/3/library/audit_events.html), by what they begin with.
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


class TakenAway(BaseException):
    """The code used something that an operation cannot have. A BaseException, so that few handlers catch it."""

    used: ClassVar[list[tuple[str, str, int]]] = []
    """What was used since the list was emptied, with file and line: a handler may have caught the error."""


class _Watch:
    """Finds out whether a call comes from the folder's code."""

    def __init__(self, folder: Path) -> None:
        self._folder = f"{folder}{os.sep}"
        self._looking = False

    def refuse(self, what: str) -> None:
        """Raise TakenAway if the folder's code is what calls, and no import that goes on in it."""
        if self._looking:
            return
        self._looking = True
        try:
            frame = sys._getframe(1)  # noqa: SLF001  # there is no other way to the callers
            while frame is not None:
                name = frame.f_code.co_filename
                if name.startswith("<frozen importlib"):
                    return
                if name.startswith(self._folder):
                    TakenAway.used.append((what, name, frame.f_lineno))
                    raise TakenAway(what)
                frame = frame.f_back  # type: ignore[assignment]  # the loop ends at None
        finally:
            self._looking = False


def take_away(folder: Path) -> None:
    """Replace what an operation cannot have. It cannot be undone: the process is used for nothing else."""
    watch = _Watch(folder)
    for name in _CLOCK:
        _replace(time, name, watch, f"uses the clock (time.{name}); at is the time of the command")
    for name, position in _CLOCK_WITHOUT_ARGUMENT.items():
        _replace(time, name, watch, f"uses the clock (time.{name}); at is the time of the command", position)
    for module in (os, random, uuid):
        for name in _CHANCE[module.__name__]:
            _replace(module, name, watch, f"uses chance ({module.__name__}.{name.lstrip('_')})")
    for name in _SYSTEM:
        _replace(os, name, watch, f"uses the system (os.{name})")
    _replace_classes(watch)
    sys.addaudithook(lambda event, _: _audit(watch, event))


def _audit(watch: _Watch, event: str) -> None:
    if event.startswith(_PREFIXES):
        what = next(words for prefix, words in _EVENTS.items() if event.startswith(prefix))
        watch.refuse(f"{what} ({event})")


def _replace(module: ModuleType, name: str, watch: _Watch, what: str, position: int | None = None) -> None:
    """Replace a function; with a position, only calls without an argument there are refused."""
    original: Callable[..., Any] | None = getattr(module, name, None)
    if original is None:  # of another version of Python, or of another system
        return

    def replaced(*arguments: Any, **named: Any) -> Any:
        if position is None or len(arguments) <= position:
            watch.refuse(what)
        return original(*arguments, **named)

    replaced.__name__ = name
    setattr(module, name, replaced)


def _replace_classes(watch: _Watch) -> None:
    real_date, real_datetime, real_random = datetime.date, datetime.datetime, random.Random

    class AlsoReal(type):
        """Takes an instance of the real class for one of the class that replaces it."""

        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, real_datetime if cls.__name__ == "datetime" else real_date)

    class Date(real_date, metaclass=AlsoReal):
        @classmethod
        def today(cls) -> Any:
            watch.refuse("uses the clock (date.today); at is the time of the command")
            return real_date.today()  # noqa: DTZ011  # as the code asked for

    class Datetime(real_datetime, metaclass=AlsoReal):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            watch.refuse("uses the clock (datetime.now); at is the time of the command")
            return real_datetime.now(tz)

        @classmethod
        def utcnow(cls) -> Any:
            watch.refuse("uses the clock (datetime.utcnow); at is the time of the command")
            return real_datetime.now(datetime.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> Any:
            watch.refuse("uses the clock (datetime.today); at is the time of the command")
            return real_datetime.now()  # noqa: DTZ005  # as the code asked for

    class Random(real_random):
        def __init__(self, x: Any = None) -> None:
            if x is None:
                watch.refuse("uses chance (random.Random without a seed)")
            super().__init__(x)

    class SystemRandom(random.SystemRandom):
        def random(self) -> float:
            watch.refuse("uses chance (random.SystemRandom)")
            return super().random()

        def getrandbits(self, k: int) -> int:
            watch.refuse("uses chance (random.SystemRandom)")
            return super().getrandbits(k)

    for name, replaced in (("date", Date), ("datetime", Datetime)):
        replaced.__name__ = replaced.__qualname__ = name
        replaced.__module__ = "datetime"
        setattr(datetime, name, replaced)
    random.Random = Random  # type: ignore[misc]
    random.SystemRandom = SystemRandom  # type: ignore[misc]
    os.environ = _Environment(watch)  # type: ignore[assignment]
    os.getenv = os.environ.get  # type: ignore[assignment]


class _Environment(dict[str, str]):
    """An empty environment that tells who reads it."""

    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def _refuse(self) -> None:
        self._watch.refuse("reads the environment")

    def __getitem__(self, name: str) -> str:
        self._refuse()
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        self._refuse()
        return False

    def __iter__(self) -> Iterator[str]:
        self._refuse()
        return iter(())

    def get(self, name: str, default: Any = None) -> Any:
        """Return the default."""
        self._refuse()
        return default

    def __setitem__(self, name: str, value: str) -> None:
        self._refuse()
