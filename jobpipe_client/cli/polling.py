"""Commands that refresh their output repeatedly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.live import Live

from jobpipe_client.cli.exits import describe
from jobpipe_client.cli.output.escaping import cell
from jobpipe_client.cli.output.output import Output
from jobpipe_client.exceptions import ProblemError, TransportError
from jobpipe_client.http.transport import is_transient


class Seconds(click.FloatRange):
    """A number of seconds in a range; not nan."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = float(super().convert(value, param, ctx))
        if math.isnan(found):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return found


INTERVAL = Seconds(0.2, 86_400)
"""Not shorter than a response takes, and not longer than a day."""
_SERVER_ERROR = 500
_LONGEST_PAUSE = 60.0  # seconds, even if the service asks for more


def show_repeatedly(
    output: Output,
    interval: float,
    *,
    write: Callable[[], object],
    draw: Callable[[], RenderableType],
    has_ended: Callable[[], bool] = lambda: False,
) -> None:
    """Call `draw` for a terminal, or else `write`, every `interval` seconds until `has_ended`.

    The first call must succeed. If a later call fails because the service cannot be reached or does not respond, a
    note says so once, and the calls continue: a short outage must not end a command that may run for days.
    """
    outage = _Outage()
    if output.json or not output.out.is_terminal:
        for _ in _every(interval, outage):
            for text in outage.call(write):
                output.note(text)
            output.stop_if_unread()
            if has_ended():
                return
    else:
        drawn: RenderableType = ""

        def redraw() -> None:
            nonlocal drawn
            drawn = draw()

        with Live(console=output.out, auto_refresh=False) as live:
            for _ in _every(interval, outage):
                outage.call(redraw)
                live.update(Group(drawn, *map(cell, outage.lines())), refresh=True)
                if has_ended():
                    return


class _Outage:
    """Whether the service responds, and if not, since when."""

    def __init__(self) -> None:
        self._has_responded = False
        self._since = 0.0
        self._error: Exception | None = None
        self.pause = 0.0  # seconds, for which the service has asked

    def call(self, function: Callable[[], object]) -> list[str]:
        """Call the function, and return a note if the service has just stopped responding, or responds again."""
        began = time.monotonic()
        before, self.pause = self._error, 0.0
        try:
            function()
        except (ProblemError, TransportError) as error:
            if not self._has_responded or not is_temporary(error):
                raise
            if isinstance(error, ProblemError):
                self.pause = min(error.retry_after or 0.0, _LONGEST_PAUSE)
            self._error = error
            if before is not None:
                return []
            self._since = began
            return [f"{describe(error)}; retrying until the service responds"]
        self._has_responded, self._error = True, None
        return [] if before is None else [f"it responds again, after {time.monotonic() - self._since:.0f} s"]

    def lines(self) -> list[str]:
        """Return a line that says for how long the service has not responded, or no line if it responds."""
        if self._error is None:
            return []
        return [f"no response for {time.monotonic() - self._since:.0f} s, retrying: {describe(self._error)}"]


def is_temporary(error: Exception) -> bool:
    """Return whether the same request may succeed later, as it may after any server error."""
    return is_transient(error) or (isinstance(error, ProblemError) and error.status >= _SERVER_ERROR)


def _every(interval: float, outage: _Outage) -> Iterator[None]:
    """Yield every `interval`, but pause at least as long as a round took, and as the service asks for."""
    while True:
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        time.sleep(max(interval - took, took, outage.pause))
