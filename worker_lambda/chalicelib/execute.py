"""Run the command of one delivery until its job has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import Command
from jobpipe.domain.commands.not_before import is_due
from jobpipe.domain.errors import (
    OPERATION_REFUSED,
    ClaimUnusable,
    DeadlineNear,
    InternalError,
    JobEnded,
    OperationRefused,
    Refusal,
    Unavailable,
    UndecodableMessage,
)
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.claim_check import Claim, redeem
from jobpipe.domain.jobs.job import Status
from jobpipe.domain.jobs.message_decoding import decode_message
from jobpipe.domain.jobs.queue_message import QueueMessage
from jobpipe.domain.missing_objects import may_become_visible
from jobpipe.domain.violations import fit_in_row
from jobpipe.runtime.deadline import limit_calls
from jobpipe.runtime.metrics import (
    ATTEMPT_TIME,
    COMMAND_AGE,
    FAILED,
    FAULT,
    INTERRUPTED,
    OUTAGE,
    QUEUE_DELAY,
    meter,
)
from jobpipe.runtime.telemetry import logged_id, logger, trace_id

from . import attempts
from .apply_command import apply_command
from .clean_up import finish_clean_up, keep_command, remove_claim, remove_uncommitted
from .consumer import CommandInterrupted
from .labels import find_label
from .parking import park
from .services import Services
from .sqs_messages import Delivery

_RECORDING_PAUSES = (0.1, 0.3, 1.0, 3.0)  # seconds between attempts to record an interruption


def execute(
    delivery: Delivery,
    services: Services,
    seconds_left: Callable[[], float],
    jobs_with_leftovers: Collection[JobRef] = (),
) -> None:
    """Run the command and end its job; when this returns, the message may be deleted.

    Raise if SQS must deliver the message again: after an outage, or after a fault while attempts are left.
    `jobs_with_leftovers` has the jobs for which a group commit has stored a document without committing it. This
    function deletes these documents.
    """
    started = time.perf_counter()
    try:
        message = decode_message(delivery.body)
    except UndecodableMessage as error:
        park(delivery, error, "commands", services)
        return
    if not is_due(message.not_before, now()) and not _was_cancelled(message, services):
        # SQS gets the message only when the command is due, so this process's clock must be behind. (Only messages
        # of cancelled jobs are sent early.) SQS delivers the message again in a second. No attempt is recorded.
        raise NotDueYet(f"The command must not take effect before {message.not_before}.")
    execution = Execution(message, delivery, services, seconds_left)
    meter.add(COMMAND_AGE, execution.age)
    try:
        outcome = execution.run()
        meter.add(QUEUE_DELAY, execution.age * 1000)
    except JobEnded:
        # Another delivery was faster, or the job was cancelled or has expired. A command takes effect at most once,
        # so this delivery only completes the clean-up, which an earlier delivery may not have finished.
        finish_clean_up(message, services)
        outcome = "already ended"
    else:
        if message.job in jobs_with_leftovers:
            remove_uncommitted(message.job, message.item, services)
    execution.log(outcome, time.perf_counter() - started)


def _was_cancelled(message: QueueMessage, services: Services) -> bool:
    job = services.jobs.get(message.job.job_id)
    return job is not None and job.ref == message.job and job.status is Status.CANCELLED


class NotDueYet(Exception):
    """By this process's clock the command is not due, so SQS must deliver its message again."""


