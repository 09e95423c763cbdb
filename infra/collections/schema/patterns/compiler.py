"""Decides how a pattern is matched: by `re` where no text has many ways through it, or else by a table.

Python's engine tries one way after the other, so that its time is bounded by the ways in which the beginnings of
a text can be read. Where these are at most MOST_WAYS at each position, for every text, the engine is used. Every
other pattern becomes a deterministic automaton, which looks at each character once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache, partial

from infra.collections.schema.patterns.automaton import Automaton
from infra.collections.schema.patterns.parser import parse
from infra.collections.schema.patterns.python_syntax import to_python
from infra.collections.schema.patterns.syntax import Choice, Part, PatternError, Repeat, Sequence, is_nullable

MOST_WAYS = 32
"""The maximum number of ways to match the beginning of a text, for a pattern that Python's engine matches."""
MOST_SETS = 3000
"""The maximum number of sets of ways that are examined to find this out."""
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
    """Return a pattern for `re.search`, or a table; raise PatternError if the pattern is refused."""
    if len(pattern) > MOST_CHARACTERS:
        raise PatternError(f"it has more than {MOST_CHARACTERS:,} characters")
    part = parse(pattern)
    automaton = Automaton(part)
    if (
        not _repeats_nothing(part)
        and _has_few_ways(automaton, search=False)
        and _has_few_ways(automaton, search=True)
    ):
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


def _has_few_ways(automaton: Automaton, *, search: bool) -> bool:
    """Return whether no text leads to more than MOST_WAYS at once.

    Without `search`, from its start. With it, a further attempt begins at each character, until one can match:
    those that began before are at most MOST_WAYS, and each of them goes on in at most MOST_WAYS.
    """
    after = [automaton.next_nodes(group) for group in range(len(automaton.groups.samples))]
    ways_from = cache(partial(automaton.ways, at_start=False))
    anew = automaton.ways(automaton.first, at_start=False) if search else Counter()
    first = automaton.ways(automaton.first, at_start=True)
    waiting, seen = [first], {frozenset(first.items())}
    while waiting:
        ways = waiting.pop()
        if ways.total() > MOST_WAYS or len(seen) > MOST_SETS:
            return False
        if search and automaton.accepting in ways:
            continue
        for next_node in after:
            following = Counter(anew)
            for node, number in ways.items():
                if node in next_node:
                    for step, times in ways_from(next_node[node]).items():
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
                f"matching it takes a table of more than {MOST_STATES:,} rows; limit lengths by maxLength, start it"
                " with ^, and let what is repeated exclude what follows, as in ^[^@]+@[^@]+$"
            )
    final = tuple(number for nodes, number in numbers.items() if -1 in nodes)
    return Table(tuple(automaton.groups.starts), tuple(automaton.groups.of_start), tuple(rows), final)
