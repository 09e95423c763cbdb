"""P5: of several simultaneous requests for a name, exactly one gets it."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.prove.bench import Bench
from scripts.prove.callers import Caller, Json, new_key
from scripts.prove.findings import Finding, judge, unfinished


def run(bench: Bench) -> list[Finding]:
    """Let two owners create items with the same name at the same time."""
    item = {"name": f"{bench.name} one name", "description": "made by make prove"}
    command = {"operation": "create", "item": item}
    callers = [(bench.writer, bench.other)[n % 2] for n in range(bench.plan.size.races)]
    jobs = bench.parallel([lambda each=each: _create(bench, each, command) for each in callers], len(callers))  # type: ignore[misc]
    ended = [bench.wait_for([job], caller)[0] for job, caller in zip(jobs, callers, strict=True)]
    done = f"two owners created {len(jobs)} items with the same name at the same time"
    if not all(job["done"] for job in ended):
        return [unfinished("no two items have the same name", "P5", done, "not all jobs had ended")]
    seen = f"one succeeded, {len(jobs) - 1} failed as name-taken"
    return [judge("no two items have the same name", "P5", done, seen, shared_names(ended))]


def _create(bench: Bench, caller: Caller, command: Json) -> Json:
    """Create an item. All items are deleted with the first owner's key, since callers share items."""
    key = new_key()
    bench.items.expect(caller, command, key)
    job = caller.submit(command, key, at_once=True)
    bench.items.note(key, str(job["item_id"]))
    return job


def shared_names(jobs: Sequence[Json]) -> list[str]:
    """Return what is wrong with the ended creates of a name."""
    succeeded = [job for job in jobs if job["status"] == "succeeded"]
    wrong = [] if len(succeeded) == 1 else [f"{len(succeeded)} creates of the name succeeded"]
    for job in jobs:
        slug = str((job.get("error") or {}).get("type", "")).rpartition(":")[2]
        if job["status"] != "succeeded" and slug != "name-taken":
            wrong.append(f"a create failed as {slug or job['status']}, not as name-taken")
    return wrong
