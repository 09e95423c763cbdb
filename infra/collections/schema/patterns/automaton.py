"""A pattern as a nondeterministic automaton, in the order in which a backtracking engine would try paths."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter

from infra.collections.schema.patterns.char_sets import LAST, Ranges
from infra.collections.schema.patterns.syntax import Chars, Choice, End, Part, PatternError, Repeat, Sequence, Start

_MOST_NODES = 10_000


class Automaton:
    """Nodes are numbers; a node has edges without a character, or one set of characters and one next node."""

    def __init__(self, part: Part) -> None:
        self.edges: list[list[int]] = []
        self.consumes: dict[int, tuple[Ranges, int]] = {}
        self.starts: set[int] = set()
        self.ends: set[int] = set()
        self.accepting = self._node()
        self.first = self._build(part, self.accepting)
        self.groups = _groups({ranges for ranges, _ in self.consumes.values()})

    def _node(self, *edges: int) -> int:
        if len(self.edges) >= _MOST_NODES:
            raise PatternError("its repetitions multiply to thousands of characters; limit lengths by maxLength")
        self.edges.append(list(edges))
        return len(self.edges) - 1

    def _build(self, part: Part, following: int) -> int:
        """Add nodes for the part, which `following` follows, and return the first."""
        match part:
            case Chars(ranges):
                node = self._node()
                self.consumes[node] = (ranges, following)
                return node
            case Sequence(parts):
                for each in reversed(parts):
                    following = self._build(each, following)
                return following
            case Choice(parts):
                return self._node(*[self._build(each, following) for each in parts])
            case Start() | End():
                node = self._node(following)
                (self.starts if isinstance(part, Start) else self.ends).add(node)
                return node
            case Repeat(body, least, most):
                return self._build_repeat(body, least, most, following)

    def _build_repeat(self, body: Part, least: int, most: int | None, following: int) -> int:
        if most is None:
            after = self._node()
            self.edges[after] = [self._build(body, after), following]
        else:
            after = following
            for _ in range(most - least):  # x{0,2} is (x(x)?)?
                after = self._node(self._build(body, after), following)
        for _ in range(least):
            after = self._build(body, after)
        return after

    def ways(self, node: int, *, at_start: bool) -> Counter[int]:
        """Return the nodes that can take the next character, with the number of ways that lead there.

        A match is the accepting node, and at the end of the text -1. No repetition has a nullable body.
        """
        found: dict[tuple[int, bool], Counter[int]] = {}
        waiting = [(node, False)]
        while waiting:
            here, ended = waiting[-1]
            steps = self._steps(here, ended) if at_start or here not in self.starts else []
            missing = [step for step in steps if step not in found]
            if missing:
                waiting.extend(missing)
                continue
            waiting.pop()
            ways: Counter[int] = Counter()
            if here in self.consumes and not ended:
                ways[here] = 1
            elif here == self.accepting:
                ways[-1 if ended else here] = 1
            for step in steps:
                ways.update(found[step])
            found[(here, ended)] = ways
        return found[(node, False)]

    def _steps(self, node: int, ended: bool) -> list[tuple[int, bool]]:
        return [(edge, ended or node in self.ends) for edge in self.edges[node]]

    def reachable(self, nodes: frozenset[int], *, at_start: bool) -> frozenset[int]:
        """Like `ways` for several nodes, but without the numbers; bodies may be nullable."""
        waiting = [(node, False) for node in nodes]
        seen = set(waiting)
        while waiting:
            node, ended = waiting.pop()
            if node in self.starts and not at_start:
                continue
            for step in self._steps(node, ended):
                if step not in seen:
                    seen.add(step)
                    waiting.append(step)
        taken = {node for node, ended in seen if node in self.consumes and not ended}
        accepted = {-1 if ended else node for node, ended in seen if node == self.accepting}
        return frozenset(taken | accepted)

    def next_nodes(self, group: int) -> dict[int, int]:
        """Return the node after each node that takes the characters of a group."""
        character = self.groups.samples[group]
        return {node: after for node, (ranges, after) in self.consumes.items() if _has(ranges, character)}


class Groups:
    """Groups of characters that no set of the pattern distinguishes."""

    def __init__(self, starts: list[int], of_start: list[int], samples: list[int]) -> None:
        self.starts = starts
        self.of_start = of_start
        self.samples = samples


def _groups(sets: set[Ranges]) -> Groups:
    starts = sorted(
        {0} | {bound for ranges in sets for low, high in ranges for bound in (low, high + 1) if bound <= LAST}
    )
    ordered = sorted(sets)
    signatures: dict[tuple[bool, ...], int] = {}
    of_start, samples = [], []
    for start in starts:
        signature = tuple(_has(ranges, start) for ranges in ordered)
        if signature not in signatures:
            signatures[signature] = len(signatures)
            samples.append(start)
        of_start.append(signatures[signature])
    return Groups(starts, of_start, samples)


def _has(ranges: Ranges, character: int) -> bool:
    index = bisect_right(ranges, (character, 0x110000)) - 1
    return index >= 0 and ranges[index][0] <= character <= ranges[index][1]
