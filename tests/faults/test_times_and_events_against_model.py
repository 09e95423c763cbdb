"""Random histories of scheduled commands and of events, on items.

Commands have times, alone and in batches, and are cancelled and retried; the release and the functions that notify
die, fail, and are overtaken at any call; receivers fail, are slow, or are gone; webhooks are paused and resumed.
Besides what test_against_model.py checks: no command takes effect before its time or after its limit; those that
wait are queued on time, in the order of their times; the receivers are notified of every end, in the
order of its document, and of nothing else; and nothing that waited is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.events.delivery import DeliveryState
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.domain.limits import QUEUE_RETENTION
from tests.faults.histories.history_stage import (
    ACTIONS,
    BEHIND,
    CANCEL,
    CHANGE,
    DELIVER,
    NOTIFY,
    PAUSE,
    RELEASE,
    REPEAT,
    RETRY,
    WAKE,
    WORK,
    in_deliveries,
    in_notifications,
    in_sweeps,
    in_work,
    picks,
)
from tests.faults.histories.history_webhooks import HistoryWebhooks
from tests.faults.stage.notifying_stage import NOTIFYING_SECONDS, RELEASE_SECONDS, Answer
from tests.helpers.unreliable import Fault

pytestmark = pytest.mark.slow

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
ON_TIME = timedelta(seconds=2.1)  # after the time of a command
DEDUPLICATED_FOR = timedelta(minutes=5)
FOUND_AFTER = timedelta(minutes=31)  # what S3 does not find so long after was never stored
AHEAD = (0, 0, 0, 1.9)  # seconds by which the clock of a release is ahead, as far as it allows for
LATEST_RELEASE = timedelta(days=2)
actions = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 9)), max_size=3)


def due_at(job: Job) -> datetime:
    """Return the time for which a job in the schedule waits."""
    assert job.waiting is not None
    return datetime.fromisoformat(job.waiting.due.partition("#")[0])


class TimesAndEvents(HistoryWebhooks):
    """What the stage does, and what must be true of it."""

    @initialize()
    def start(self) -> None:
        super().start()
        for name in ("first", "second"):
            self.send(self.new_item(name, {}), [], "alice", None)
        super().work([], [])
        self.create_webhook("alice", ["job.ended", "item.changed"], None, [])
        self.create_webhook("bob", ["item.changed"], None, [])

    def act(self, what: int, pick: int) -> None:
        """Let another process do something at a call of the one that runs."""
        self.nested = True
        (self._act_as_caller if what in {CANCEL, RETRY, CHANGE, REPEAT, PAUSE} else self._act_as_function)(
            what, pick
        )
        self.nested = False

    def _act_as_function(self, what: int, pick: int) -> None:
        functions: dict[int, Callable[[], object]] = {
            WORK: self.pipeline.work,
            RELEASE: self.stage.release_once,
            NOTIFY: self.stage.notify,
            DELIVER: self.stage.deliver,
            WAKE: self.stage.wake,
        }
        functions[what]()

    def _act_as_caller(self, what: int, pick: int) -> None:
        rows = [*self.pipeline.jobs.rows.values()]
        job = rows[pick % len(rows)] if rows else None
        if what == CANCEL and job is not None:
            self.pipeline.request("DELETE", f"/jobs/{job.job_id}", owner=job.owner)
        elif what == RETRY and job is not None:
            self.pipeline.request("POST", f"/jobs/{job.job_id}/retry", owner=job.owner)
        elif what == CHANGE:
            self.send(self.timed(self.change_of(pick, "small"), [None, 0.4, 3][pick % 3], None), [], "bob", None)
        elif what == REPEAT and self.by_key:
            (owner, key), sent = list(self.by_key.items())[pick % len(self.by_key)]
            if self.job_of(owner, key) is not None:
                self.send(sent, [], owner, key)
        elif what == PAUSE and self.webhooks:
            webhook_id, owner = list(self.webhooks.items())[pick % len(self.webhooks)]
            self.pipeline.request("PATCH", f"/webhooks/{webhook_id}", {"paused": pick % 2 == 0}, owner=owner)
            self.stage.wake()

    # --- AWS and time ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self.pipeline.queue.waiting)
    @rule(pick=picks, behind=st.sampled_from(BEHIND), planned=in_work)
    def work(self, pick: list[int], behind: float, planned: list[Fault]) -> None:
        self.begin()
        with self.clock_off_by(-behind):
            super().work(pick, planned)
        # What a worker puts that was overtaken is found by the audit, if the worker then fails.
        self.leaves_orphans = self.leaves_orphans or (self.interleaved.failed and WORK in self.interleaved.acted)

    @precondition(lambda self: any(each.waiting for each in self.pipeline.jobs.rows.values()))
    @rule(
        seconds=st.sampled_from([RELEASE_SECONDS, RELEASE_SECONDS, 25]),
        planned=in_sweeps,
        ahead=st.sampled_from(AHEAD),
        meanwhile=actions,
    )
    def sweep_schedule(
        self, seconds: float, planned: list[Fault], ahead: float, meanwhile: list[tuple[int, int]]
    ) -> None:
        rows, began = self.pipeline.jobs.rows, self.clock.now
        own = rfc3339(began + MINUTE)
        waiting = [rows[each] for each in self.accepted if rows[each].status is Status.SCHEDULED]
        held_up = {each.item for each in rows.values() if each.job_id not in self.accepted and each.waiting}
        self.during_sleep = [*meanwhile]
        self.ahead = timedelta(seconds=ahead)
        with self.clock_off_by(ahead), self.process(planned):
            self.stage.sweep_schedule(seconds)
        self.ahead = timedelta()
        self.during_sleep = []
        for job in waiting:
            if (
                not planned
                and seconds == RELEASE_SECONDS
                and job.not_before is not None
                and job.not_before <= own
                and job.item not in held_up
            ):
                assert rows[job.job_id].status is not Status.SCHEDULED, "a command was not released"
                queued = self.queued_at.get((job.job_id, job.generation), began)
                on_time = max(datetime.fromisoformat(job.not_before), began) + ON_TIME
                assert queued <= on_time, "a command was released too late"

    @rule(
        behind=st.sampled_from(BEHIND),
        failing=st.sampled_from([[], [], [Answer(500)], [Answer(0, 10), Answer(500)]]),
        released=in_sweeps,
        worked=in_work,
        notified=in_notifications,
        delivered=in_deliveries,
        woken=in_deliveries,
    )
    def all_functions_run(
        self,
        behind: float,
        failing: list[Answer],
        released: list[Fault],
        worked: list[Fault],
        notified: list[Fault],
        delivered: list[Fault],
        woken: list[Fault],
    ) -> None:
        with self.process(released):
            self.stage.release_once()
        self.work([], behind, worked)
        self.notify([], NOTIFYING_SECONDS, notified)
        self.stage.receivers.answers |= {each: [*failing] for each in self.webhooks if failing}
        self.deliver([], NOTIFYING_SECONDS, 0, delivered)
        self.deliver([], NOTIFYING_SECONDS, 0, [])  # what is returned comes again at once
        self.wake(woken)

    def sleep(self, seconds: float) -> None:
        """Let the time of a sleep pass, in which another process acts."""
        self.clock.advance(timedelta(seconds=seconds))
        if self.during_sleep:
            with self.clock_off_by(-self.ahead.total_seconds()):
                self.interleaved.elsewhere(*self.during_sleep.pop(0))

    @rule(seconds=st.sampled_from([0.4, 1, 5, 30, 61, 130, 301, 3600]))
    def time_passes(self, seconds: float) -> None:
        self.pass_time(timedelta(seconds=seconds))

    def create(self, *_: object) -> None:
        """Do nothing: commands with and without times are sent by other rules."""

    update = delete = create

    @precondition(lambda self: self.waiting())
    @rule(seconds=st.sampled_from([-100, -50, -1, 2.1, 5]))
    def a_command_becomes_due(self, seconds: float) -> None:
        """Let the time come that is so many seconds after that of the next command."""
        then = min(map(due_at, self.waiting())) + timedelta(seconds=seconds)
        if then > self.clock.now:
            self.pass_time(then - self.clock.now)

    @rule(days=st.sampled_from([1, 2, 8]), deleted=st.booleans())
    def days_pass(self, days: int, deleted: bool) -> None:
        """Days may exceed what a job is kept for, but neither the release nor a message waits so long."""
        then = self.clock.now + timedelta(days=days)
        oldest = min((self.queued_since[entry[0]] for entry in self.pipeline.queue.waiting), default=self.clock.now)
        due = [due_at(each) for each in self.waiting()]
        if then < min([oldest + QUEUE_RETENTION, *(each + LATEST_RELEASE for each in due)]):
            self.pass_time(timedelta(days=days))
        if deleted:
            super().expired_rows_are_deleted()

    def expired_rows_are_deleted(self) -> None:
        """Do nothing: this comes with the days that pass."""

    def pass_time(self, duration: timedelta) -> None:
        self.clock.advance(duration)
        if duration > DEDUPLICATED_FOR:
            self.pipeline.queue.seen.clear()
        self.excuse_expired()

    def excuse_expired(self) -> None:
        """Nobody need be notified of a job that has expired before its events were stored."""

        def is_there(job: Job) -> bool:
            row = self.pipeline.jobs.rows.get(job.job_id)
            return row is not None and not row.is_expired(self.clock.now)

        self.notified.excuse_expired(self.stage.webhooks.all(), self.stage.deliveries.rows, is_there)

    def waiting(self) -> list[Job]:
        """Return the jobs in the schedule, without those whose command was never stored."""
        return [each for each in self.pipeline.jobs.rows.values() if each.waiting and not self.is_incomplete(each)]

    def is_incomplete(self, job: Job) -> bool:
        """Return whether the request of the job ended between its two writes."""
        waits_under = job.waiting and job.waiting.claim
        stored = waits_under is None or waits_under in self.pipeline.documents.current
        return job.status is Status.SCHEDULED and not stored and job.job_id not in self.accepted

    # --- checks ---------------------------------------------------------------------------------------------------

    def note(self, message_id: str, envelope: Envelope) -> None:
        job_id, generation = envelope.deduplication_id.split(":")[:2]
        job = self.pipeline.jobs.rows.get(job_id)
        place = (job_id, generation)
        if place not in self.order.get(envelope.group_id, []):
            self.queued_at[place] = self.clock.now
            if job is not None and job.generation == generation and job.status is Status.SCHEDULED:
                with self.checking():
                    self.check_release(job)
        super().note(message_id, envelope)

    def check_release(self, job: Job) -> None:
        """Check that the command is due, and that no other one of its item goes before it."""
        assert job.not_before is not None
        assert rfc3339(self.clock.now - self.ahead) >= job.not_before, "a command was released before its time"
        sent = self.order.get(job.item.group_id, [])
        for other in self.pipeline.jobs.rows.values():
            waits = other.status is Status.SCHEDULED and (other.job_id, other.generation) not in sent
            if other.item == job.item and waits and other.job_id in self.answered:
                assert self.due_place(other) >= self.due_place(job), "a command was released before an earlier one"

    def due_place(self, job: Job) -> tuple[str, str, int]:
        return job.not_before or "", job.created_at, self.position.get(job.job_id, 0)

    def check_change(self, job: Job) -> None:
        sent, self.checked = self.sent_by[self.checked], self.checked + 1
        if sent is not None:
            self.pending = sent
        before = self.before.get(job.job_id)
        is_same = before is not None and before.created_at == job.created_at
        if before is not None and is_same and job == replace(before, waiting=job.waiting):
            self.before[job.job_id] = job  # it has left the schedule, or is due there now
            return
        ends = is_same and job.status in (Status.SUCCEEDED, Status.FAILED)
        too_late = job.error is not None and job.error["type"].endswith(":too-late")
        refused = job.error is not None and job.error["status"] in self.refusals
        if ends and too_late:
            assert job.not_after is not None
            assert job.updated_at >= job.not_after, "a command was too late before its limit"
            self.before[job.job_id] = job
            return
        if ends and (job.status is Status.SUCCEEDED or refused):
            assert job.not_before is None or job.updated_at >= job.not_before, "it took effect before its time"
            assert job.not_after is None or job.updated_at <= job.not_after, "it took effect after its limit"
        super().check_change(job)

    def process_everything(self) -> None:
        self.stage.receivers.answers.clear()
        for webhook_id, owner in self.webhooks.items():
            stored = self.stage.webhooks.get(owner, webhook_id)
            if stored is not None and stored.paused:
                self.ask("PATCH", f"/webhooks/{webhook_id}", {"paused": False}, [], owner)
        for _ in range(1000):
            self.process_what_is_due()
            times = [each.visible for each in self.stage.later_waiting.waiting]
            for job in self.pipeline.jobs.rows.values():
                if job.waiting is not None:
                    times += [due_at(job) + 3 * SECOND, datetime.fromisoformat(job.created_at) + FOUND_AFTER]
            next_time = min((each for each in times if each > self.clock.now), default=None)
            if next_time is None:
                break
            self.pass_time(next_time - self.clock.now)

    def process_what_is_due(self) -> None:
        """Let all functions run until nothing is left that is due now."""
        for _ in range(1000):
            with self.process([]):
                self.stage.release_once()
                before = [*self.pipeline.queue.waiting]
                self.pipeline.work()
                ran = [self.stage.notify(), self.stage.deliver(), self.stage.wake()]
            if not before and not any(ran):
                return
            if len(self.pipeline.queue.waiting) == len(before):
                self.clock.advance(SECOND)  # a command is not due by the worker's clock

    def check_settled(self) -> None:
        self.nothing_is_broken()
        if self.leaves_orphans:
            items = {each.document.key for each in self.pipeline.items.rows.values()}
            kept = {each.kept.claim for each in self.pipeline.jobs.rows.values() if each.kept}
            for key in [each for each in self.pipeline.documents.current if not each.startswith("scheduled/")]:
                if key not in items | kept:
                    del self.pipeline.documents.current[key]
            self.leaves_orphans = False
        super().check_settled()
        stage = self.stage
        for queue in (stage.events_waiting, stage.deliveries_waiting, stage.later_waiting):
            assert not queue.waiting
        assert not self.waiting(), "a job waits that was not released"
        assert not stage.documents.keys("scheduled/")
        for webhook in stage.webhooks.all():
            place = (webhook.owner, webhook.webhook_id)
            deliveries = {
                event: each for (*hook, event), each in stage.deliveries.rows.items() if (*hook,) == place
            }
            missing = self.notified.missing(webhook, deliveries, self.must_be_sent)
            assert not missing, f"events were never sent: {missing}"
            pending = [each for each in deliveries.values() if each.state is DeliveryState.PENDING]
            assert not pending, "deliveries wait, and nothing wakes them"
        self.notified.check_order(self.order)
        assert not self.lines.unexpected, self.lines.unexpected

    def must_be_sent(self, job: Job) -> bool:
        """Return whether the end must be sent: it is not undone, and the job was accepted or has a message."""
        row = self.pipeline.jobs.rows.get(job.job_id)
        has_message = (job.job_id, job.generation) in self.order.get(job.item.group_id, [])
        is_undone = row is not None and row.generation != job.generation
        return not is_undone and (has_message or job.job_id in self.accepted)


TestTimesAndEvents = TimesAndEvents.TestCase
TestTimesAndEvents.settings = settings(settings(), stateful_step_count=50)
