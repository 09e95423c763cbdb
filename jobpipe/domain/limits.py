"""The numbers that hold the promises together; tests/infra/test_limits.py holds the templates to them."""

from __future__ import annotations

from datetime import timedelta

MAX_ATTEMPTS = 5
"""Attempts after which a command is given up: interruptions and faults of ours count, outages of AWS do not."""

QUEUE_RETENTION = timedelta(days=14)
"""How long SQS keeps a message: its own maximum."""

MAX_RECEIVE_COUNT = 1000
"""Receives before SQS makes a message a dead letter: its own maximum, for receives are no measure of a command."""

VISIBILITY_FACTOR = 6
"""A message comes back after so many time-outs of the worker, as AWS advises for SQS and Lambda."""

FIRST_BACKOFF = timedelta(seconds=1)
"""How long a message stays away after the first outage that it met; doubled with each receive."""

LONGEST_BACKOFF = timedelta(minutes=30)
"""So that MAX_RECEIVE_COUNT receives outlast any outage that QUEUE_RETENTION does."""

BACKOFF_JITTER = 0.2
"""The share of a backoff that is left to chance, so that what failed together does not come back together."""

BUCKET_SETTLES = timedelta(minutes=30)
"""If S3 does not find an object this long after it was put, the object is lost; until then it is an outage.

S3 may answer 404 for 15 minutes after versioning was first enabled on a bucket. Twice that time allows for
differences between clocks and for a slower S3.
"""

MAX_COMMAND_BYTES = 200 * 1024
"""Of a command's raw form in its message; a larger one travels as a claim check."""

MAX_QUEUED_BYTES = 252 * 1024
"""Of whatever is on the commands queue: 4 KiB under SQS's 256, so that it can be parked together with a reason."""


def claim_days(retention: timedelta) -> int:
    """After how many days a claim check may expire: it must outlive the job that might need it for a retry.

    Its message may wait 14 days, and 14 more as a dead letter; then the failed job is kept for its retention.
    """
    return (2 * QUEUE_RETENTION + retention).days + 1


def call_timeout(worker_timeout: float) -> float:
    """Seconds that one try of an AWS call may take in a worker with this time-out: 3 on AWS (30 s).

    A second is the least: less would take a slow emulator for one that does not answer.
    """
    return min(3.0, max(1.0, worker_timeout / 10))


def reserve(worker_timeout: float) -> float:
    """Seconds that must be left to begin with another command: for a call that hangs, and the note of it.

    Each may take three tries, so that an outage is noted before the time-out would make it an attempt. Where the
    time-out is 5 s, for an emulator, there is room for a note that does not hang as well.
    """
    return min(6 * call_timeout(worker_timeout), 0.8 * worker_timeout)
