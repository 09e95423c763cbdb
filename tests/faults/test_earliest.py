"""A process that is gone before a call leaves what it leaves if it is gone after the call before."""

from __future__ import annotations

import pytest

from tests.faults.schedules.call_sites import Site
from tests.faults.schedules.kinds import Fault, Kind, Point, earliest
from tests.faults.schedules.schedule import Runner

READ, WRITE = (Site("a.py", "f", each) for each in ("dynamodb.get_item", "dynamodb.put_item"))


def test_the_earliest_of_the_faults_with_the_same_effect_is_found() -> None:
    points = [
        Point(1, WRITE, "api"),
        Point(2, READ, "worker"),
        Point(3, READ, "worker", follows=True),
        Point(4, WRITE, "worker", follows=True),
        Point(5, READ, "worker", follows=True),
        Point(6, READ, "worker", follows=True),
        Point(7, WRITE, "worker"),
    ]
    gone = [earliest(Fault(point.number, Kind.GONE_BEFORE), points) for point in points]
    before, after = Kind.GONE_BEFORE, Kind.GONE_AFTER
    found = [(1, before), (2, before), (2, before), (2, before), (4, after), (4, after), (7, before)]
    assert gone == [Fault(*each) for each in found]
    others = [Fault(point.number, kind) for point in points for kind in point.kinds if kind is not before]
    assert [earliest(fault, points) for fault in others] == others


@pytest.mark.parametrize(
    "name",
    ["put", "creates_of_two_items", "cancel_before_the_commit", "give_another_token_while_the_job_ends"],
)
def test_faults_with_the_same_effect_are_followed_by_the_same_calls(running: Runner, name: str) -> None:
    points, tried = running.points(name), 0
    for point in points:
        fault = Fault(point.number, Kind.GONE_BEFORE)
        first = earliest(fault, points)
        if Kind.GONE_BEFORE in point.kinds and first != fault:
            run, equal = running.run(name, [fault]), running.run(name, [first])
            calls = [each.site for each in run.points if not first.call < each.number <= fault.call]
            reads = [each.site for each in points[first.call : fault.call - 1]]
            assert calls == [each.site for each in equal.points]
            assert all(Kind.GONE_AFTER not in Point(1, site, point.process).kinds for site in reads)
            assert (run.clean, run.failure) == (equal.clean, equal.failure)
            tried += 1
    assert tried


def test_a_call_after_a_post_to_a_receiver_is_tried(running: Runner) -> None:
    """The calls on both sides of a post are not alike: after it, the receiver has been notified."""
    points = running.points("tell_of_a_created_item")
    after_posts = [point for point in points if point.site.function == "DynamoDbDeliveries._replace.update"]
    faults = list(running.singles("tell_of_a_created_item"))
    assert after_posts
    assert all(Fault(point.number, Kind.GONE_BEFORE) in faults for point in after_posts)
