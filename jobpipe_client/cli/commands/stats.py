"""`jobpipe stats`: how deep and how old the queue is, what it could not digest, and how jobs ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table

from jobpipe_client.cli import polling as pace
from jobpipe_client.cli.command import Command, State, pass_state
from jobpipe_client.cli.commands.checkout import own_checkout_module
from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.output.escaping import cell


class Outcomes(Protocol):
    """How jobs of the last minutes ended: what scripts.stage.outcomes reads."""

    @property
    def succeeded(self) -> int: ...

    @property
    def failed(self) -> Mapping[str, int]: ...  # by reason

    @property
    def is_complete(self) -> bool: ...  # if False, there may be more


class Depths(Protocol):
    """What the service says of its queues: `Client.stats()`."""

    @property
    def waiting(self) -> int: ...

    @property
    def in_flight(self) -> int: ...

    @property
    def delayed(self) -> int: ...

    @property
    def oldest_seconds(self) -> float | None: ...

    @property
    def dead_letters(self) -> int: ...

    @property
    def parked(self) -> int: ...


@click.command(
    cls=Command,
    examples="jobpipe stats\njobpipe stats --watch --interval 5\njobpipe stats --json | jq .oldest_seconds",
)
@click.option("--watch", is_flag=True, help="Again and again, until Ctrl-C.")
@click.option("--interval", type=pace.INTERVAL, default=2.0, show_default=True, help="Seconds between looks.")
@click.option("--minutes", type=click.IntRange(1, 24 * 60), default=10, show_default=True, help="Of the outcomes.")
@pass_state
def stats(state: State, *, watch: bool, interval: float, minutes: int) -> None:
    """Show the queue's depth and age, dead letters, parked messages, and how jobs ended.

    How jobs ended is read from the stage's metrics, on an emulator from the worker's log. That takes the jobpipe
    of a checkout and the stage's AWS; without them all else is shown.
    """
    state.output.ends_unread = True
    shown = Shown(state, minutes)
    if not watch:
        shown.now()
    elif state.output.json or not state.output.out.is_terminal:
        for _ in pace.every(interval):
            shown.now()
    else:
        with Live(console=state.output.out, auto_refresh=False) as live:
            for _ in pace.every(interval):
                live.update(shown.drawn(), refresh=True)


class Shown:
    """Statistics in every form."""

    def __init__(self, state: State, minutes: int) -> None:
        self._state = state
        self._minutes = minutes

    def now(self) -> None:
        """One document, or lines."""
        output = self._state.output
        depths = self._state.client.stats()
        outcomes, why = self._outcomes()
        if output.json:
            told = {name: getattr(depths, name) for name in _NAMES} | {"at": depths.at.isoformat()}
            ended: dict[str, Any] | None = None
            if outcomes is not None:
                failed = dict(outcomes.failed)
                ended = {
                    "minutes": self._minutes,
                    "succeeded": outcomes.succeeded,
                    "failed": failed,
                    "complete": outcomes.is_complete,
                }
            output.document(told | {"outcomes": ended, "outcomes_missing": why})
            return
        output.table(("", ""), [*depth_rows(depths), *outcome_rows(outcomes, self._minutes)])
        if why:
            output.note(f"no outcomes: {why}")

    def drawn(self) -> Group:
        """For a terminal."""
        outcomes, why = self._outcomes()
        grid = Table.grid(padding=(0, 2))
        for name, value in [*depth_rows(self._state.client.stats()), *outcome_rows(outcomes, self._minutes)]:
            grid.add_row(cell(name), cell(value))
        return Group(grid, cell(f"no outcomes: {why}" if why else ""))

    def _outcomes(self) -> tuple[Outcomes | None, str | None]:
        try:
            module = own_checkout_module("stage.outcomes")
            return module.read_outcomes(self._state.stage, self._state.client.base_url, self._minutes), None
        except OperatorError as error:
            return None, str(error)
        except Exception as error:  # noqa: BLE001  # the checkout's own errors: no stage, no rights, no AWS
            ours = type(error).__module__.partition(".")[0] in _OURS  # messages of libraries may quote a request
            return None, (" ".join(str(error).split()) if ours else "") or type(error).__name__


_OURS = {"infra", "jobpipe", "jobpipe_client", "scripts"}
_NAMES = ("waiting", "in_flight", "delayed", "oldest_seconds", "dead_letters", "parked")


def depth_rows(depths: Depths) -> list[tuple[str, str]]:
    """Each figure with its name."""
    oldest = depths.oldest_seconds
    return [
        ("waiting", f"{depths.waiting:,}"),
        ("in flight", f"{depths.in_flight:,}"),
        ("delayed", f"{depths.delayed:,}"),
        ("oldest", "unknown" if oldest is None else f"{oldest:,.0f} s"),
        ("dead letters", f"{depths.dead_letters:,}"),
        ("parked", f"{depths.parked:,}"),
    ]


def outcome_rows(outcomes: Outcomes | None, minutes: int) -> list[tuple[str, str]]:
    """How many jobs ended, and how, marked "at least" if incomplete; no rows if the outcomes are unknown."""
    if outcomes is None:
        return []
    at_least = "" if outcomes.is_complete else "at least "
    rows = [(f"succeeded in {minutes} min", f"{at_least}{outcomes.succeeded:,}")]
    return [*rows, *((f"failed: {reason}", f"{at_least}{n:,}") for reason, n in sorted(outcomes.failed.items()))]
