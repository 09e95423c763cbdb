"""SIGTERM and SIGHUP end a command as Ctrl-C does: through its `finally`s."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_Handler = Callable[[int, FrameType | None], object] | signal.Handlers
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


class Terminated(KeyboardInterrupt):
    """Raised where a signal asked the process to end."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_status = 128 + signal_number


def _raise(signal_number: int, _: FrameType | None) -> NoReturn:
    raise Terminated(signal_number)


@contextmanager
def terminable() -> Iterator[None]:
    """Turns the signals that would end the process at once into an exception; `nohup` keeps what it ignores."""
    with _handled({each: _raise for each in _ENDINGS if signal.getsignal(each) is signal.SIG_DFL}):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """For cleaning up: a second Ctrl-C must not leave half of it."""
    with _handled(dict.fromkeys((signal.SIGINT, *_ENDINGS), signal.SIG_IGN)):
        yield


@contextmanager
def _handled(handlers: Mapping[signal.Signals, _Handler]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    before = {each: signal.signal(each, handler) for each, handler in handlers.items()}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
