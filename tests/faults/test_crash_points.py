"""Every AWS call of the product is reached by a scenario; test_faults_in_*.py try the faults at each."""

from __future__ import annotations

import importlib
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

from tests.faults.call_sites import HiddenCall, Site, call_sites, sites_in
from tests.faults.kinds import ACKNOWLEDGE, AT_EVERY_CALL, Kind, Point
from tests.faults.scenarios import SCENARIOS, shop_further, sized_groups
from tests.faults.scenarios.parts import scenarios_in
from tests.faults.schedules import Runner


def _files() -> dict[str, list[str]]:
    """Return the scenarios of each file test_faults_in_*.py."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("test_faults_in_*.py")):
        module = importlib.import_module(f"tests.faults.{path.stem}")
        if hasattr(module, "test_faults_at_every_call"):
            (mark,) = module.test_faults_at_every_call.pytestmark
            found[path.stem] = list(mark.args[1])
    return found


def test_every_call_site_is_covered(running: Runner) -> None:
    """A new AWS call fails here until a scenario reaches it: then every fault is tried at it."""
    reached = {point.site for name in SCENARIOS for point in running.run(name).points}
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


@pytest.mark.parametrize("names", _files().values(), ids=_files())
def test_every_kind_of_fault_is_tried_at_every_call_site_of_a_file(running: Runner, names: list[str]) -> None:
    possible, tried = set(), set()
    for n, name in enumerate(names):
        points = running.run(name).points
        possible |= {(point.site, point.process, kind) for point in points for kind in point.kinds}
        faults = set(running.essentials(name, names[:n]))
        tried |= {(points[fault.call - 1].site, points[fault.call - 1].process, fault.kind) for fault in faults}
        everywhere = {(point.number, kind) for point in points for kind in AT_EVERY_CALL & set(point.kinds)}
        assert everywhere <= {(fault.call, fault.kind) for fault in faults}
    assert tried == possible


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
