"""P1, P2 and P3: under load, each accepted command takes effect once, and the commands of an item in order."""

from __future__ import annotations

from scripts.prove.bench import Bench
from scripts.prove.checks.updates import (
    not_ended,
    not_succeeded,
    outcomes,
    send_updates,
    slowest,
    wrong_finals,
    wrong_results,
)
from scripts.prove.findings import Finding, judge, unfinished


def run(bench: Bench) -> list[Finding]:
    """Send interleaved updates of several items by several threads, as single commands and in batches."""
    size, before = bench.plan.size, bench.shared.tally.throttled
    sender = send_updates(bench, bench.create(size.items), size.updates, size.threads)
    updates, finals = outcomes(bench, sender)
    throttled = bench.shared.tally.throttled - before
    done = (
        f"sent {len(updates)} updates of {size.items} items by {size.threads} threads, {sender.batches} times "
        "several in a batch; the k-th update of an item sets a member of its own"
    )
    if waiting := not_ended(updates):
        return [unfinished("accepted commands end", "P1", done, f"{len(waiting)} had not ended: {waiting[0]}")]
    bench.slowest = slowest(updates)
    return [
        judge(
            "accepted commands end",
            "P1",
            done,
            f"all {len(updates)} jobs succeeded; {throttled} requests got a 429 and were sent again",
            not_succeeded(updates),
        ),
        judge(
            "the commands of an item take effect in the order of their 202",
            "P3",
            done,
            "the result of each k-th job had exactly the members of the first k updates",
            wrong_results(updates),
        ),
        judge(
            "a command takes effect once",
            "P2",
            "read each item after its jobs had ended",
            "each item was as its last update had left it, with the same version",
            wrong_finals(updates, finals),
        ),
    ]
