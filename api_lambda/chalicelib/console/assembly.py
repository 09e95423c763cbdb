"""Assemble the console from its parts: the page, its style and its scripts."""

from __future__ import annotations

import re
from pathlib import Path

import minify_html

_FOLDER = Path(__file__).parent
_PART = re.compile(r"\{\{([a-z_]+\.(?:css|js))\}\}")
_COMMENT = re.compile(r"(^| +)//.*$", re.MULTILINE)  # minify-html 0.18.1 keeps some
_MARK = "/* @__PURE__ */ "  # minify-html adds it for other programs


def assemble() -> str:
    """Return page.html with the files that it names inserted, as it is served.

    Comments and white space, a quarter of the page, are left out. Raise FileNotFoundError if the page names a file
    that does not exist.
    """
    page = _PART.sub(lambda part: _read(part[1]), _read("page.html"))
    minified = minify_html.minify(
        page, minify_js=True, minify_css=True, keep_closing_tags=True, keep_html_and_head_opening_tags=True
    )
    return minified.replace(_MARK, "")


def _read(name: str) -> str:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    return _COMMENT.sub("", text) if name.endswith(".js") else text
