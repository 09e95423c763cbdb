"""Serve the console, a static page that contains its style and its script."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ..http.security_headers import security_headers


@cache
def page() -> str:
    """Return the page, which is the same for everybody."""
    packaged = Path(__file__).with_name("assembled.html")  # infra/packaging/package.py assembles it
    if packaged.exists():
        return packaged.read_text(encoding="utf-8")
    from .assembly import assemble  # noqa: PLC0415  # only in a checkout: the Lambda contains the page

    return assemble()


@cache
def headers() -> dict[str, str]:
    """Return the security headers of the page."""
    return security_headers(style=_inside("style"), script=_inside("script"))


def _inside(tag: str) -> str:
    return page().partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