class Execution:
    """The execution of one command for one delivery."""

    def __init__(
        self, message: QueueMessage, delivery: Delivery, services: Services, seconds_left: Callable[[], float]
    ) -> None:
        self.age = max(now() - delivery.sent_at, timedelta()).total_seconds()
        self._message = message
        self._delivery = delivery
        self._services = services
        self._seconds_left = seconds_left
        self.log_fields: dict[str, object] = {
            "job_id": message.job.job_id,
            "collection": message.collection,
            "item_id": logged_id(message.item_id),
            "request_id": message.request_id,
            "receive_count": delivery.receive_count,
            "trace_id": trace_id(delivery.trace_header),
        }

    def log(self, outcome: str, seconds: float) -> None:
        """Write the command's log line."""
        fields = {**self.log_fields, "outcome": outcome, "duration_ms": round(seconds * 1000, 1)}
        logger.info("command", extra=fields)

    def run(self) -> str:
        """Run the command and return its outcome for the log."""
        # If this call fails, nothing is recorded: the row may have the earlier generation and reject the record.
        attempts.complete_retry(self._message, self._services)
        return self._run_unrecorded() if self._delivery.receive_count == 1 else self._run_recorded()

    def _run_unrecorded(self) -> str:
        """Run the command on its first delivery, in parallel with commands of other items."""
        try:
            return self._apply_command()
        except JobEnded:
            raise
        except Exception as error:  # noqa: BLE001  # raised again unless the command is abandoned
            self.handle_interruption(error, recorded=False)
        self._remove_uncommitted()
        return "abandoned"

    def _run_recorded(self) -> str:
        """Run the command on a later delivery, as a recorded attempt, and remove what earlier attempts left."""
        recorded, outcome = False, "abandoned"
        began = time.perf_counter()
        try:
            # Do not begin an AWS call that might outlast the invocation, because a timeout would be charged as an
            # attempt, even during an outage.
            with limit_calls(self._services.reserve_seconds, self._seconds_left) as deadline:
                recorded = attempts.start_attempt(self._message, self._services)
                if recorded:
                    outcome = self._apply_command()
        except JobEnded:
            raise
        except DeadlineNear as error:
            # If the command's own work used up the time, a retry would use it up too, so this is not treated as an
            # outage.
            is_slow = recorded and deadline.waited < (time.perf_counter() - began) / 2
            too_slow = InternalError("The command exceeds the time limit of an attempt.")
            self.handle_interruption(too_slow if is_slow else error, recorded=recorded)
        except Exception as error:  # noqa: BLE001  # raised again unless the command is abandoned
            self.handle_interruption(error, recorded=recorded)
        self._remove_uncommitted()
        return outcome

    def _apply_command(self) -> str:
        started = time.perf_counter()
        command = None
        try:
            command = self._load_command()
            self.log_fields["operation"] = command.operation
            apply_command(command, self._message, self._services, emits=self._services.events is not None)
        except Refusal as refusal:
            problem = fit_in_row(refusal).to_problem()
            kept = keep_command(self._message, self._services)
            label = find_label(self._message, self._services, refusal, command)
            self._services.jobs.fail(self._message.job, problem, now(), kept, charge_attempt=True, label=label)
            return count_refusal(refusal, self._message)
        finally:
            meter.add(ATTEMPT_TIME, (time.perf_counter() - started) * 1000)
        remove_claim(self._message, self._services, redelivered=self._delivery.receive_count > 1)
        return "succeeded"

    def _load_command(self) -> Command:
        """Return the command from the message, or from its claim check in the bucket."""
        content = self._message.content
        if not isinstance(content, Claim):
            return content
        text = self._services.documents.get_by_key(content.key)
        if text is None:
            # The claim check of an ended job is deleted. This raises JobEnded if the message is a late copy.
            attempts.unfinished_job(self._message, self._services)
            if may_become_visible(self._delivery.sent_at):  # claim checks are put before messages are sent
                raise Unavailable("The claim check is not visible yet.")
            raise ClaimUnusable("The claim check does not exist.")
        command, limit = redeem(content, text, self._message.item), self._message.not_after
        return command if limit is None else replace(command, not_after=limit)  # a retry may have a new limit

    def handle_interruption(self, error: Exception, *, recorded: bool) -> None:
        """Record the interruption on the job, and raise CommandInterrupted unless the command is abandoned."""
        logger.exception("command interrupted", extra=self.log_fields)
        reason = OUTAGE if attempts.classify_error(error) is attempts.Event.OUTAGE else FAULT
        try:
            interruptions = self._record_interruption(error, recorded)
        except Unavailable:
            meter.add(INTERRUPTED, reason=reason)
            logger.warning("interruption not recorded", extra={"job_id": self._message.job.job_id})
            raise error from None
        # Counted after the write, which raises JobEnded if the job has ended meanwhile.
        meter.add(INTERRUPTED, reason=reason)
        if interruptions is not None:
            raise CommandInterrupted(interruptions) from error

    def _record_interruption(self, error: Exception, recorded: bool) -> int | None:
        for pause in _RECORDING_PAUSES:
            try:
                return attempts.record_interruption(self._message, error, self._services, recorded=recorded)
            except Unavailable:
                # If this is never written, a recorded attempt counts against the command, so try again.
                if not recorded or self._seconds_left() <= self._services.reserve_seconds / 2:
                    raise
                time.sleep(pause)
        return attempts.record_interruption(self._message, error, self._services, recorded=recorded)

    def _remove_uncommitted(self) -> None:
        remove_uncommitted(self._message.job, self._message.item, self._services)


def count_refusal(refusal: Refusal, message: QueueMessage) -> str:
    """Count the job that a refusal has ended, and return its outcome for the log."""
    # An operation may derive its slug from a document's values, and AWS charges for each reason as a metric.
    reason = OPERATION_REFUSED if isinstance(refusal, OperationRefused) else refusal.slug
    meter.add(FAILED, reason=reason, collection=message.collection)
    return f"failed: {refusal.slug}"


def read_charged_attempts(delivery: Delivery, services: Services) -> int:
    """Return the number of attempts charged to the job, or 0 if unknown. It orders the messages that run alone."""
    try:
        job = services.jobs.get(decode_message(delivery.body).job.job_id)
    except Exception:  # noqa: BLE001  # the error will be raised again when this message is processed
        return 0
    return 0 if job is None else attempts.charged_attempts(job)
