"""Every AWS call of the product is reached by a scenario; test_faults_in_*.py try the faults at each."""

from __future__ import annotations

import importlib
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

from tests.faults.scenarios import SCENARIOS, shop_further, sized_groups
from tests.faults.scenarios.parts import scenarios_in
from tests.faults.schedules.call_sites import HiddenCall, Site, call_sites, sites_in
from tests.faults.schedules.crash_points import AT_EVERY_CALL
from tests.faults.schedules.kinds import ACKNOWLEDGE, OFTEN, Fault, Kind, Point, earliest
from tests.faults.schedules.schedule import Runner, steps_of


def _files() -> dict[str, list[str]]:
    """Return the scenarios of each file test_faults_in_*.py."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("test_faults_in_*.py")):
        module = importlib.import_module(f"tests.faults.{path.stem}")
        if hasattr(module, "test_faults"):
            (mark,) = module.test_faults.pytestmark
            found[path.stem] = list(mark.args[1])
    return found


def test_every_call_site_is_covered(running: Runner) -> None:
    """A new AWS call fails here until a scenario reaches it: then every fault is tried at it."""
    reached = {point.site for names in _files().values() for name in names for point in running.points(name)}
    sites = call_sites()
    assert not sites - reached, "\n".join(["no scenario reaches", *map(str, sorted(sites - reached))])
    assert not reached - sites - {ACKNOWLEDGE}, "calls were made that are not found in the source"


@pytest.mark.parametrize("site", sorted(call_sites()), ids=str)
def test_every_call_can_fail_before_and_after_its_effect_and_by_a_crash(site: Site) -> None:
    assert {Kind.BROKEN, Kind.LOST, Kind.GONE_BEFORE, Kind.OVERTAKEN} <= set(Point(1, site, "worker").kinds)


def test_every_scenario_is_in_exactly_one_file() -> None:
    further = [
        *scenarios_in(shop_further),
        *chain.from_iterable(sized_groups.NAMES.values()),
    ]  # for `make faults` only
    tried = Counter(name for names in _files().values() for name in names)
    assert tried + Counter(further) == Counter(list(SCENARIOS))


def test_the_scenarios_with_faults_at_every_call_exist() -> None:
    assert set(SCENARIOS) >= AT_EVERY_CALL


@pytest.mark.parametrize("names", _files().values(), ids=_files())
def test_every_kind_of_fault_is_tried_at_every_call_site_of_a_file(running: Runner, names: list[str]) -> None:
    possible, tried, at_sites = set(), set(), set()
    for n, name in enumerate(names):
        points = running.points(name)
        at_new_sites = set(running.at_new_sites(name, names[:n]))
        faults = set(running.essentials(name, names[:n], at_every_call=name in AT_EVERY_CALL))
        steps = zip(points, steps_of(points), strict=True)
        for (point, step), kind in ((each, kind) for each in steps for kind in each[0].kinds):
            fault = earliest(Fault(point.number, kind), points)
            places: set[object] = {(point.site, point.process, kind)}
            if kind in OFTEN:
                places |= {(step, kind)}
                places |= {(name, fault)} if name in AT_EVERY_CALL else set()
            possible |= places
            tried |= places if fault in faults else set()
            at_sites |= {(point.site, kind)} if fault in at_new_sites else set()
        assert at_new_sites <= faults <= set(running.singles(name))
    assert tried == possible
    each = (point for name in names for point in running.points(name))
    assert at_sites == {(point.site, kind) for point in each for kind in point.kinds}


def test_a_step_is_a_call_with_the_one_before() -> None:
    one, two = (Site("a.py", "f", each) for each in ("sqs.send_message", "s3.put_object"))
    points = [Point(1, one, "api"), Point(2, two, "worker"), Point(3, one, "worker"), Point(4, two, "worker")]
    places = [(point.site, point.process) for point in points]
    assert [step.site for step in steps_of(points)] == places
    assert [step.before for step in steps_of(points)] == [None, *places[:-1]]
    assert len(set(steps_of(points))) == 4


def test_calls_are_found_in_the_source() -> None:
    source = """
class Store:
    def put(self):
        def write():
            self._clients.dynamodb.put_item()
        write()
    def keys(self):
        return [page for page in self._clients.s3.get_paginator("list_objects_v2").paginate()]
"""
    assert sites_in(source, "store.py") == {
        Site("store.py", "Store.put.write", "dynamodb.put_item"),
        Site("store.py", "Store.keys", "s3.list_objects_v2"),
    }


@pytest.mark.parametrize(
    "source",
    [
        "client = clients.dynamodb\nclient.put_item()",
        "call(clients.sqs.send_message)",
        "clients.s3.get_paginator(name).paginate()",
        "getattr(clients.s3, name)()",
    ],
)
def test_hidden_calls_are_refused(source: str) -> None:
    with pytest.raises(HiddenCall):
        sites_in(source, "store.py")
