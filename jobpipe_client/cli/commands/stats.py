"""`jobpipe stats`: the messages on the queues, the scheduled commands, and how jobs ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import click
from rich.console import Group
from rich.table import Table

from jobpipe_client.cli.command import Command, State, pass_state
from jobpipe_client.cli.commands.checkout import import_from_own_checkout
from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.output.escaping import cell
from jobpipe_client.cli.polling import INTERVAL, show_repeatedly
from jobpipe_client.models import Stats

_OWN_PACKAGES = {"infra", "jobpipe", "jobpipe_client", "scripts"}
_COUNTS = ("waiting", "in_flight", "delayed", "oldest_seconds", "dead_letters", "parked", "scheduled")
_MAX_SCHEDULED = 1000  # the service counts at most this many scheduled commands


class Outcomes(Protocol):
    """How the jobs of the last minutes ended, as scripts.stage.outcomes returns it."""

    @property
    def succeeded(self) -> int: ...

    @property
    def failed(self) -> Mapping[str, int]: ...  # by reason

    @property
    def is_complete(self) -> bool: ...  # if False, there may be more


@click.command(
    cls=Command,
    examples="jobpipe stats\njobpipe stats --watch --interval 5\njobpipe stats --json | jq .oldest_seconds",
)
@click.option("--watch", is_flag=True, help="Refresh the numbers until Ctrl-C.")
@click.option("--interval", type=INTERVAL, default=2.0, show_default=True, help="Seconds between two requests.")
@click.option(
    "--minutes", type=click.IntRange(1, 24 * 60), default=10, show_default=True, help="The period of the outcomes."
)
@pass_state
def stats(state: State, *, watch: bool, interval: float, minutes: int) -> None:
    """Show the queue's depth and age, dead letters, parked and scheduled commands, how jobs ended, and a pause.

    How jobs ended is read from the stage's metrics, or on an emulator from the worker's log. This needs the jobpipe
    of a checkout and access to the stage's AWS account; without them, everything else is shown.
    """
    state.output.stops_unread = True
    view = _View(state, minutes)
    if watch:
        show_repeatedly(state.output, interval, write=view.write, draw=view.draw)
    else:
        view.write()


class _View:
    def __init__(self, state: State, minutes: int) -> None:
        self._state = state
        self._minutes = minutes

    def write(self) -> None:
        """Write the current statistics as one JSON document, or as lines."""
        output = self._state.output
        counts = self._state.client.stats()
        outcomes, why_none = self._outcomes()
        if output.json:
            ended: dict[str, Any] | None = None
            if outcomes is not None:
                ended = {
                    "minutes": self._minutes,
                    "succeeded": outcomes.succeeded,
                    "failed": dict(outcomes.failed),
                    "complete": outcomes.is_complete,
                }
            paused_at = None if counts.paused_at is None else counts.paused_at.isoformat()
            document = {name: getattr(counts, name) for name in _COUNTS} | {"at": counts.at.isoformat()}
            document |= {"paused_at": paused_at, "outcomes": ended, "outcomes_missing": why_none}
            output.document(document)
            return
        output.table(("", ""), [*count_rows(counts), *outcome_rows(outcomes, self._minutes)])
        if why_none:
            output.note(f"no outcomes: {why_none}")

    def draw(self) -> Group:
        """Return the current statistics for a terminal."""
        outcomes, why_none = self._outcomes()
        grid = Table.grid(padding=(0, 2))
        for name, value in [*count_rows(self._state.client.stats()), *outcome_rows(outcomes, self._minutes)]:
            grid.add_row(cell(name), cell(value))
        return Group(grid, cell(f"no outcomes: {why_none}" if why_none else ""))

    def _outcomes(self) -> tuple[Outcomes | None, str | None]:
        """Return the outcomes, or the reason why they cannot be read."""
        try:
            module = import_from_own_checkout("stage.outcomes")
            return module.read_outcomes(self._state.stage, self._state.client.base_url, self._minutes), None
        except OperatorError as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001  # the checkout's own errors: no stage, no rights, no AWS
            is_own = type(error).__module__.partition(".")[0] in _OWN_PACKAGES
            message = " ".join(str(error).split()) if is_own else ""  # a library's message may quote a request
            return None, message or type(error).__name__


def count_rows(counts: Stats) -> list[tuple[str, str]]:
    """Return a row with a name for each number; the first row shows a pause of the stage."""
    oldest, paused_at, scheduled = counts.oldest_seconds, counts.paused_at, counts.scheduled
    return [
        *([] if paused_at is None else [("PAUSED", f"since {paused_at:%Y-%m-%d %H:%M:%S %Z}")]),
        ("waiting", f"{counts.waiting:,}"),
        ("in flight", f"{counts.in_flight:,}"),
        ("delayed", f"{counts.delayed:,}"),
        ("oldest", "unknown" if oldest is None else f"{oldest:,.0f} s"),
        ("dead letters", f"{counts.dead_letters:,}"),
        ("parked", f"{counts.parked:,}"),
        *([] if scheduled is None else [("scheduled", f"{scheduled:,}{'+' * (scheduled >= _MAX_SCHEDULED)}")]),
    ]


def outcome_rows(outcomes: Outcomes | None, minutes: int) -> list[tuple[str, str]]:
    """Return rows with the numbers of ended jobs, marked "at least" if incomplete; no rows if unknown."""
    if outcomes is None:
        return []
    at_least = "" if outcomes.is_complete else "at least "
    rows = [(f"succeeded in {minutes} min", f"{at_least}{outcomes.succeeded:,}")]
    return [*rows, *((f"failed: {reason}", f"{at_least}{n:,}") for reason, n in sorted(outcomes.failed.items()))]
