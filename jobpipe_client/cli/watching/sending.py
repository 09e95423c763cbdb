"""The progress of an import, a batch, or the batches of one call of `submit_many`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jobpipe_client.cli.pace import approximate_time

State = Literal["running", "ended", "interrupted"]


@dataclass(frozen=True, slots=True)
class Sending:
    """The progress of commands that were sent together."""

    id: str
    name: str
    unit: str  # "row" or "command"
    ended: int
    size: int | None  # None if unknown
    failed: int  # jobs
    state: State
    refused: int = 0  # ended commands that became no jobs
    is_estimate: bool = False  # whether the size is an estimate
    part: str = ""  # describes what the size counts, if it is not everything
    cancelled: int = 0
    per_second: float | None = None  # how many end per second; None if unknown
    seconds_left: float | None = None  # None if unknown

    def parts(self) -> list[str]:
        """Return the parts of a line that describes the progress."""
        unit = self.unit if (self.size or self.ended) == 1 else f"{self.unit}s"
        if self.state == "ended" and not self.part:
            found = [f"finished, {self.ended:,} {unit}"]
        elif self.size is None:
            found = [f"{self.ended:,} {unit}"]
        else:
            found = [f"{self.ended:,} of {'about ' * self.is_estimate}{self.size:,} {unit}{self.part}"]
        found.append(f"{self.failed:,} failed" if self.failed else "none failed")
        if self.refused:
            found.append(f"{self.refused:,} refused")
        if self.cancelled:
            found.append(f"{self.cancelled:,} cancelled")
        if self.state == "interrupted":
            found.append("interrupted")
        elif self.state == "ended" and self.part:
            found.append("finished")
        if self.per_second is not None:
            found.append(f"{format_rate(self.per_second)} a second")
        if self.seconds_left is not None:
            found.append(f"{approximate_time(self.seconds_left)} left")
        return found


def format_rate(rate: float) -> str:
    """Return a number per second, with one decimal place if it is small."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"  # noqa: PLR2004
