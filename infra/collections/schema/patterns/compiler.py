"""Decides how a pattern is matched: by `re` where no text has many ways through it, or else by a table.

Python's engine tries one way after the other, so that its time is bounded by the ways in which the beginnings of
a text can be read. Where these are at most MOST_WAYS at each position, for every text, the engine is used. Every
other pattern becomes a deterministic automaton, which looks at each character once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from infra.collections.schema.patterns.automaton import Automaton
from infra.collections.schema.patterns.parser import parse
from infra.collections.schema.patterns.python_syntax import to_python
from infra.collections.schema.patterns.syntax import Choice, Part, PatternError, Repeat, Sequence, is_nullable

MOST_WAYS = 32
"""The most ways in which the beginning of a text can be read, in a pattern that Python's engine matches."""
MOST_STATES = 1000
MOST_CHARACTERS = 1000

ACCEPTED, REFUSED = -1, -2
"""Rows of a table that no further character changes."""


@dataclass(frozen=True)
class Table:
    """A deterministic automaton: the row after each row and group of characters."""

    starts: tuple[int, ...]
    """The first code point of each range of characters, sorted."""
    groups: tuple[int, ...]
    """The group of each range."""
    rows: tuple[tuple[int, ...], ...]
    """For each row the next one, by group; ACCEPTED or REFUSED where the rest of the text is irrelevant."""
    final: tuple[int, ...]
    """The rows in which a text that ends there matches."""


def compile_pattern(pattern: str) -> str | Table:
    """Return a pattern for `re.search`, or a table; raise PatternError for one that is refused."""
    if len(pattern) > MOST_CHARACTERS:
        raise PatternError(f"it has more than {MOST_CHARACTERS:,} characters")
    part = parse(pattern)
    automaton = Automaton(part)
    if not _repeats_nothing(part) and _has_few_ways(automaton):
        return to_python(part)
    return _table(automaton)


def _repeats_nothing(part: Part) -> bool:
    """Return whether a repetition's body can match without a character."""
    match part:
        case Sequence(parts) | Choice(parts):
            return any(map(_repeats_nothing, parts))
        case Repeat(body):
            return is_nullable(body) or _repeats_nothing(body)
        case _:
            return False


def _has_few_ways(automaton: Automaton) -> bool:
    """Return whether the engine has at most MOST_WAYS at each position, in one attempt and in a whole search."""
    return _few_from_one_start(automaton) and _few_in_a_search(automaton)


def _few_from_one_start(automaton: Automaton) -> bool:
    return _few(automaton, search=False)


def _few_in_a_search(automaton: Automaton) -> bool:
    return _few(automaton, search=True)


def _few(automaton: Automaton, *, search: bool) -> bool:
    """Go through all ways that any text leads to; a search begins anew at each character until it matches."""
    after = [automaton.next_nodes(group) for group in range(len(automaton.groups.samples))]
    ways_from = {
        node: automaton.ways(node, at_start=False) for node in {n for each in after for n in each.values()}
    }
    anew = automaton.ways(automaton.first, at_start=False) if search else Counter()
    first = automaton.ways(automaton.first, at_start=True)
    waiting, seen = [first], {frozenset(first.items())}
    while waiting:
        ways = waiting.pop()
        if ways.total() > MOST_WAYS or len(seen) > MOST_STATES:
            return False
        if search and automaton.accepting in ways:
            continue
        for next_node in after:
            following = Counter(anew)
            for node, number in ways.items():
                if node in next_node:
                    for step, times in ways_from[next_node[node]].items():
                        following[step] += number * times
            key = frozenset(following.items())
            if key not in seen:
                seen.add(key)
                waiting.append(following)
    return True


def _table(automaton: Automaton) -> Table:
    """Return the table of a search."""
    after = [automaton.next_nodes(group) for group in range(len(automaton.groups.samples))]
    anew = automaton.reachable(frozenset({automaton.first}), at_start=False)
    first = automaton.reachable(frozenset({automaton.first}), at_start=True)
    numbers = {first: 0}
    sets = [first]
    rows: list[tuple[int, ...]] = []
    if automaton.accepting in first:
        return Table((0,), (0,), ((ACCEPTED,),), (0,))
    for nodes in sets:  # grows while it is read
        row = []
        for next_node in after:
            reached = frozenset(next_node[node] for node in nodes if node in next_node)
            following = automaton.reachable(reached, at_start=False) | anew
            if automaton.accepting in following:
                row.append(ACCEPTED)
            elif not following:
                row.append(REFUSED)
            else:
                if following not in numbers:
                    numbers[following] = len(sets)
                    sets.append(following)
                row.append(numbers[following])
        rows.append(tuple(row))
        if len(sets) > MOST_STATES:
            raise PatternError(
                f"matching it takes a table of more than {MOST_STATES:,} rows; start it with ^, and let what is"
                " repeated exclude what follows, as in ^[^@]+@[^@]+$"
            )
    final = tuple(number for nodes, number in numbers.items() if -1 in nodes)
    return Table(tuple(automaton.groups.starts), tuple(automaton.groups.of_start), tuple(rows), final)
