"""The token of a task that waits for a job.

It is a member of a command: a state machine of Step Functions, for example, waits until somebody answers its token.
It is no part of what the command does, so a repeated request may have another one, and the last one given counts.
Whoever has a token could answer its task, so it is never shown.
"""

from __future__ import annotations

from typing import Any

from jobpipe.domain.errors import InvalidRequest

MEMBER = "task_token"
MAX_LENGTH = 2048
"""Characters: the most that Step Functions takes."""


def check_form(value: Any) -> str:
    """Return the token; raise InvalidRequest, which does not repeat the value, if it cannot be one."""
    # JSON may have one half of a character, which no service takes.
    if (
        not isinstance(value, str)
        or not 1 <= len(value) <= MAX_LENGTH
        or any("\ud800" <= each <= "\udfff" for each in value)
    ):
        raise InvalidRequest(f"{MEMBER} must be a string of 1 to {MAX_LENGTH} characters.")
    return value
