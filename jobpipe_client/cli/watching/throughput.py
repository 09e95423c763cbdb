"""The throughput in words."""

from __future__ import annotations

from jobpipe_client.cli.watching.recent_jobs import LONGEST, Counts, RecentJobs
from jobpipe_client.cli.watching.sending import rate_of

MINUTE = 60
_LATE = 15.0  # seconds; readings are up to ten seconds apart
_WITH_RATE = 60  # jobs in a period, from which on it is also said how many these are in a second

Line = tuple[str, list[str]]
"""A label, and the parts that follow it."""


def counted(recent: RecentJobs, now: float) -> list[Counts]:
    """Return the counts of the last minute and of the last five; only the first if no more is known."""
    minute, longest = recent.counts(now, MINUTE), recent.counts(now, LONGEST)
    minutes = longest.seconds // MINUTE
    if minutes < 2:  # noqa: PLR2004
        return [minute]
    return [minute, recent.counts(now, minutes * MINUTE)]


def line(counts: Counts, *, with_rates: bool = False) -> Line:
    """Return how many jobs were accepted, ended and failed in a period."""
    return _label(counts), _parts(counts, with_rates=with_rates)


def _label(counts: Counts) -> str:
    seconds = round(counts.seconds)
    minutes = seconds // MINUTE
    period = f"{minutes} minutes" if minutes > 1 else "minute" if minutes else f"{max(seconds, 2)} seconds"
    has_numbers = counts.accepted or counts.ended
    return f"last {period}, {counts.precision}" if counts.precision and has_numbers else f"last {period}"


def _ago(seconds: float) -> str:
    return f"{seconds / MINUTE:.0f} minutes ago" if seconds >= 2 * MINUTE else f"{seconds:.0f} seconds ago"


def _parts(counts: Counts, *, with_rates: bool) -> list[str]:
    late = [] if counts.late < _LATE else [f"as of {_ago(counts.late)}"]
    if not counts.accepted and counts.ended == 0 and counts.precision != "at least":
        return ["no job was accepted or ended", *late]

    def number(count: int) -> str:
        return f"{_rounded(count) if counts.precision == 'about' else count:,}"

    def rated(count: int, what: str) -> str:
        is_rated = with_rates and count >= _WITH_RATE and counts.seconds >= 1 and counts.precision != "at least"
        rate = f" ({rate_of(count / counts.seconds)} a second)" if is_rated else ""
        return f"{number(count)} {what}{rate}"

    jobs = "job" if counts.accepted == 1 else "jobs"
    failed = f"{number(counts.failed)} failed" if counts.failed else "none is known to have failed"
    if not counts.failed and counts.precision != "at least":
        failed = "none failed"
    is_least = counts.precision == "at least"
    if counts.ended is None or (is_least and not counts.ended):
        ended = ["how many ended is not known yet"]
    elif counts.ended:
        ended = [rated(counts.ended, "ended"), f"of which {failed}"]
    else:
        ended = ["none ended"]
    accepted = rated(counts.accepted, f"{jobs} accepted")
    if is_least and not counts.accepted:
        accepted = "how many jobs were accepted is not known yet"
    return [accepted, *ended, *late]


def _rounded(count: int) -> int:
    """Return the number with two digits that count, as an estimate has no more."""
    return round(count, min(0, 2 - len(str(count))))
