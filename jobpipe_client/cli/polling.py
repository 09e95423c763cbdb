"""Commands that show something again and again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
from rich.console import RenderableType
from rich.live import Live

from jobpipe_client.cli.output.output import Output


class Seconds(click.FloatRange):
    """A number of seconds in a range; not nan."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = float(super().convert(value, param, ctx))
        if math.isnan(found):
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        return found


INTERVAL = Seconds(0.2, 86_400)
"""Not shorter than an answer takes, and not longer than a day."""


def show_repeatedly(
    output: Output,
    interval: float,
    *,
    write: Callable[[], object],
    draw: Callable[[], RenderableType],
    has_ended: Callable[[], bool] = lambda: False,
) -> None:
    """Call `draw` for a terminal, or else `write`, every `interval` seconds until `has_ended`."""
    if output.json or not output.out.is_terminal:
        for _ in _every(interval):
            write()
            output.stop_if_unread()
            if has_ended():
                return
    else:
        with Live(console=output.out, auto_refresh=False) as live:
            for _ in _every(interval):
                live.update(draw(), refresh=True)
                if has_ended():
                    return


def _every(interval: float) -> Iterator[None]:
    """Yield each `interval`. After a round that takes long, pause as long as it took."""
    while True:
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        time.sleep(max(interval - took, took))
