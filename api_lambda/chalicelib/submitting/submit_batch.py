"""Accept a batch: store it with its jobs, then send the messages of the due commands, ten in a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import Command
from jobpipe.domain.errors import IdempotencyKeyReused, InternalError, ProblemError, Unavailable
from jobpipe.domain.jobs.batch import Batch, RequestedBatch, commands_of, jobs_of, new_batch
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.domain.jobs.queue_message import Envelope, QueueMessage, seal
from jobpipe.domain.jobs.scheduled import add_message
from jobpipe.domain.jobs.send_rounds import next_call
from jobpipe.runtime.deadline import limit_calls
from jobpipe.runtime.telemetry import logger

from ..services import Services
from .schedule import store_commands, withdraw
from .submit import fail_unconfirmed, put_claim, was_sent
from .task_tokens import give_tokens

_SECONDS_FOR_A_CALL = 15.0
"""With less time left, no call to SQS or S3 begins: it may hang in three tries, and the caller needs a response."""
_SECONDS_TO_RESPOND = 10.0
"""With less time left, no call begins that fails a job: it may hang as well."""


@dataclass(slots=True)
class SubmittedBatch:
    """The outcome of each command, by its position in the request."""

    batch: Batch
    jobs: dict[int, Job] = field(default_factory=dict)  # jobs whose messages are in SQS or stored
    unsent: dict[int, ProblemError] = field(default_factory=dict)  # why the other messages are not


def submit_batch(
    requested: RequestedBatch,
    *,
    at: datetime,
    owner: str,
    idempotency_key: str | None,
    request_id: str,
    services: Services,
    seconds_left: Callable[[], float],
) -> SubmittedBatch:
    """Submit the commands, in order for each item; raise the first problem if none could be sent.

    If the caller has used the Idempotency-Key for the same batch before, submit the rest of that batch; raise
    IdempotencyKeyReused if the earlier batch was a different one.
    """
    stored = _store(requested, owner, idempotency_key, services, seconds_left, request_id=request_id, at=at)
    result = SubmittedBatch(stored.batch)
    messages: list[_Message] = []
    scheduled: dict[int, tuple[Job, Command]] = {}
    for (position, command), planned in zip(stored.commands.items(), stored.planned, strict=True):
        job = stored.jobs.get(planned.job_id)
        if job is None or job.is_expired(now()):
            continue
        if job.status is Status.SCHEDULED:
            scheduled[position] = job, command
        elif stored.replayed and was_sent(job, services):
            result.jobs[position] = job
        else:
            # If an earlier request has sent this message too, SQS drops the new one as a duplicate within five
            # minutes, and after that the worker finds that the job has ended.
            message = QueueMessage.of(job, command, request_id)
            messages.append(_Message(position, job, message, seal(message)))
    _Sender(result, services, seconds_left, replayed=stored.replayed).send(messages)
    if idempotency_key is None:
        _fail_unsent(messages, result, services, seconds_left)
    if scheduled:
        services.scheduled().expect_some()
    _store_scheduled(
        scheduled, result, services, seconds_left, replayed=stored.replayed, has_key=idempotency_key is not None
    )
    if stored.replayed:
        give_tokens(requested.commands, result, services, _make_time_check(seconds_left))
    if result.unsent and not result.jobs:
        raise next(iter(result.unsent.values()))
    return result


@dataclass(frozen=True, slots=True)
class _StoredBatch:
    batch: Batch
    commands: Mapping[int, Command]  # by position, with the ids of their items
    planned: Sequence[Job]  # the jobs of the commands, as this request would store them
    jobs: Mapping[str, Job]  # the stored jobs, by id
    replayed: bool  # whether another request has stored the jobs, and may have sent their messages


def _store(
    requested: RequestedBatch,
    owner: str,
    key: str | None,
    services: Services,
    seconds_left: Callable[[], float],
    *,
    request_id: str,
    at: datetime,
) -> _StoredBatch:
    """Store the batch and its jobs, or find the batch of an earlier request with the same key."""
    # DynamoDB stores the batch and at most 99 jobs in one transaction. For two requests with the same
    # Idempotency-Key and 100 commands:
    #
    #   request A   put batch and 99 ────→ put the last (99 are stored) ── succeeds ──→ send
    #   request B        put batch ── fails and returns A's batch ──→ put the last ── fails ──→ read all, send
    #
    # A crash at any point breaks no promise. With a key, the repeated request continues. Without a key, nobody can
    # send the messages of the 99 jobs, so this request fails the jobs if the last put fails.
    batch = new_batch(requested, owner, key, at, services.job_retention)
    commands, jobs = _plan_jobs(batch, requested, request_id, at, services)
    earlier = services.batches().put_new(batch, jobs, at)
    if earlier is not None:
        if earlier.fingerprint != batch.fingerprint or earlier.owner != owner:
            raise IdempotencyKeyReused("This Idempotency-Key was used before with another batch.")
        batch = earlier
        commands, jobs = _plan_jobs(batch, requested, request_id, at, services)
    stored_here = earlier is None
    if batch.stored < len(jobs):
        try:
            stored_here = services.batches().put_rest(batch, jobs) and stored_here
        except Exception:
            if key is None:
                _fail_all(jobs, services, seconds_left)
            raise
    if stored_here:
        return _StoredBatch(batch, commands, jobs, {job.job_id: job for job in jobs}, replayed=False)
    found = services.batches().jobs([job.job_id for job in jobs])
    return _StoredBatch(batch, commands, jobs, found, replayed=True)


def _plan_jobs(
    batch: Batch, requested: RequestedBatch, request_id: str, at: datetime, services: Services
) -> tuple[Mapping[int, Command], list[Job]]:
    """Return the commands with the ids of their items, and their jobs as they are about to be stored."""
    commands = commands_of(batch, requested)
    jobs = jobs_of(batch, commands, requested, at, services.job_retention)
    return commands, [
        add_message(job, command, request_id, position)
        for job, (position, command) in zip(jobs, commands.items(), strict=True)
    ]


def _store_scheduled(
    scheduled: Mapping[int, tuple[Job, Command]],
    result: SubmittedBatch,
    services: Services,
    seconds_left: Callable[[], float],
    *,
    replayed: bool,
    has_key: bool,
) -> None:
    """Store the scheduled commands that need the bucket; without a key, withdraw the jobs for which that fails."""
    stored = store_commands(scheduled, services, _make_time_check(seconds_left), replayed=replayed)
    result.jobs |= stored.jobs
    result.unsent |= stored.unstored
    if not has_key:
        for position in stored.unstored:
            _try_to_withdraw(scheduled[position][0], services, seconds_left)


def _make_time_check(seconds_left: Callable[[], float]) -> Callable[[], Unavailable | None]:
    return lambda: _out_of_time() if seconds_left() < _SECONDS_FOR_A_CALL else None


def _try_to_withdraw(job: Job, services: Services, seconds_left: Callable[[], float]) -> None:
    try:
        with limit_calls(_SECONDS_TO_RESPOND, seconds_left):
            withdraw(job, services)
    except Exception:  # noqa: BLE001  # the caller must learn which commands are accepted
        logger.warning("a scheduled job could not be withdrawn", exc_info=True, extra={"job_id": job.job_id})


def _fail_all(jobs: list[Job], services: Services, seconds_left: Callable[[], float]) -> None:
    """Fail all jobs of the batch, including the last one, whose put may have succeeded."""
    for job in jobs:
        succeeded, _ = _try_to_fail(job, None, services, seconds_left)
        if not succeeded:
            return


@dataclass(slots=True)
class _Message:
    position: int
    job: Job
    content: QueueMessage
    envelope: Envelope


@dataclass(slots=True)
class _Sender:
    """Sends messages and records their outcomes. After a failure it sends no later message of the same item."""

    result: SubmittedBatch
    services: Services
    seconds_left: Callable[[], float]
    replayed: bool
    _failed_groups: set[str] = field(default_factory=set)

    def send(self, messages: list[_Message]) -> None:
        """Send up to ten messages in a call, one of each item; the next of an item waits until SQS has the last."""
        remaining = self._with_claims(messages)
        while remaining:
            if self._is_late():
                return self._record_unsent(remaining, _out_of_time())
            chosen = set(next_call([message.envelope for message in remaining]))
            call = [remaining[i] for i in sorted(chosen)]
            try:
                refused = self.services.queue.send_batch([message.envelope for message in call])
            except Unavailable as outage:
                # Some messages of this call may be in SQS, and the next call would hang as long.
                return self._record_unsent(remaining, outage)
            except Exception:  # noqa: BLE001  # the caller must learn about the messages that were sent
                logger.exception("messages could not be sent; the response has a problem for each")
                return self._record_unsent(remaining, InternalError("The command could not be queued."))
            for message in call:
                problem = refused.get(message.envelope.deduplication_id)
                if problem is None:
                    self.result.jobs[message.position] = message.job
                else:
                    self._fail_group(message, problem)
            remaining = self._without_failed_groups(
                [message for i, message in enumerate(remaining) if i not in chosen]
            )
        return None

    def _with_claims(self, messages: list[_Message]) -> list[_Message]:
        """Store the claim checks; return the messages that can be sent."""
        sendable: list[_Message] = []
        outage: Unavailable | None = None
        for message in messages:
            if not self._without_failed_groups([message]):
                continue
            uses_bucket = message.envelope.claim is not None or (self.replayed and message.envelope.is_large)
            if uses_bucket and (outage or self._is_late()):
                self._fail_group(message, outage or _out_of_time())  # after an outage the next call would hang too
                continue
            try:
                envelope = put_claim(
                    message.content, message.envelope, message.job, self.services, replayed=self.replayed
                )
            except Unavailable as error:
                outage = error
                self._fail_group(message, error)
            except Exception:  # noqa: BLE001  # the other messages must be sent or recorded as unsent
                logger.exception("a claim check could not be stored; the response has a problem")
                self._fail_group(message, InternalError("The command could not be queued."))
            else:
                if isinstance(envelope, Job):
                    self.result.jobs[message.position] = envelope
                else:
                    message.envelope = envelope
                    sendable.append(message)
        return sendable

    def _fail_group(self, message: _Message, problem: ProblemError) -> None:
        self.result.unsent[message.position] = problem
        self._failed_groups.add(message.envelope.group_id)

    def _without_failed_groups(self, messages: list[_Message]) -> list[_Message]:
        if not self._failed_groups:
            return messages
        failed = [message for message in messages if message.envelope.group_id in self._failed_groups]
        self._record_unsent(
            failed, Unavailable("An earlier command of this batch for the same item could not be queued.")
        )
        return [message for message in messages if message.envelope.group_id not in self._failed_groups]

    def _record_unsent(self, messages: list[_Message], problem: ProblemError) -> None:
        self.result.unsent.update({message.position: problem for message in messages})

    def _is_late(self) -> bool:
        return self.seconds_left() < _SECONDS_FOR_A_CALL


def _out_of_time() -> Unavailable:
    return Unavailable("There was no time left to queue the command.")


def _fail_unsent(
    messages: list[_Message], result: SubmittedBatch, services: Services, seconds_left: Callable[[], float]
) -> None:
    """Fail the jobs whose messages may not be in SQS: without a key, no request can send them again."""
    for message in messages:
        if message.position in result.unsent:
            succeeded, ended = _try_to_fail(message.job, message.envelope, services, seconds_left)
            if not succeeded:
                return
            if ended is not None:
                result.jobs[message.position] = ended
                del result.unsent[message.position]


def _try_to_fail(
    job: Job, envelope: Envelope | None, services: Services, seconds_left: Callable[[], float]
) -> tuple[bool, Job | None]:
    """Call fail_unconfirmed; return whether the call succeeded, and its result.

    This does not raise, since the caller must learn which commands are queued. A job that cannot be failed stays
    queued until it expires.
    """
    try:
        with limit_calls(_SECONDS_TO_RESPOND, seconds_left):
            return True, fail_unconfirmed(job, envelope, services)
    except Exception:  # noqa: BLE001  # an outage or a fault, which the next job would meet too
        logger.warning(
            "unconfirmed jobs could not be failed; they stay queued until they expire",
            exc_info=True,
            extra={"job_id": job.job_id},
        )
        return False, None
