"""The throughput, the running imports and the running batches, which are read periodically and shown as lines."""

from __future__ import annotations

import time
from collections.abc import Sequence

from jobpipe_client.cli.exits import describe
from jobpipe_client.cli.watching import throughput
from jobpipe_client.cli.watching.journals import RunningImports
from jobpipe_client.cli.watching.lines import fits, wrap_parts
from jobpipe_client.cli.watching.recent_jobs import Counts, RecentJobs
from jobpipe_client.cli.watching.sending import Sending
from jobpipe_client.cli.watching.sent_batches import SentBatches
from jobpipe_client.client import Client
from jobpipe_client.exceptions import Forbidden, JobListDisabled
from jobpipe_client.models import Job

_PAUSE, _QUIET_PAUSE, _REFUSED_PAUSE = 2.0, 10.0, 60.0  # seconds between two readings of the list of all jobs
_PAUSE_PER_READING = 4.0  # a pause is at least this many times as long as the reading before it
_QUIET_AFTER = 20.0  # seconds without a change of a job
_MAX_SHOWN = 5  # imports and batches
_MIN_COUNTED = 10.0  # seconds for which jobs must have been counted before a note
_NOTE_INTERVAL = 60.0  # seconds between two notes about one thing


class Activity:
    """The throughput, imports and batches of a stage, as last read."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._jobs = RecentJobs(client)
        self._batches = SentBatches(client)
        self._imports = RunningImports(client.base_url)
        self._sendings: list[Sending] = []
        self._why_none = ""
        self._due = 0.0
        self._noted: dict[str, tuple[float, str, str]] = {}  # the last note about each thing: time, state and text

    def read(self) -> None:
        """Read the journals of imports and, if a reading is due, the list of all jobs."""
        clock = time.monotonic()
        now, jobs = self._now(), None
        if clock >= self._due:
            try:
                jobs = self._jobs.read(now)
                self._why_none = ""
            except (Forbidden, JobListDisabled) as error:
                why = "this stage has JobLists=off" if isinstance(error, JobListDisabled) else describe(error)
                self._why_none = f"no throughput and no batches: {why}"
                self._due = clock + _REFUSED_PAUSE
        # Read after the list, which may contain jobs of an import that has just begun: the journal names its file.
        local = self._imports.read(time.monotonic())
        self._batches.leave_out(self._imports.keys())
        if jobs is not None:
            now = self._now()
            self._batches.note(jobs, now)
            self._batches.read(now)
            is_busy = self._batches.has_open() or _has_changed(jobs, now) or any(map(_is_running, local))
            took = time.monotonic() - clock
            self._due = clock + max(_PAUSE if is_busy else _QUIET_PAUSE, (1 + _PAUSE_PER_READING) * took)
        self._sendings = [*local, *self._batches.sendings(now)]

    def lines(self, width: int) -> list[str]:
        """Return the lines for a terminal of this width."""
        found = [self._why_none] if self._why_none else self._throughput(width)
        shown = sorted(self._sendings, key=_is_running, reverse=True)
        for each in shown[:_MAX_SHOWN]:
            found += wrap_parts(each.name, each.parts(), width)
        if len(shown) > _MAX_SHOWN:
            found.append(f"and {len(shown) - _MAX_SHOWN:,} more imports and batches")
        return found

    def notes(self) -> list[str]:
        """Return the lines for an output that is not a terminal: beginnings, ends, and changes once a minute."""
        found: dict[str, tuple[str, str]] = {}  # the state and the text of each thing
        if self._why_none:
            found["throughput"] = ("off", self._why_none)
        for counts in self._counts()[:1]:
            label, parts = throughput.describe(counts)
            is_known = counts.ended is not None and counts.seconds >= _MIN_COUNTED
            state = "busy" if counts.accepted or counts.ended else "idle"
            if is_known and (state == "busy" or "throughput" in self._noted):
                found["throughput"] = (state, f"{label}: {', '.join(parts)}")
        for each in self._sendings:
            found[each.id] = (each.state, f"{each.name}: {', '.join(each.parts())}")
        return self._changed(found)

    def _changed(self, found: dict[str, tuple[str, str]]) -> list[str]:
        clock, texts = time.monotonic(), []
        for name, (state, text) in found.items():
            at, state_before, text_before = self._noted.get(name, (0.0, "", ""))
            if state != state_before or (text != text_before and clock - at >= _NOTE_INTERVAL):
                self._noted[name] = (clock, state, text)
                texts.append(text)
        for name in self._noted.keys() - found.keys() - {"throughput"}:
            del self._noted[name]
        return texts

    def _throughput(self, width: int) -> list[str]:
        found: list[str] = []
        for counts in self._counts():
            label, parts = throughput.describe(counts, with_rates=True)
            if not fits(label, parts, width):
                label, parts = throughput.describe(counts)
            found += wrap_parts(label, parts, width)
        return found

    def _counts(self) -> list[Counts]:
        """Return the counts, except zeros while something runs; none if there is no list of all jobs."""
        counted = [] if self._why_none else throughput.choose_counts(self._jobs, self._now())
        is_quiet = not any(map(_is_running, self._sendings))
        return [each for each in counted if each.accepted or each.ended or is_quiet]

    def _now(self) -> float:
        return self._client.transport.service_time().timestamp()


def _is_running(sending: Sending) -> bool:
    return sending.state == "running"


def _has_changed(jobs: Sequence[Job], now: float) -> bool:
    return any(job.updated_at.timestamp() > now - _QUIET_AFTER for job in jobs)
