"""SIGTERM and SIGHUP end a command as Ctrl-C does: its `finally` blocks run."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_Handler = Callable[[int, FrameType | None], object] | signal.Handlers
_TERMINATING = (signal.SIGTERM, signal.SIGHUP)


class Terminated(KeyboardInterrupt):
    """A signal asked the process to end."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_status = 128 + signal_number


def _raise_terminated(signal_number: int, _: FrameType | None) -> NoReturn:
    raise Terminated(signal_number)


@contextmanager
def terminable() -> Iterator[None]:
    """Raise Terminated in the block on SIGTERM and SIGHUP, unless they are ignored, as under `nohup`."""
    by_default = [each for each in _TERMINATING if signal.getsignal(each) is signal.SIG_DFL]
    with _handlers(dict.fromkeys(by_default, _raise_terminated)):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore the signals during a clean-up, which a second Ctrl-C must not cut short."""
    with _handlers(dict.fromkeys((signal.SIGINT, *_TERMINATING), signal.SIG_IGN)):
        yield


@contextmanager
def _handlers(handlers: Mapping[signal.Signals, _Handler]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # Python sets handlers in the main thread only
        yield
        return
    before = {each: signal.signal(each, handler) for each, handler in handlers.items()}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
