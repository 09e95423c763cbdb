"""Entity tags and If-Match (RFC 9110, sections 8.8.3 and 13.1.1)."""

from __future__ import annotations

import re
from typing import Any

from jobpipe.domain.errors import InvalidRequest

MAX_IF_MATCH_LENGTH = 1024

_TAG = r'(?:W/)?"[\x21\x23-\x7e]*"'
IF_MATCH = re.compile(rf"\*|{_TAG}(?:[ \t]*,[ \t]*{_TAG})*")
_ONE_TAG = re.compile(_TAG)


def etag(version: str) -> str:
    """Return the strong entity tag of an item's version."""
    return f'"{version}"'


def check_if_match(value: Any) -> str | None:
    """Return the If-Match value or None; raise InvalidRequest if it is not valid."""
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MAX_IF_MATCH_LENGTH or not IF_MATCH.fullmatch(value):
        raise InvalidRequest(
            f'If-Match must be * or a list of quoted entity tags such as "a1b2", '
            f"{MAX_IF_MATCH_LENGTH} characters at most."
        )
    return value


def matches(if_match: str | None, version: str) -> bool:
    """Return whether an item in this version meets the precondition, by strong comparison: W/ never matches."""
    return if_match is None or if_match == "*" or etag(version) in _ONE_TAG.findall(if_match)
