"""The token of a task that waits for a job.

The token is a member of a command: a state machine of Step Functions, for example, waits until its task is
answered. The token does not change what the command does, so a repeated request may have another token, and the
last one counts. Whoever has a token could answer its task, so it is never shown.
"""

from __future__ import annotations

from typing import Any

from jobpipe.domain.errors import InvalidRequest

MEMBER = "task_token"
MAX_LENGTH = 2048
"""Characters: the most that Step Functions takes."""


def check_form(value: Any) -> str:
    """Return the token; raise InvalidRequest, which does not quote the value, if it cannot be a token."""
    # JSON may have half of a surrogate pair, which no service accepts.
    if (
        not isinstance(value, str)
        or not 1 <= len(value) <= MAX_LENGTH
        or any("\ud800" <= each <= "\udfff" for each in value)
    ):
        raise InvalidRequest(f"{MEMBER} must be a string of 1 to {MAX_LENGTH} characters.")
    return value
