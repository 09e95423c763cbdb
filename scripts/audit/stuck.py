"""The repair of jobs that no message will ever end: they end as failed, so that a poller learns it."""

from __future__ import annotations

from datetime import datetime

from jobpipe.domain.errors import InternalError, JobEnded, ProblemError, Unavailable
from jobpipe.domain.item import document_prefix
from jobpipe.domain.job import KeptCommand
from scripts.audit.backlog import waiting_messages
from scripts.audit.confirm import command_claim
from scripts.audit.findings import Lost, StuckJob
from scripts.audit.places import Places

_SEND_AGAIN = " Send it again, with another Idempotency-Key if it had one."


def may_be_at_work(finding: StuckJob, places: Places) -> str | None:
    """Why the job may not be stuck any more; to be asked right before it is ended."""
    # A replay with the job's Idempotency-Key sends its message and answers 202 without a touch of the row:
    #
    #   replay   send ──→ 202            (too early: the queues are seen to hold it, or the job has ended)
    #   audit         look at queues ── look at log ──────────── fail
    #   replay                               send ──→ 202        (too late: that job is failed, though promised)
    #
    # What is left is the time from the last look at the commands queue to the fail, a few calls; and as AWS counts
    # messages late, a send of the minute before, but only until the log shows its 202, after some seconds.
    messages = waiting_messages(places)
    if messages:
        return f"about {messages} messages wait"
    # Of a job that was answered before, only what the audit did not know counts.
    if places.was_answered(finding.job, finding.seen if isinstance(finding, Lost) else None):
        return "it was answered 202 since the audit"
    return None


def end_stuck(finding: StuckJob, places: Places, now: datetime) -> bool:
    """End the job as failed and clean up; whether it was unfinished in this life until now."""
    # On that condition. A message that turns up later finds it ended and changes nothing; a worker that is at it
    # now has its transaction refused, or has made this one fail.
    job = finding.job
    claim = command_claim(places, job) if isinstance(finding, Lost) else None
    kept = None if claim is None else KeptCommand(claim=claim)
    places.item(job.item_id)  # raises, so that nothing is done, if the item's row is malformed
    try:
        places.jobs.fail(job.ref, _problem(finding, claim).to_problem(), now, kept=kept, attempt=False)
    except JobEnded:
        return False
    # After the end, as every worker does it; the row is read after the list, and points to what was committed.
    keys = places.documents.keys(document_prefix(job.item_id, job.ref))
    item = places.item(job.item_id) if keys else None
    spared = {claim, None if item is None else item.document.key}
    claims = places.documents.keys(f"claims/{job.job_id}/")
    places.documents.delete(key for key in [*keys, *claims] if key not in spared)
    return True


def _problem(finding: StuckJob, claim: str | None) -> ProblemError:
    if not isinstance(finding, Lost):
        return Unavailable("The command was never accepted." + _SEND_AGAIN)
    return InternalError("The message was lost; retry the job." if claim else "The command was lost." + _SEND_AGAIN)
