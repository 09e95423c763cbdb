"""Errors for objects that were put into the documents bucket and are not found: not visible yet, or lost."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from jobpipe.domain.clock import now
from jobpipe.domain.errors import InternalError, Unavailable
from jobpipe.domain.limits import BUCKET_SETTLES


def may_become_visible(put_by: datetime) -> bool:
    """Return whether S3 may still find an object that was put by this time and is not found now."""
    return now() - put_by < BUCKET_SETTLES


def missing_object_error(what: str, put_by: str) -> Unavailable | InternalError:
    """Return the error for an object that was put by this time (RFC 3339): first an outage, later a fault.

    In a malformed row the text may not be a time; then it is a fault.
    """
    with suppress(ValueError, TypeError):
        if may_become_visible(datetime.fromisoformat(put_by)):
            return Unavailable(f"{what} is not visible yet.")
    return InternalError(f"{what} is missing.")
