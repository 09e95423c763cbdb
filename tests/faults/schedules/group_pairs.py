"""Pairs of faults in batches of one, two and ten messages: a selection, since there are too many to run them all.

A place is a kind of fault at a call site. For each two places of which one follows the other, there is one pair, or
one for each kind of batch, which is its size and whether it is of one document. The seed selects the scenario and
the calls. A random sample of all pairs is added.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.faults.scenarios.sized_groups import NAMES
from tests.faults.schedules.kinds import Place
from tests.faults.schedules.pairs import Found, Pair, Task
from tests.faults.schedules.processes import process_runner

BATCHES = {name: batch for batch, names in NAMES.items() for name in names}
"""The kind of batch of each scenario."""


@dataclass(frozen=True)
class Firsts:
    """The first faults."""

    every: list[Task]
    one_of_each_place: list[Task]  # of each scenario


def first_faults(seed: int) -> Firsts:
    """Return the first faults of the scenarios; the seed selects the one of each place."""
    runner = process_runner()
    every: list[Task] = []
    selected: list[Task] = []
    for name in BATCHES:
        points = runner.points(name)
        tasks = [Task(name, fault, seed) for fault in runner.singles(name)]
        in_random_order = random.Random(f"{seed} {name}").sample(tasks, len(tasks))
        by_place = {points[task.first.call - 1].place(task.first.kind): task for task in in_random_order}
        every += tasks
        selected += by_place.values()
    return Firsts(every, selected)


def one_of_each_two_places(found: Iterable[Found], seed: int, *, each_batch: bool) -> list[Pair]:
    """Return one of these pairs for each two places, or for each kind of batch and each two places."""
    by_places: dict[tuple[str, Place, Place], list[Pair]] = {}
    for each in found:
        for places, pair in each.pairs.items():
            batch = BATCHES[pair.scenario] if each_batch else ""
            by_places.setdefault((batch, *places), []).append(pair)
    chance = random.Random(seed)
    return [chance.choice(sorted(pairs, key=str)) for _, pairs in sorted(by_places.items(), key=str)]


def random_pairs(firsts: Firsts, number: int, seed: int) -> list[Task]:
    """Return so many tasks, each of which runs one pair at random."""
    chance = random.Random(seed)
    return [replace(chance.choice(firsts.every), most=1, seed=chance.getrandbits(32)) for _ in range(number)]
