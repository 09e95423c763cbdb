"""Commands that show something again and again."""

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
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        return found


INTERVAL = Seconds(0.2, 86_400)
"""Not shorter than an answer takes, and not longer than a day."""
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

    The first call must succeed. If a later one fails since the service cannot be reached or cannot answer, that is
    said once, and the calls go on, so that a short outage does not end what may run for days.
    """
    outage = _Outage()
    if output.json or not output.out.is_terminal:
        for _ in _every(interval, outage):
            for text in outage.tell(write):
                output.note(text)
            output.stop_if_unread()
            if has_ended():
                return
    else:
        drawn: RenderableType = ""

        def draw_anew() -> None:
            nonlocal drawn
            drawn = draw()

        with Live(console=output.out, auto_refresh=False) as live:
            for _ in _every(interval, outage):
                outage.tell(draw_anew)
                live.update(Group(drawn, *map(cell, outage.lines())), refresh=True)
                if has_ended():
                    return


class _Outage:
    """Whether the service answers, and since when it does not."""

    def __init__(self) -> None:
        self._has_answered = False
        self._since = 0.0
        self._error: Exception | None = None
        self.pause = 0.0  # seconds, for which the service has asked

    def tell(self, call: Callable[[], object]) -> list[str]:
        """Make the call, and return what is new: that the service does not answer any more, or answers again."""
        began = time.monotonic()
        before, self.pause = self._error, 0.0
        try:
            call()
        except (ProblemError, TransportError) as error:
            if not self._has_answered or not may_pass(error):
                raise
            if isinstance(error, ProblemError):
                self.pause = min(error.retry_after or 0.0, _LONGEST_PAUSE)
            self._error = error
            if before is not None:
                return []
            self._since = began
            return [f"{describe(error)}; trying again until it answers"]
        self._has_answered, self._error = True, None
        return [] if before is None else [f"it answers again, after {time.monotonic() - self._since:.0f} s"]

    def lines(self) -> list[str]:
        """Return a line that says for how long the service has not answered; none if it answers."""
        if self._error is None:
            return []
        return [f"no answer for {time.monotonic() - self._since:.0f} s, trying again: {describe(self._error)}"]


def may_pass(error: Exception) -> bool:
    """Return whether the same request may succeed later: an error of the service may pass, too."""
    return is_transient(error) or (isinstance(error, ProblemError) and error.status >= _SERVER_ERROR)


def _every(interval: float, outage: _Outage) -> Iterator[None]:
    """Yield each `interval`. Pause as long as a round took, or as the service asks for, if that is longer."""
    while True:
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        time.sleep(max(interval - took, took, outage.pause))
