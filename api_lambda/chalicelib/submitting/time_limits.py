"""Refuse new commands whose times have passed or are too far ahead.

A replay gets the response of its first request, whatever the time is.
"""

from __future__ import annotations

from datetime import datetime

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.commands import not_before
from jobpipe.domain.commands.command import Command
from jobpipe.domain.commands.not_after import check_at_acceptance
from jobpipe.domain.jobs.job import Job

from ..services import Services


def check_times(command: Command, job: Job, services: Services, at: datetime, *, has_key: bool) -> None:
    """Raise InvalidRequest if a new command cannot be accepted with its times.

    The time limit of a replay is not checked: when the command was accepted, the limit had not passed.
    """
    # This check is right for a replay too: a time that was near enough at the first request is nearer now.
    not_before.check_at_acceptance(command.not_before, command.not_after, at)
    if command.not_after is None:
        return
    earlier = services.jobs.get(job.job_id) if has_key else None
    if earlier is None or earlier.is_expired(at):
        check_at_acceptance(command.not_after, at)


class AcceptanceTime:
    """The time at which a batch is accepted, against which the times of its commands are checked."""

    def __init__(self, owner: str, idempotency_key: str | None, services: Services) -> None:
        from jobpipe.domain.jobs.batch import batch_id_of  # noqa: PLC0415  # a single command does not need it

        self.at = datetime.fromisoformat(rfc3339(now()))  # as precise as in the batch's row
        self._batch_id = None if idempotency_key is None else batch_id_of(owner, idempotency_key)
        self._services = services
        self._first: datetime | None = None

    def check(self, command: Command) -> None:
        """Raise InvalidRequest if the times of the command do not allow its acceptance in the batch."""
        if command.not_before is not None or command.not_after is not None:
            at = self._of_first_request()
            not_before.check_at_acceptance(command.not_before, command.not_after, at)
            check_at_acceptance(command.not_after, at)

    def _of_first_request(self) -> datetime:
        # A replay must refuse the same commands as the first request; otherwise it would be a different batch.
        if self._first is None:
            earlier = None if self._batch_id is None else self._services.batches().get(self._batch_id)
            is_first = earlier is None or earlier.is_expired(self.at)
            self._first = self.at if earlier is None or is_first else datetime.fromisoformat(earlier.created_at)
        return self._first
