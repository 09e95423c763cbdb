"""Accepting a batch: its jobs are put, the messages are sent ten to a call, the caller told of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jobpipe.domain.batch import Batch, RequestedBatch, commands_of, jobs_of, new_batch
from jobpipe.domain.clock import now
from jobpipe.domain.errors import IdempotencyKeyReused, InternalError, ProblemError, Unavailable
from jobpipe.domain.job import Job
from jobpipe.domain.queue_message import Envelope, QueueMessage, seal
from jobpipe.domain.send_rounds import next_call
from jobpipe.runtime.deadline import leaving
from jobpipe.runtime.telemetry import logger

from ..services import Services
from .accepting import end_unconfirmed, put_claim, was_sent

_SPARE_SECONDS = 15.0
"""Less must not be left to begin with another call: it may hang, three times, and the caller is to be answered."""
_TO_ANSWER_IN = 10.0
"""Less must not be left to begin with the end of a job that nobody will ask for: that may hang as well."""


@dataclass(slots=True)
class Submitted:
    """What became of a request: by their places the jobs that are in SQS, and why others are not."""

    batch: Batch
    jobs: dict[int, Job] = field(default_factory=dict)
    unsent: dict[int, ProblemError] = field(default_factory=dict)


def submit_batch(
    asked: RequestedBatch,
    *,
    owner: str,
    idempotency_key: str | None,
    request_id: str,
    services: Services,
    seconds_left: Callable[[], float],
) -> Submitted:
    """Every job that this returns is in SQS (P1), or has ended; the commands of one item in their order (P3).

    With an Idempotency-Key that the caller used before for the same batch, it is that batch again (P4).
    """
    batch, stored = _put(asked, owner, idempotency_key, services, seconds_left)
    done = Submitted(batch)
    waiting: list[_Message] = []
    for place, command in commands_of(batch, asked).items():
        job = stored.jobs.get(batch.job_id(place))
        if job is None or job.is_expired(now()):
            continue
        if stored.by_another and was_sent(job):
            done.jobs[place] = job
        else:
            # Its message may never have been sent. If it was, SQS drops this one as a duplicate for five minutes,
            # and after that the worker finds the job ended.
            waiting.append(_Message(place, job, seal(QueueMessage.of(job.ref, command, request_id))))
    _Sender(done, services, seconds_left, replayed=stored.by_another).send(waiting)
    if idempotency_key is None:
        _end_all_unconfirmed(waiting, done, services, seconds_left)
    if done.unsent and not done.jobs:
        raise next(iter(done.unsent.values()))
    return done


@dataclass(frozen=True, slots=True)
class _Stored:
    """The jobs of a batch, by their ids."""

    jobs: Mapping[str, Job]
    by_another: bool  # whether a request before this one has stored them, and may have sent their messages


def _put(
    asked: RequestedBatch, owner: str, key: str | None, services: Services, seconds_left: Callable[[], float]
) -> tuple[Batch, _Stored]:
    """The batch and its jobs, which are stored when this returns; if it fails without a key, none stays queued."""
    # Two requests with one Idempotency-Key, of 100 commands: DynamoDB takes 99 of them at once with the batch.
    #
    #   request A   put batch and 99 ────→ put 1 (99 are stored) ── succeeds ──→ send
    #   request B        put batch ── fails, A's batch comes with the refusal ──→ put 1 ── fails ──→ read all, send
    #
    # A crash anywhere promised nothing. With a key the same request sent again goes on where this one was; without
    # one nobody can send the 99 again.
    at = now()
    batch = new_batch(asked, owner, key, at, services.job_retention)
    jobs = jobs_of(batch, commands_of(batch, asked), asked, at, services.job_retention)
    earlier = services.batches.put_new(batch, jobs, at)
    if earlier is not None:
        if earlier.fingerprint != batch.fingerprint or earlier.owner != owner:
            raise IdempotencyKeyReused("This Idempotency-Key came before with another batch.")
        batch = earlier
        jobs = jobs_of(batch, commands_of(batch, asked), asked, at, services.job_retention)
    ours = earlier is None
    if batch.stored < len(jobs):
        try:
            ours = services.batches.put_rest(batch, jobs) and ours
        except Exception:
            if key is None:
                _end_all_stored(jobs, services, seconds_left)
            raise
    if ours:
        return batch, _Stored({job.job_id: job for job in jobs}, by_another=False)
    return batch, _Stored(services.batches.jobs([job.job_id for job in jobs]), by_another=True)


def _end_all_stored(jobs: list[Job], services: Services, seconds_left: Callable[[], float]) -> None:
    """The rest was not stored, as far as is known: the last one may be, and is ended as well."""
    for job in jobs:
        could, _ = _try_to_end(job, None, services, seconds_left)
        if not could:
            return


@dataclass(slots=True)
class _Message:
    """One on its way."""

    place: int
    job: Job
    envelope: Envelope


@dataclass(slots=True)
class _Sender:
    """Sends messages and notes what became of each. Once one was not taken, its item's later ones are not sent."""

    done: Submitted
    services: Services
    seconds_left: Callable[[], float]
    replayed: bool
    _stopped: set[str] = field(default_factory=set)  # groups

    def send(self, waiting: list[_Message]) -> None:
        """Up to ten to a call, each of another item; the next of an item when SQS has said that it has the last."""
        left = self._with_claims(waiting)
        while left:
            if self._is_late():
                return self._give_up(left, _too_late())
            chosen = next_call([each.envelope for each in left])
            call = [left[n] for n in chosen]
            try:
                refused = self.services.queue.send_batch([each.envelope for each in call])
            except Unavailable as outage:
                # What of this call is on the queue is not known; and the next one would hang as long.
                return self._give_up(left, outage)
            except Exception:  # noqa: BLE001  # those before it are queued, and their caller is to be told
                logger.exception("messages not sent")
                return self._give_up(left, InternalError("The command could not be queued."))
            for each in call:
                why = refused.get(each.envelope.deduplication_id)
                if why is None:
                    self.done.jobs[each.place] = each.job
                else:
                    self._stop(each, why)
            left = self._going_on([each for n, each in enumerate(left) if n not in chosen])
        return None

    def _with_claims(self, waiting: list[_Message]) -> list[_Message]:
        """Those that can be sent: their claim checks lie there, and those of all before them on their items."""
        ready: list[_Message] = []
        outage: Unavailable | None = None
        for each in waiting:
            if not self._going_on([each]):
                continue
            if each.envelope.claim is not None and (outage or self._is_late()):
                self._stop(each, outage or _too_late())  # a bucket that hangs would hang again
                continue
            try:
                put = put_claim(each.envelope, each.job, self.services, replayed=self.replayed)
            except Unavailable as why:
                outage = why
                self._stop(each, why)
                continue
            except Exception:  # noqa: BLE001  # those before it may have been queued, or stay queued unheard
                logger.exception("claim check not put")
                self._stop(each, InternalError("The command could not be queued."))
                continue
            if isinstance(put, Job):
                self.done.jobs[each.place] = put
            else:
                each.envelope = put
                ready.append(each)
        return ready

    def _stop(self, message: _Message, why: ProblemError) -> None:
        self.done.unsent[message.place] = why
        self._stopped.add(message.envelope.group_id)

    def _going_on(self, left: list[_Message]) -> list[_Message]:
        """Those whose item has not been stopped."""
        stopped = [each for each in left if each.envelope.group_id in self._stopped]
        self._give_up(stopped, Unavailable("An earlier command of this batch for its item could not be queued."))
        return [each for each in left if each.envelope.group_id not in self._stopped]

    def _give_up(self, left: list[_Message], why: ProblemError) -> None:
        self.done.unsent.update({each.place: why for each in left})

    def _is_late(self) -> bool:
        return self.seconds_left() < _SPARE_SECONDS


def _too_late() -> Unavailable:
    return Unavailable("There was no time left to queue the command.")


def _end_all_unconfirmed(
    waiting: list[_Message], done: Submitted, services: Services, seconds_left: Callable[[], float]
) -> None:
    """Without a key nobody will send them again: end those that are not, or may not be, on the queue."""
    for each in waiting:
        if each.place in done.unsent:
            could, ended = _try_to_end(each.job, each.envelope, services, seconds_left)
            if not could:
                return
            if ended is not None:
                done.jobs[each.place] = ended
                del done.unsent[each.place]


def _try_to_end(
    job: Job, envelope: Envelope | None, services: Services, seconds_left: Callable[[], float]
) -> tuple[bool, Job | None]:
    """Whether the next one is worth a try, and the job, should the worker have ended it.

    It raises nothing: the caller is to be told what is queued. What cannot be ended stays as it is until it
    expires; its caller has no promise.
    """
    try:
        with leaving(_TO_ANSWER_IN, seconds_left):
            return True, end_unconfirmed(job, envelope, services)
    except Exception:  # noqa: BLE001  # an outage, or a fault of ours that would meet the others too
        logger.warning("jobs that nobody will ask for stay queued", exc_info=True, extra={"job_id": job.job_id})
        return False, None
