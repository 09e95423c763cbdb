"""Something done again and again for the time of a block."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeated(step: Callable[[], None], pause: Callable[[], float]) -> Iterator[None]:
    """A thread that waits `pause()` seconds and does `step()`, over and over; the block raises what that raises."""
    over = threading.Event()
    failed: list[Exception] = []

    def go() -> None:
        try:
            while not over.wait(pause()):
                step()
        except Exception as error:  # noqa: BLE001  # it is raised below, where somebody hears of it
            failed.append(error)

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if failed:
        raise failed[0]
