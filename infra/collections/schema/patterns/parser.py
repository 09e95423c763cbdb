"""Parses the regular expressions of ECMA-262 in Unicode mode, as far as they are regular."""

from __future__ import annotations

import re

from infra.collections.schema.patterns import char_sets
from infra.collections.schema.patterns.char_sets import Ranges
from infra.collections.schema.patterns.syntax import Chars, Choice, End, Part, PatternError, Repeat, Sequence, Start

_CONTROLS = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D}
_COUNT = re.compile(r"\{([0-9]+)(?:(,)([0-9]*))?\}")
_GROUP_NAME = re.compile(r"<[A-Za-z_$][\w$]*>")
_PROPERTY = re.compile(r"\{(?:(?:General_Category|gc)=)?([A-Za-z_]+)\}")
_MOST_NESTED = 50
_HIGH, _LOW = range(0xD800, 0xDC00), range(0xDC00, 0xE000)


def parse(pattern: str) -> Part:
    """Return the parts of the pattern, or raise PatternError."""
    parser = _Parser(pattern)
    part = parser.choice(0)
    if parser.here < len(pattern):
        raise PatternError("it has a ) without its (; write \\) for the character")
    return part


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.here = 0

    def peek(self) -> str:
        return self.pattern[self.here : self.here + 1]

    def take(self, text: str) -> bool:
        if not self.pattern.startswith(text, self.here):
            return False
        self.here += len(text)
        return True

    def match(self, regex: re.Pattern[str]) -> re.Match[str] | None:
        found = regex.match(self.pattern, self.here)
        if found:
            self.here = found.end()
        return found

    def choice(self, depth: int) -> Part:
        if depth > _MOST_NESTED:
            raise PatternError(f"its groups are nested more than {_MOST_NESTED} deep")
        parts = [self.sequence(depth)]
        while self.take("|"):
            parts.append(self.sequence(depth))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def sequence(self, depth: int) -> Part:
        parts: list[Part] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated(self.atom(depth)))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def repeated(self, part: Part) -> Part:
        if self.take("*"):
            least, most = 0, None
        elif self.take("+"):
            least, most = 1, None
        elif self.take("?"):
            least, most = 0, 1
        elif count := self.match(_COUNT):
            least = int(count[1][:9])
            most = least if not count[2] else int(count[3][:9]) if count[3] else None
        else:
            return part
        if isinstance(part, Start | End):
            raise PatternError("it repeats ^ or $")
        if most is not None and most < least:
            raise PatternError(f"a repetition has at least {least} and at most {most}")
        self.take("?")  # a lazy repetition matches the same texts
        return Repeat(part, least, most)

    def atom(self, depth: int) -> Part:  # noqa: PLR0911
        character = self.pattern[self.here]
        self.here += 1
        match character:
            case "^":
                return Start()
            case "$":
                return End()
            case ".":
                return Chars(char_sets.NO_LINE_END)
            case "(":
                return self.group(depth)
            case "[":
                return Chars(self.char_class())
            case "\\":
                return Chars(self.escape(in_class=False))
            case "*" | "+" | "?":
                raise PatternError(f"there is nothing that {character} could repeat; write \\{character}")
            case "{" | "}" | "]":
                raise PatternError(f"a {character} stands alone; write \\{character} for the character")
        return Chars(char_sets.one(ord(character)))

    def group(self, depth: int) -> Part:
        if any(self.take(each) for each in ("?=", "?!", "?<=", "?<!")):
            raise PatternError(
                "it looks ahead or behind, which is not supported; write a second pattern in allOf, or use not"
            )
        if not self.take("?:") and self.take("?") and not self.match(_GROUP_NAME):
            raise PatternError("a group starts with an unknown (?; write (?: for a group")
        part = self.choice(depth + 1)
        if not self.take(")"):
            raise PatternError("it has a ( without its ); write \\( for the character")
        return Sequence((part,)) if isinstance(part, Start | End) else part

    def char_class(self) -> Ranges:
        negated = self.take("^")
        found: list[tuple[int, int]] = []
        while not self.take("]"):
            low = self.class_member()
            if self.peek() == "-" and self.pattern[self.here + 1 : self.here + 2] not in ("]", ""):
                self.here += 1
                high = self.class_member()
                if not (_is_one(low) and _is_one(high)) or low[0][0] > high[0][0]:
                    raise PatternError("a range in [ ] has no order; write \\- for the character")
                found.append((low[0][0], high[0][0]))
            else:
                found.extend(low)
        ranges = char_sets.union(found)
        return char_sets.complement(ranges) if negated else ranges

    def class_member(self) -> Ranges:
        character = self.peek()
        if not character:
            raise PatternError("it has a [ without its ]; write \\[ for the character")
        self.here += 1
        return self.escape(in_class=True) if character == "\\" else char_sets.one(ord(character))

    def escape(self, *, in_class: bool) -> Ranges:  # noqa: C901, PLR0911
        letter = self.peek()
        self.here += 1
        if letter in char_sets.CLASSES and letter:
            return char_sets.CLASSES[letter]
        if letter in ("p", "P") and letter:
            return self.property(negated=letter == "P")
        if letter in _CONTROLS:
            return char_sets.one(_CONTROLS[letter])
        if letter == "0" and not self.peek().isdigit():
            return char_sets.one(0)
        if letter == "b" and in_class:
            return char_sets.one(0x08)
        if letter == "c" and (control := self.match(re.compile("[A-Za-z]"))):
            return char_sets.one(ord(control[0]) % 32)
        if letter == "x" and (digits := self.match(re.compile("[0-9A-Fa-f]{2}"))):
            return char_sets.one(int(digits[0], 16))
        if letter == "u":
            return char_sets.one(self.unicode_escape())
        if letter.isdigit() or letter == "k":
            raise PatternError("it refers back to a group, which is not supported")
        if letter in ("b", "B"):
            raise PatternError(f"\\{letter} is not supported; write what may stand beside the word")
        if not letter or letter.isalpha():
            raise PatternError(f"\\{letter} is no escape of ECMA-262")
        return char_sets.one(ord(letter))

    def property(self, *, negated: bool) -> Ranges:
        name = self.match(_PROPERTY)
        ranges = char_sets.category(name[1]) if name else None
        if ranges is None:
            raise PatternError("of \\p{...} only general categories are supported, such as \\p{L} or \\p{Letter}")
        return char_sets.complement(ranges) if negated else ranges

    def unicode_escape(self) -> int:
        if braced := self.match(re.compile(r"\{([0-9A-Fa-f]{1,8})\}")):
            code = int(braced[1], 16)
            if code <= char_sets.LAST:
                return code
        elif digits := self.match(re.compile("[0-9A-Fa-f]{4}")):
            code = int(digits[0], 16)
            low = re.compile(r"\\u([0-9A-Fa-f]{4})").match(self.pattern, self.here)
            if code in _HIGH and low and int(low[1], 16) in _LOW:
                self.here = low.end()
                return 0x10000 + (code - _HIGH.start) * 0x400 + int(low[1], 16) - _LOW.start
            return code
        raise PatternError("a \\u is not followed by four hexadecimal digits")


def _is_one(ranges: Ranges) -> bool:
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]
