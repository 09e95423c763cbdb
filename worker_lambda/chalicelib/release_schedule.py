"""The function that a rule starts each minute; what it needs is imported by it alone."""

from __future__ import annotations

from collections.abc import Callable


def open_schedule() -> None:
    """Make the clients at the start of the process."""
    from .releasing.services import open_release  # noqa: PLC0415  # the worker does not need it

    open_release()


def release_due(seconds_left: Callable[[], float]) -> int:
    """Release the commands that are due, and those that become due soon; return their number."""
    from .releasing.services import open_release  # noqa: PLC0415
    from .releasing.sweep import sweep  # noqa: PLC0415

    return sweep(open_release(), seconds_left)
