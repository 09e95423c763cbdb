"""A function that runs repeatedly during a block."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeatedly(step: Callable[[], None], pause: Callable[[], float]) -> Iterator[None]:
    """Call `step()` in a thread after every `pause()` seconds; its exception is raised at the end of the block."""
    stopped = threading.Event()
    errors: list[Exception] = []

    def loop() -> None:
        try:
            while not stopped.wait(pause()):
                step()
        except Exception as error:  # noqa: BLE001  # it is raised below
            errors.append(error)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
    if errors:
        raise errors[0]
