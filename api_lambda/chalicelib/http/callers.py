"""Find the owner of an API key.

A key is its owner's name and 32 hex digits of secret. The gateway has checked that the key exists, so the Lambda
trusts the name and needs no table of keys. A new key of the same owner is the same caller. Text in another form,
such as two keys in one header, never stands for a named owner.
"""

from __future__ import annotations

import hashlib
import re

from jobpipe.domain.errors import Forbidden

_KEY = re.compile(r"([a-z][a-z0-9]{0,62})[0-9a-f]{32}")


def owner_of(api_key: str) -> str:
    """Return the owner's name, or one made from a key in another form; raise Forbidden if there is no key."""
    if not api_key:
        raise Forbidden("The x-api-key header must have a valid API key.")
    match = _KEY.fullmatch(api_key)
    # Jobs are stored with their owner, and keys must not be stored: hence the digest. No owner's name has a hyphen.
    return match[1] if match else f"key-{hashlib.sha256(api_key.encode()).hexdigest()[:32]}"
