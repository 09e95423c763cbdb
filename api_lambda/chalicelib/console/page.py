"""The console as one static page: style and script are in it, allowed by their hashes; nothing comes in beside."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_SCRIPTS = (
    "json_text",
    "page",
    "api",
    "jobs",
    "jobs_view",
    "job_view",
    "send_view",
    "items_view",
    "batches_view",
    "stats",
    "main",
)
"""In their order: what runs when the page is read may use only what stands before it."""


@cache
def page() -> str:
    """The page, the same for everybody."""
    return _read("page.html").replace("{{style}}", _style()).replace("{{script}}", _script())


@cache
def security_headers() -> dict[str, str]:
    """What keeps the page to itself: it runs its own script and asks this API, and can do nothing else."""
    policy = (
        "default-src 'none'",
        f"script-src '{_hash(_script())}'",
        f"style-src '{_hash(_style())}'",
        "img-src data:",  # its icon
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {"Content-Security-Policy": "; ".join(policy), "Referrer-Policy": "no-referrer"}


@cache
def _style() -> str:
    return _read("style.css")


@cache
def _script() -> str:
    parts = "\n".join(_read(f"{name}.js") for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
