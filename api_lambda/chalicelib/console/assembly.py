"""Assemble the console from its parts: the page, its style and its scripts."""

from __future__ import annotations

import re
from pathlib import Path

from rjsmin import jsmin

_FOLDER = Path(__file__).parent
_PART = re.compile(r"\{\{([a-z_]+\.(?:css|js))\}\}")
_INDENTATION = re.compile(r"^ +", re.MULTILINE)


def assemble() -> str:
    """Return page.html with the files in it that it names, as it is served.

    Comments and white space, an eighth of the page, are for readers of the checkout and are left out. Raise
    FileNotFoundError if the page names a file that does not exist.
    """
    return _PART.sub(lambda part: _read(part[1]), _read("page.html"))


def _read(name: str) -> str:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    if name.endswith(".js"):
        return f"{jsmin(text)}\n"
    return text if name.endswith(".css") else _INDENTATION.sub("", text)
