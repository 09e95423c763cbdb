"""Assemble the console from its parts: the page, its style and its scripts."""

from __future__ import annotations

import re
from pathlib import Path

from rjsmin import jsmin

_FOLDER = Path(__file__).parent
_PART = re.compile(r"\{\{([a-z_]+\.(?:css|js))\}\}")
_COMMENT = re.compile(r"(^| +)//.*$", re.MULTILINE)
_HTML_COMMENT = re.compile(r"<!-- .*? -->\n")
_PLAIN_TEXT = re.compile(r'"[^"\\\n]*"|`[^`\\$\n]*`')
_ASIDE = re.compile(r"__aside(\d+)__")
_INDENTATION = re.compile(r"^ +|(?<=>)\n *(?=<)", re.MULTILINE)


def assemble() -> str:
    """Return page.html with the files in it that it names, as it is served.

    Comments and white space, an eighth of the page, are for readers of the checkout and are left out. Raise
    FileNotFoundError if the page names a file that does not exist.
    """
    return _PART.sub(lambda part: _read(part[1]), _read("page.html"))


def _read(name: str) -> str:
    text = (_FOLDER / name).read_text(encoding="utf-8")
    if name.endswith(".js"):
        return f"{_minified(text)}\n"
    return text.replace("\n", "") if name.endswith(".css") else _INDENTATION.sub("", _HTML_COMMENT.sub("", text))


def _minified(script: str) -> str:
    """Return the script without comments and white space.

    rjsmin 1.3.0 does not know each place in which a slash begins a regular expression, nor that a template may
    contain another one. So lines with a slash beside texts, or with several templates, keep their white space.
    """
    aside: list[str] = []

    def put_aside(line: str) -> str:
        if "/" not in _PLAIN_TEXT.sub("", line) and line.count("`") <= 2:  # noqa: PLR2004
            return line
        aside.append(line.strip())
        return f"__aside{len(aside) - 1}__"

    rest = jsmin("\n".join(map(put_aside, _COMMENT.sub("", script).splitlines())))
    return _ASIDE.sub(lambda mark: aside[int(mark[1])], rest)
