"""Patterns: what they match, and that the steps for a text grow with its length alone."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infra.collections.schema import helpers
from infra.collections.schema.patterns.automaton import Automaton
from infra.collections.schema.patterns.compiler import MOST_WAYS, Table, compile_pattern
from infra.collections.schema.patterns.parser import parse
from infra.collections.schema.patterns.syntax import PatternError
from tests.collections.schema.compiled import checker


def as_table(compiled: Table) -> Any:
    return "".join(map(chr, compiled.starts)), compiled.groups, compiled.rows, compiled.final


def matcher(pattern: str) -> Callable[[str], bool]:
    compiled = compile_pattern(pattern)
    if isinstance(compiled, Table):
        return lambda text: bool(helpers.scan(as_table(compiled), text))
    return lambda text: re.search(compiled, text) is not None


ENGINE = [
    *("^[A-Z]{2}-\\d{4}$", "^(open|opened|closed)$", "^[a-z]+(-[a-z]+)*$", "^[^@]+@[^@.]+(\\.[^@.]+)+$"),
    *("^.*bar$", "foo", "a*", "[0-9]{2,}", "^\\p{Letter}+$", "\\d{3}-\\d{4}", "^.{0,255}$", "^[a-z]*[0-9]*$"),
    *("(?<year>\\d{4})", "^(?:a|b)?$", "^$", "^a", "^x{3}$"),
]
TABLES = [
    "f.*o",
    "^.+@.+\\..+$",
    "^(a+)+$",
    "(a|a)*b",
    "^(a?)*$",
    "a+$",
    "^(a*)*b$",
    "(x+x+)+y",
    "^(\\w+\\s?)+$",
    "[a-z]+$",
    "x(a*a*b)?",
]


@pytest.mark.parametrize("pattern", ENGINE)
def test_an_ordinary_pattern_is_matched_by_the_engine(pattern: str) -> None:
    assert isinstance(compile_pattern(pattern), str)


@pytest.mark.parametrize("pattern", TABLES)
def test_a_pattern_with_many_ways_becomes_a_table(pattern: str) -> None:
    assert isinstance(compile_pattern(pattern), Table)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("^a$", "a\n", False),  # Python's $ would match
        ("^\\d$", "\u0663", False),  # a digit of Unicode, but not of ECMA-262
        ("^\\w$", "é", False),
        ("^\\s$", "\ufeff", True),
        ("^\\s$", "\x1c", False),  # a space for Python only
        ("^.$", "\u2028", False),
        ("^.$", "\U0001f600", True),
        ("^\\ud83d\\ude00$", "\U0001f600", True),
        ("^\\u{1F600}$", "\U0001f600", True),
        ("^[\\]\\-^]+$", "]-^", True),
        ("^[^\\d]$", "5", False),
        ("^[]$", "a", False),
        ("^[^]$", "\n", True),
        ("^\\cJ$", "\n", True),
        ("^\\x41\\0$", "A\0", True),
        ("^\\/\\.\\-$", "/.-", True),
        ("^a|b$", "xb", True),
        ("^a|b$", "bx", False),
        ("^\\P{L}$", "1", True),
        ("^\\p{Lu}\\p{gc=Ll}$", "Éé", True),
        ("f.*o", "xx f--o", True),
        ("f.*o", "f\no", False),
        ("^(a+)+$", "aaaab", False),
        ("^(a?){2}$", "aa", True),
        ("a{2}?b+?", "aab", True),
        ("", "anything", True),
        ("x|", "anything", True),
    ],
)
def test_what_a_pattern_matches(pattern: str, text: str, matches: bool) -> None:
    assert matcher(pattern)(text) is matches
    assert (checker({"pattern": pattern})(text) == []) is matches


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("^(?=a)", "looks ahead"),
        ("(?<!a)b", "looks ahead or behind"),
        ("^(a)\\1$", "refers back"),
        ("(?<n>a)\\k<n>", "refers back"),
        ("\\bword\\b", "\\b is not supported"),
        ("(?i)a", "unknown (?"),
        ("a++", "nothing that + could repeat"),
        ("^*", "repeats ^ or $"),
        ("a{2,1}", "at least 2 and at most 1"),
        ("{", "write \\{"),
        ("a]", "write \\]"),
        ("(a", "without its )"),
        ("a)", "without its ("),
        ("[a", "without its ]"),
        ("[z-a]", "no order"),
        ("[\\d-z]", "no order"),
        ("\\y", "no escape"),
        ("a\\", "no escape"),
        ("\\p{Script=Greek}", "only general categories"),
        ("\\u12", "four hexadecimal digits"),
        ("^.{1,20000}$", "limit lengths by maxLength"),
        ("^(.{0,99}){0,999}$", "limit lengths by maxLength"),
        ("[ab]*a[ab]{20}$", "more than 1,000 rows"),
        ("(" * 60 + ")" * 60, "nested"),
        ("a" * 1001, "more than 1,000 characters"),
    ],
)
def test_a_pattern_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(PatternError, match=re.escape(reason)):
        compile_pattern(pattern)


# Patterns over a small alphabet, so that ambiguity is frequent.
ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "\\w", "^", "$"])


def extended(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    counts = st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}"])
    grouped = inner.map(lambda each: f"(?:{each})")
    return st.one_of(
        st.tuples(grouped, counts).map("".join),
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda each: f"(?:{'|'.join(each)})"),
    )


PATTERNS = st.recursive(ATOMS, extended, max_leaves=8)
TEXTS = st.text("abc\n", max_size=12)


@given(PATTERNS, TEXTS)
def test_a_compiled_pattern_matches_what_re_matches(pattern: str, text: str) -> None:
    try:
        matches = matcher(pattern)
    except PatternError:
        assert len(pattern) > 15  # its table is too large
        return
    assert matches(text) is (re.search(pattern.replace("$", "\\Z"), text, re.ASCII) is not None)


@given(
    PATTERNS, st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3), st.text("abc\n", max_size=2)
)
def test_steps_grow_with_the_text(pattern: str, parts: list[str], end: str) -> None:
    """The characters that a backtracking search takes are counted on texts that repeat their parts."""
    try:
        compiled = compile_pattern(pattern)
    except PatternError:
        return
    if isinstance(compiled, Table):
        return
    short, long = (steps(pattern, "".join(part * times for part in parts) + end) for times in (16, 64))
    assert long <= 6 * short + 4 * MOST_WAYS**2, "four times the text takes four times the steps"


def test_the_count_of_steps_sees_a_pattern_that_backtracks() -> None:
    assert steps("(?:a|a)*b", "a" * 8) > 2 * MOST_WAYS * 9
    short, long = (steps("f.*o", "f" * length) for length in (200, 800))
    assert long > 6 * short + 4 * MOST_WAYS**2


def steps(pattern: str, text: str, most: int = 1_000_000) -> int:
    """Return how many characters a search by trying one way after the other takes, in all of its attempts."""
    automaton = Automaton(parse(pattern))
    taken = 0
    for start in range(len(text) + 1):
        waiting = [(automaton.first, start)]
        while waiting:
            node, here = waiting.pop()
            if node == automaton.accepting:
                return taken
            if node in automaton.consumes:
                ranges, after = automaton.consumes[node]
                if here < len(text) and any(low <= ord(text[here]) <= high for low, high in ranges):
                    taken += 1
                    assert taken < most
                    waiting.append((after, here + 1))
            elif not (node in automaton.starts and here > 0) and not (node in automaton.ends and here < len(text)):
                waiting.extend((edge, here) for edge in reversed(automaton.edges[node]))
    return taken


@pytest.mark.parametrize("pattern", [*ENGINE, *TABLES])
def test_hostile_texts_take_calls_in_proportion_to_their_length(pattern: str) -> None:
    """A table looks at each character once: the lines that Python runs are counted, not the time."""
    compiled = compile_pattern(pattern)
    if not isinstance(compiled, Table):
        for unit in ("a", "1", "f", "@", "a.", "x", "a-", "a ", "@."):
            text = unit * 500 + "\n"
            assert steps(pattern, text) <= 2 * MOST_WAYS * (len(text) + 1)
        return
    lines = 0

    def trace(frame: Any, event: str, arg: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    for unit in ("a", "f", "@", "a.", "x", "a "):
        text, lines = unit * 2000 + "\n", 0
        sys.settrace(trace)
        try:
            helpers.scan(as_table(compiled), text)
        finally:
            sys.settrace(None)
        assert lines <= 4 * len(text) + 10


TIMES, LENGTH = 16, 2000


def least_time(regex: re.Pattern[str], text: str) -> float:
    found = []
    for _ in range(3):
        start = time.thread_time()
        regex.search(text)
        found.append(time.thread_time() - start)
    return min(found)


@settings(max_examples=60)
@given(PATTERNS, st.text("abc", min_size=1, max_size=4))
@example("^[a-z]+(-[a-z]+)*$", "a-a")
@example("^[^@]+@[^@.]+(\\.[^@.]+)+$", "a@a.")
@example("\\d{3}-\\d{4}", "111-111")
def test_the_engine_takes_time_in_proportion_to_the_text(pattern: str, part: str) -> None:
    """A text of 16 times the length takes about 16 times as long; if it were squared, 256 times."""
    try:
        compiled = compile_pattern(pattern)
    except PatternError:
        return
    if isinstance(compiled, str):
        regex = re.compile(compiled)
        short = least_time(regex, part * LENGTH + "\n")
        assert least_time(regex, part * LENGTH * TIMES + "\n") <= 5 * TIMES * max(short, 20e-6)


def test_the_ratio_of_times_sees_a_pattern_that_backtracks() -> None:
    regex = re.compile("f.*o")
    short, long = (least_time(regex, "f" * 500 * times) for times in (1, TIMES))
    assert long > 5 * TIMES * short


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("()[]{}|*+?^$\\.-,:<>=!pudwsbkcx01"), max_size=20))
def test_any_text_is_a_pattern_or_refused(pattern: str) -> None:
    try:
        matches = matcher(pattern)
    except PatternError:
        return
    assert matches(pattern) in (True, False)
