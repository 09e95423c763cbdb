"""API keys: the name of their owner, then 32 hex digits that cannot be guessed.

The API Lambda reads the owner off the key that the gateway has checked (api_lambda/chalicelib/callers.py), so that
all keys of one owner are one caller, and no table of keys is needed.
"""

import secrets

FIRST_OWNER = "operator"  # whose key a deployment makes


def new_api_key(owner: str) -> str:
    """A key of an owner, whose name is of lower-case letters and digits, a letter first."""
    return f"{owner}{secrets.token_hex(16)}"
