"""The limits that the promises depend on; tests/infra/templates/test_limits.py compares the templates with them."""

from __future__ import annotations

from datetime import timedelta

MAX_ATTEMPTS = 5
"""Attempts after which a command fails. Faults and deaths of the worker count, AWS outages do not."""

QUEUE_RETENTION = timedelta(days=14)
"""How long SQS keeps a message: its own maximum."""

MAX_RECEIVE_COUNT = 1000
"""Receives after which a message becomes a dead letter: SQS's maximum, since attempts are counted separately."""

VISIBILITY_FACTOR = 6
"""A message becomes visible again after this many timeouts of the worker, as AWS advises for SQS and Lambda."""

FIRST_BACKOFF = timedelta(seconds=1)
"""The delay of a message's redelivery after its first interruption; doubled with each further one."""

LONGEST_BACKOFF = timedelta(minutes=30)
"""Long enough that MAX_RECEIVE_COUNT receives take longer than QUEUE_RETENTION."""

BACKOFF_JITTER = 0.2
"""The random share of a backoff, so that messages that failed together do not return together."""

BUCKET_SETTLES = timedelta(minutes=30)
"""If S3 does not find an object this long after it was put, the object is lost; before that, it is an outage.

S3 may return 404 for 15 minutes after versioning was first enabled on a bucket. Twice that time allows for
differences between clocks and for a slower S3.
"""

MAX_CALL_MESSAGES = 10
"""The most messages in a call of SendMessageBatch, and in an event of Lambda."""

MAX_CALL_BYTES = 1024 * 1024
"""The most bytes of all messages of a call together: SQS's limit, also for a single message."""

MAX_EVENT_BYTES = 6 * 1024 * 1024
"""The most bytes of an event of Lambda, in which the messages of a batch are JSON strings."""

MAX_QUEUED_BYTES = 384 * 1024
"""The most bytes of a message on the command queue. SQS bills six requests for it.

The previous release keeps every command of a failed job in the job's row, which holds at most 400 KB.
"""

MAX_PARKED_BYTES = MAX_QUEUED_BYTES + 4 * 1024
"""The most bytes of a message on the parked queue: a message of the command queue, with a reason."""

MAX_COMMAND_BYTES = 380 * 1024
"""The most bytes of a raw command in its message; a larger command is sent as a claim check (decision 53)."""

MAX_COMMAND_IN_EVENT_BYTES = 540 * 1024
"""The most bytes of a raw command over MAX_KEPT_BYTES in Lambda's event: ten such messages fit an event.

In the event, the message is a JSON string, in which every character but ASCII may be escaped.
"""

MAX_WAITING_BYTES = 16 * 1024
"""The size, in bytes, up to which a scheduled command is kept in its job's row; a larger one is kept in
the documents bucket until its time.

A transaction takes 4 MB, and so a hundred of these; and in a row, each kilobyte is billed with every write.
"""

MAX_KEPT_BYTES = 200 * 1024
"""The most bytes of a command that a failed job keeps in its row; a larger command is kept as a claim check.

Ten messages of this size fit an event, whatever their characters are.
"""


def claim_days(retention: timedelta) -> int:
    """Return after how many days a claim check may expire: it must outlive a job that may need it for a retry.

    Its message may wait 14 days, and 14 more as a dead letter; then the failed job is kept for its retention.
    """
    return (2 * QUEUE_RETENTION + retention).days + 1


def call_timeout(worker_timeout: float) -> float:
    """Return the timeout in seconds of one try of an AWS call, for a worker with this timeout: 3 on AWS (30 s).

    It is at least one second, so that a slow emulator is not taken for an outage.
    """
    return min(3.0, max(1.0, worker_timeout / 10))


def reserve(worker_timeout: float) -> float:
    """Return the seconds that must be left to begin with another command.

    They suffice for a call that hangs and for recording the interruption, three tries each, so that no timeout of
    the worker turns an outage into an attempt. With a timeout of 5 s, as on emulators, only the first call may
    hang.
    """
    return min(6 * call_timeout(worker_timeout), 0.8 * worker_timeout)
