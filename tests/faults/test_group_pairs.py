"""The selection of pairs of faults in groups leaves out no two places."""

from __future__ import annotations

from tests.faults.schedules.call_sites import Site
from tests.faults.schedules.group_pairs import BATCHES, one_of_each_two_places
from tests.faults.schedules.kinds import Fault, Kind, Place
from tests.faults.schedules.pairs import Found, Pair
from tests.faults.schedules.processes import Report

KINDS = (Kind.LOST, Kind.BROKEN, Kind.OVERTAKEN)
REPORT = Report(possible=1, run=1, unclean=0, failures=[])


def found(scenario: str, first: Kind) -> Found:
    """Return a pair for each second kind."""
    site = Site("store.py", "put", "s3.put_object")
    return Found(
        REPORT,
        {
            (Place(site, "worker", first), Place(site, "worker", second)): Pair(
                scenario, (Fault(1, first), Fault(2, second))
            )
            for second in KINDS
        },
    )


EVERY = [found(scenario, first) for scenario in BATCHES for first in KINDS]


def kinds(pairs: list[Pair]) -> list[tuple[Kind, Kind]]:
    return sorted((pair.faults[0].kind, pair.faults[1].kind) for pair in pairs)


def test_each_two_places_have_one_pair() -> None:
    selected = one_of_each_two_places(EVERY, 0, each_batch=False)
    assert kinds(selected) == sorted((first, second) for first in KINDS for second in KINDS)
    assert selected == one_of_each_two_places(reversed(EVERY), 0, each_batch=False), "processes end in any order"
    assert selected != one_of_each_two_places(EVERY, 1, each_batch=False)


def test_each_two_places_have_one_pair_for_each_kind_of_batch() -> None:
    selected = one_of_each_two_places(EVERY, 0, each_batch=True)
    assert len(selected) == len(set(BATCHES.values())) * len(KINDS) ** 2
    for batch in set(BATCHES.values()):
        assert len(set(kinds([pair for pair in selected if BATCHES[pair.scenario] == batch]))) == len(KINDS) ** 2
