"""Build the console: one static page with its style and script in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from ..http.security_headers import security_headers

_FOLDER = Path(__file__).parent
_SCRIPTS = (
    "json_text",
    "page",
    "api",
    "collections",
    "form_fields",
    "form_groups",
    "jobs",
    "jobs_view",
    "job_view",
    "item_form",
    "document_form",
    "send_view",
    "items_view",
    "batches_view",
    "hooks_view",
    "hook_view",
    "told_view",
    "stats",
    "main",
)
"""In the order of execution: top-level code may use only what an earlier script defines."""

_COMMENT_LINES = re.compile(r"^ *//.*\n", re.MULTILINE)
_INDENTATION = re.compile(r"^ +", re.MULTILINE)


@cache
def page() -> str:
    """Return the page, which is the same for everybody."""
    html = _INDENTATION.sub("", _read("page.html"))
    return html.replace("{{style}}", _read("style.css")).replace("{{script}}", _script())


@cache
def headers() -> dict[str, str]:
    """Return the security headers of the page."""
    return security_headers(style=_read("style.css"), script=_script())


def _script() -> str:
    # Comments and indentation are for readers of the checkout: they are a tenth of the page.
    parts = "\n".join(_INDENTATION.sub("", _COMMENT_LINES.sub("", _read(f"{name}.js"))) for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
