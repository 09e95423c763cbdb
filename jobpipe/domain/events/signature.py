"""The headers of a delivery, which prove to the receiver who sent it: Standard Webhooks 1.0."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from jobpipe.domain.events.webhook import secret_bytes


def signed_headers(event_id: str, body: str, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """Return the id, the time in seconds since 1970, and one signature for each secret."""
    timestamp = str(int(at.timestamp()))
    content = f"{event_id}.{timestamp}.{body}".encode()
    signatures = [hmac.digest(secret_bytes(secret), content, sha256) for secret in secrets]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(each).decode()}" for each in signatures),
    }
