"""Headers that restrict what an HTML page may do."""

from __future__ import annotations

import base64
import hashlib


def security_headers(*, style: str, script: str | None = None) -> dict[str, str]:
    """Return headers that let a page use only this style and script. With a script, it may also call this API."""
    policy = ["default-src 'none'", f"style-src '{_hash(style)}'", "base-uri 'none'", "form-action 'none'"]
    policy.append("frame-ancestors 'none'")
    if script is not None:
        policy += [f"script-src '{_hash(script)}'", "img-src data:", "connect-src 'self'"]
    return {"Content-Security-Policy": "; ".join(policy), "Referrer-Policy": "no-referrer"}


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
