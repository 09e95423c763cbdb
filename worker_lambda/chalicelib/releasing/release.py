"""One pass through a shard of the schedule: send the due commands in order, and mark their jobs as queued.

    read the entries ── read the jobs ── put claims ── send ten ── mark each as queued ── …

If the process dies between send and mark, the job stays scheduled, and the next pass sends the message again. That
is harmless: the deduplication id is the same, and a job ends only once. A cancelled job is no longer scheduled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cache

from jobpipe.domain.clock import now
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.jobs.claim_check import claim_key
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.domain.jobs.scheduled import DueEntry, last_place_at, message_of
from jobpipe.domain.jobs.send_rounds import next_call
from jobpipe.domain.missing_objects import may_become_visible
from jobpipe.runtime.metrics import RELEASE_DELAY, meter
from jobpipe.runtime.telemetry import logger

from .services import ReleaseServices

PAGE = 100
"""Entries that are read at once: as many rows as one BatchGetItem takes."""
FIRST = "0"
"""A text that sorts before every place in the schedule."""
_MARKERS = 10  # threads


class Pass:
    """One pass through a shard."""

    def __init__(self, shard: str, services: ReleaseServices, may_go_on: Callable[[], bool]) -> None:
        self._shard = shard
        self._services = services
        self._may_go_on = may_go_on
        # The documents with a command that could not be sent, which the commands behind it must not overtake.
        self._held_up: set[str] = set()
        self.released = 0
        self.is_incomplete = False  # whether a due command was not released

    def run(self, until: datetime) -> None:
        """Release the commands that are due at this time."""
        after: DueEntry | None = None
        try:
            while self._may_go_on():
                page = self._services.schedule.due(self._shard, FIRST, last_place_at(until), PAGE, after)
                self._release(page.entries)
                after = page.last
                if after is None:
                    return
            self.is_incomplete = True
        except Unavailable:
            logger.warning("release interrupted: it will be tried again", exc_info=True)
            self.is_incomplete = True

    def _release(self, entries: Sequence[DueEntry]) -> None:
        jobs = self._services.schedule.jobs([*dict.fromkeys(entry.job_id for entry in entries)]) if entries else {}
        ready: list[Job] = []
        for entry in entries:
            job = jobs.get(entry.job_id)
            if job is None or job.waiting is None or job.waiting.due != entry.due:
                continue  # the index has not caught up with the table
            if job.item.group_id in self._held_up:
                self.is_incomplete = True
            elif job.status is not Status.SCHEDULED or job.is_expired(now()):
                if not self._try(clean_up, job, self._services):
                    self._hold_up(job)
            elif self._prepare(job):
                ready.append(job)
        self._send(ready)

    def _prepare(self, job: Job) -> bool:
        """Put the claim check of the message, if it has one; return whether the message can be sent."""
        try:
            return put_claim(job, self._services)
        except Unavailable:
            logger.warning("command not released: it will be tried again", exc_info=True, extra=_ids(job))
            self._hold_up(job)
            return False

    def _send(self, ready: list[Job]) -> None:
        """Send up to ten messages in a call, one of each document; its next one waits until SQS has the last."""
        while ready:
            chosen = set(next_call([message_of(job) for job in ready]))
            call = [job for n, job in enumerate(ready) if n in chosen]
            refused = self._services.queue.send_batch([message_of(job) for job in call])
            sent = [job for job in call if message_of(job).deduplication_id not in refused]
            for job in call:
                if job not in sent:
                    self._hold_up(job)
            for job in sent:
                delay = now() - datetime.fromisoformat(job.not_before or job.created_at)
                meter.add(RELEASE_DELAY, max(0.0, delay.total_seconds()))
            self.released += len(sent)
            list(_markers().map(lambda job: self._try(finish, job, self._services), sent))
            waiting = [job for n, job in enumerate(ready) if n not in chosen]
            ready = [job for job in waiting if job.item.group_id not in self._held_up]
            if not self._may_go_on():
                self.is_incomplete = self.is_incomplete or bool(ready)
                return

    def _hold_up(self, job: Job) -> None:
        self._held_up.add(job.item.group_id)
        self.is_incomplete = True

    def _try(self, step: Callable[[Job, ReleaseServices], None], job: Job, services: ReleaseServices) -> bool:
        """Do this step and return True; if it fails, return False: the next pass tries it again."""
        try:
            step(job, services)
        except Exception:  # noqa: BLE001  # the other jobs must be marked
            logger.warning("released job not marked: it will be tried again", exc_info=True, extra=_ids(job))
            self.is_incomplete = True
            return False
        return True


def put_claim(job: Job, services: ReleaseServices) -> bool:
    """Put the claim check of the job's message, if it has one; return whether the message can be sent.

    It cannot be sent if the command was never stored, because the request died between its two writes. The caller
    has no 202, and a repeated request stores the command; until then the job stays as it is. Raise Unavailable if
    the command may exist but not be visible in S3 yet.
    """
    waiting_key = None if job.waiting is None else job.waiting.claim
    if waiting_key is None:
        return True
    text = services.documents.get_by_key(waiting_key)
    if text is None:
        if may_become_visible(datetime.fromisoformat(job.created_at)):
            raise Unavailable("The command is not visible yet.")
        logger.warning("the command of a scheduled job was never stored", extra=_ids(job))
        return False
    services.documents.put(claim_key(waiting_key), text)
    return True


def finish(job: Job, services: ReleaseServices) -> None:
    """Mark the job of a sent message as queued, and delete what the job needed only while it waited."""
    is_marked = services.schedule.mark_queued(job, now())
    waiting_key = None if job.waiting is None else job.waiting.claim
    if waiting_key is not None:
        claim = claim_key(waiting_key)
        # If another release was faster, the worker may have deleted the claim check before this one put it.
        current = job if is_marked else services.schedule.jobs([job.job_id]).get(job.job_id)
        is_late = current is None or not current.needs_claim(claim)
        services.documents.delete([waiting_key, *([claim] if is_late else [])])
    if not is_marked or waiting_key is not None:
        services.schedule.forget(job)


def clean_up(job: Job, services: ReleaseServices) -> None:
    """Delete what an ended or expired job needed only while it waited.

    In a stage with events, the message of a cancelled job is sent nevertheless: the worker finds that the job has
    ended, and sends the event.
    """
    if services.sends_events and job.status is Status.CANCELLED and services.queue.send_batch([message_of(job)]):
        raise Unavailable("SQS has refused the message of a cancelled job.")
    waiting_key = None if job.waiting is None else job.waiting.claim
    if waiting_key is not None:
        claim = claim_key(waiting_key)
        is_over = job.status.done or job.is_expired(now())
        unused = [claim] if is_over and not job.needs_claim(claim) else []
        services.documents.delete([waiting_key, *unused])
    services.schedule.forget(job)


def _ids(job: Job) -> dict[str, object]:
    return {"job_id": job.job_id, "collection": job.collection}


@cache
def _markers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=_MARKERS, thread_name_prefix="mark")
