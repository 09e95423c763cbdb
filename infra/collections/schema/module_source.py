"""Collects the source of a compiled module: functions, constants and the helpers they use."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from infra.collections.schema import helpers
from infra.collections.schema.patterns.compiler import Table, compile_pattern
from infra.collections.schema.patterns.syntax import PatternError
from infra.collections.schema.reading import refuse, shown

_NO_IDENTIFIER = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 48
_HELPERS = (
    *(
        "Refused",
        "Enough",
        "run",
        "refuse",
        "passes",
        "visit",
        "why",
        "anything",
        "nothing",
        "is_number",
        "is_integer",
    ),
    *("exact", "is_multiple", "canonical", "repeated", "likely", "scan"),
)
_NEEDED = {
    "passes": ("refuse",),
    "refuse": ("Refused",),
    "visit": ("passes", "Refused"),
    "why": ("run",),
    "run": ("Enough",),
    "is_integer": ("is_number",),
    "canonical": ("exact",),
    "is_multiple": ("exact",),
    "repeated": ("canonical",),
    "likely": ("canonical",),
}
_IMPORTS = (
    ("import re", r"\bre\.compile"),
    ("from bisect import bisect_right", r"\bbisect_right\("),
    ("from decimal import Context, Decimal", r"\b(Context|Decimal)\b"),
    ("from hashlib import sha256", r"\bsha256\("),
    ("from json.encoder import encode_basestring", r"\bencode_basestring\("),
)
_CONSTANTS = (
    ("MOST = 20", r"\bMOST\b"),
    ("EXACT = Context(prec=1000)", r"\bEXACT\b"),
    ('REPORTED = "reported"', r"\bREPORTED\b"),
)
_LOCAL = r": (?:dict\[str, int\]|list\[str\]|str|bool)(?= =)"
_ANNOTATIONS = re.compile(
    rf": (?:Any|str|Check|Add)\b(?=[,)]| =)|(?<=\)) -> \w+(?=:$)"
    rf"|(?<=^    \w{{4}}){_LOCAL}|(?<=^    \w{{5}}){_LOCAL}",
    re.MULTILINE,
)
"""The annotations in helpers.py."""


class Body:
    """The lines of a function."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._indent = "    "

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append(self._indent + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Indent what is added within, below the head; without a head, nothing changes."""
        if not head:
            yield
            return
        self.line(head)
        self._indent += "    "
        yield
        self._indent = self._indent[:-4]


class ModuleSource:
    """The parts of a module that several schemas may share."""

    def __init__(self) -> None:
        self.functions: list[str] = []
        self.constants: list[str] = []
        self.tables: list[str] = []
        self._used: set[str] = set()
        self._names: set[str] = set()
        self._patterns: dict[str, str] = {}
        self._numbers: dict[Decimal, str] = {}

    def use(self, helper: str) -> str:
        """Copy a helper, and the helpers it needs, into the module; return its name."""
        self._used.add(helper)
        for each in _NEEDED.get(helper, ()):
            if each not in self._used:
                self.use(each)
        return helper

    def new_name(self, words: str) -> str:
        """Return a name that the module does not have yet."""
        base = "_" + (_NO_IDENTIFIER.sub("_", words.lower()).strip("_")[:_LONGEST_NAME].strip("_") or "value")
        name, number = base, 1
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        return name

    def number(self, value: int | Decimal) -> str:
        """Return an expression for a number."""
        if isinstance(value, int):
            return repr(value)
        if value not in self._numbers:
            self._numbers[value] = self.new_name("number")
            self.constants.append(f'{self._numbers[value]} = Decimal("{value}")')
        return self._numbers[value]

    def table(self, words: str, expression: str) -> str:
        """Define a constant after the functions, to which it may refer; return its name."""
        name = self.new_name(words)
        self.tables.append(f"{name} = {expression}")
        return name

    def matches(self, pattern: str, value: str, place: str, pointer: str) -> str:
        """Return an expression that is true if the pattern matches the value; refuse unsupported patterns."""
        if pattern not in self._patterns:
            try:
                compiled = compile_pattern(pattern)
            except PatternError as error:
                refuse(place, pointer, f"the pattern {shown(pattern)!r} is refused: {error}")
            name = self.new_name("pattern")
            self.constants.append(f"# {pattern!a}"[:110])
            if isinstance(compiled, Table):
                self.use("scan")
                self.constants.append(f"{name} = {_table(compiled)}")
                self._patterns[pattern] = f"scan({name}, {{}})"
            else:
                self.constants.append(f"{name} = re.compile({compiled!a})")
                self._patterns[pattern] = f"{name}.search({{}})"
        return self._patterns[pattern].format(value)

    def text(self, title: str) -> str:
        """Return the source of the module."""
        copied = [_source(each) for each in _HELPERS if each in self._used]
        parts = ["\n".join(self.constants)] if self.constants else []
        parts += [*copied, *self.functions]
        parts += ["\n".join(self.tables)] if self.tables else []
        code = "\n\n\n".join(parts) + "\n"
        heads = [
            "\n".join(line for line, used in _IMPORTS if re.search(used, code + _constants(code))),
            _constants(code),
        ]
        return "\n\n".join([f'"""{title}"""', *filter(None, heads), code])


def _constants(code: str) -> str:
    return "\n".join(line for line, used in _CONSTANTS if re.search(used, code))


def _source(helper: str) -> str:
    return _ANNOTATIONS.sub("", inspect.getsource(getattr(helpers, helper))).rstrip()


def _table(table: Table) -> str:
    starts = "".join(map(chr, table.starts))
    return f"({starts!a}, {table.groups!r}, {table.rows!r}, {table.final!r})"
