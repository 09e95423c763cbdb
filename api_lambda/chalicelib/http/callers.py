"""Who an API key stands for.

A key is the name of its owner and 32 hex digits of secret. The gateway has checked that the key exists before this
Lambda sees it, so the name in front can be trusted, a new key of the same owner is the same caller, and no table of
keys has to be asked. What would not match the form, such as two keys in one header, is never another owner's.
"""

from __future__ import annotations

import hashlib
import re

from jobpipe.domain.errors import Forbidden

_KEY = re.compile(r"([a-z][a-z0-9]{0,62})[0-9a-f]{32}")


def owner_of(api_key: str) -> str:
    """The owner; of a key that was made by hand in another form, the key stands for itself alone."""
    if not api_key:
        raise Forbidden("A valid API key is needed in the x-api-key header.")
    match = _KEY.fullmatch(api_key)
    # A digest, because jobs are stored with their owner and keys must not be. No owner's name has a hyphen.
    return match[1] if match else f"key-{hashlib.sha256(api_key.encode()).hexdigest()[:32]}"
