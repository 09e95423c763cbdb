"""An import, a batch, or the batches of one call of `submit_many`, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jobpipe_client.cli.pace import about

State = Literal["running", "ended", "interrupted"]


@dataclass(frozen=True, slots=True)
class Sending:
    """What has become of some commands that were sent together."""

    id: str
    name: str
    unit: str  # "row" or "command"
    ended: int
    size: int | None  # None if it is not known
    failed: int  # jobs
    state: State
    refused: int = 0  # of the ended ones, those that became no jobs
    is_estimate: bool = False  # whether the size is estimated
    part: str = ""  # what the size is of, if it is not all
    cancelled: int = 0
    per_second: float | None = None  # of these that end; None if that is not known
    seconds_left: float | None = None  # None if that cannot be known

    def parts(self) -> list[str]:
        """Return the parts of a line about it."""
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
            found.append(f"{rate_of(self.per_second)} a second")
        if self.seconds_left is not None:
            found.append(f"{about(self.seconds_left)} left")
        return found


def rate_of(rate: float) -> str:
    """Return a number of things in a second, with one digit behind the point if there are few."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"  # noqa: PLR2004
