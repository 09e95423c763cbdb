"""What is not in the documents bucket though it was put there: not to be seen yet, or lost."""

from __future__ import annotations

from datetime import datetime

from jobpipe.clock import now
from jobpipe.errors import InternalError, Unavailable
from jobpipe.limits import BUCKET_SETTLES


def may_yet_be_found(put_by: datetime) -> bool:
    """Whether S3 may have an object that it does not find, if it was put at this time or before."""
    return now() - put_by < BUCKET_SETTLES


def missing(what: str, put_by: str) -> Unavailable | InternalError:
    """The error for what was put by this time, RFC 3339, and is not found: an outage at first, then a fault."""
    if may_yet_be_found(datetime.fromisoformat(put_by)):
        return Unavailable(f"{what} is not to be found yet.")
    return InternalError(f"{what} is missing.")
