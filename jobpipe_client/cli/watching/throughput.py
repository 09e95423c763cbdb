"""The throughput in words."""

from __future__ import annotations

from jobpipe_client.cli.watching.recent_jobs import LONGEST, Counts, RecentJobs
from jobpipe_client.cli.watching.sending import format_rate

MINUTE = 60
_LATE, _LATE_IF_QUIET = 5.0, 15.0  # seconds; readings are two seconds apart, or ten on a quiet stage
_MIN_JOBS_FOR_RATE = 60  # in a period; then the number per second is shown as well

Line = tuple[str, list[str]]
"""A label, and the parts that follow it."""


def choose_counts(recent: RecentJobs, now: float) -> list[Counts]:
    """Return the counts of the last minute and the last five minutes, or only one if the other adds nothing."""
    minute, longest = recent.counts(now, MINUTE), recent.counts(now, LONGEST)
    if minute is None or longest is None:
        return []
    minutes = longest.seconds // MINUTE
    if minutes < 2:  # noqa: PLR2004
        return [minute]
    longer = recent.counts(now, minutes * MINUTE)
    if longer is None or _numbers(longer) == _numbers(minute):
        return [minute if minute.accepted or minute.ended else longer or minute]
    return [minute, longer]


def _numbers(counts: Counts) -> tuple[int, int | None, int]:
    return counts.accepted, counts.ended, counts.failed


def describe(counts: Counts, *, with_rates: bool = False) -> Line:
    """Return how many jobs were accepted, ended and failed in a period."""
    return _label(counts), _parts(counts, with_rates=with_rates)


def _label(counts: Counts) -> str:
    seconds = round(counts.seconds)
    minutes = seconds // MINUTE
    period = f"{minutes} minutes" if minutes > 1 else "minute" if minutes else f"{max(seconds, 2)} seconds"
    return f"last {period}, about" if counts.is_estimate else f"last {period}"


def _ago(seconds: float) -> str:
    return f"{seconds / MINUTE:.0f} minutes ago" if seconds >= 2 * MINUTE else f"{seconds:.0f} seconds ago"


def _parts(counts: Counts, *, with_rates: bool) -> list[str]:
    is_quiet = not counts.accepted and counts.ended == 0
    late = [f"as of {_ago(counts.late)}"] if counts.late >= (_LATE_IF_QUIET if is_quiet else _LATE) else []
    if is_quiet:
        return ["none of your jobs was accepted or ended", *late]

    def number(count: int) -> str:
        return f"{_round_estimate(count) if counts.is_estimate else count:,}"

    def format_count(count: int, what: str) -> str:
        is_rated = with_rates and count >= _MIN_JOBS_FOR_RATE and counts.seconds >= 1
        rate = f" ({format_rate(count / counts.seconds)} a second)" if is_rated else ""
        return f"{number(count)} {what}{rate}"

    found = [format_count(counts.accepted, "job accepted" if counts.accepted == 1 else "jobs accepted")]
    if counts.ended:
        found.append(format_count(counts.ended, "ended"))
        if counts.failed:
            found.append(f"of which {number(counts.failed)} failed")
        elif not counts.is_estimate:  # otherwise, jobs that were not read may have failed
            found.append("of which none failed")
    elif counts.ended == 0:
        found.append("none ended")
    return [*found, *late]


def _round_estimate(count: int) -> int:
    """Return the number with two significant digits, since an estimate is not more precise."""
    return round(count, min(0, 2 - len(str(count))))
