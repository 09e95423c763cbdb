"""Writes sample_items.jsonl, the commands that the demo sends: a week in an outdoor shop's catalogue.

One command a line:
    label      names the line
    operation  create | update | delete | read
    ref        the item, by an alias that its create introduces; the service assigns the real id
    item_id    instead of ref: an id that never was
    item       of a create: the fields; of an update: `set` (fields to set) or `merge` (a merge patch)
    if_match   "current": the ETag that the last of `after` left; "stale": the one that the create left
    after      labels whose jobs must have ended before this is sent
    expect     the outcome: {"status": "succeeded"}, for a read with the fields that it must show (`result`),
               or {"status": "failed", "problem": <slug>}

Lines of one item are sent in the order of the file, each as soon as the one before it was accepted. Nothing
but `after` orders lines of different items, since different items run in parallel.
"""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

from scripts.demo.sample_catalogue import WAREHOUSES, catalogue, price, stock

SEED = 20_261
PATH = Path(__file__).with_name("sample_items.jsonl")
SUCCEEDED = {"status": "succeeded"}

Line = dict[str, Any]


class Script:
    """The lines of each item, and what its document must be once they have all run."""

    def __init__(self) -> None:
        self.chains: dict[str, list[Line]] = {}
        self.items: dict[str, dict[str, Any]] = {}
        self._labels: set[str] = set()

    def add(
        self, verb: str, ref: str, operation: str, *, expect: Any = None, target: str = "ref", **parts: Any
    ) -> str:
        """Appends a line to the item's chain and returns its label."""
        label = next(
            name
            for name in (f"{verb} {ref}", *(f"{verb} {ref} ({n})" for n in range(2, 99)))
            if name not in self._labels
        )
        self._labels.add(label)
        outcome = {"status": "failed", "problem": expect} if isinstance(expect, str) else expect or SUCCEEDED
        line = {"label": label, "operation": operation, target: ref, **parts, "expect": outcome}
        self.chains.setdefault(ref, []).append(line)
        return label

    def create(self, ref: str, item: dict[str, Any], **parts: Any) -> str:
        self.items[ref] = copy.deepcopy(item)
        return self.add("create", ref, "create", item=item, **parts)

    def set(self, ref: str, fields: dict[str, Any], verb: str = "set", **parts: Any) -> str:
        self.items[ref].update(copy.deepcopy(fields))
        return self.add(verb, ref, "update", set=fields, **parts)

    def merge(self, ref: str, patch: dict[str, Any], verb: str = "merge", **parts: Any) -> str:
        _merge(self.items[ref], patch)
        return self.add(verb, ref, "update", merge=patch, **parts)

    def read(self, ref: str) -> str:
        """A queued read that must show all that the lines before it did."""
        shown = {key: value for key, value in self.items[ref].items() if key != "name"}
        return self.add("read", ref, "read", expect={**SUCCEEDED, "result": copy.deepcopy(shown)})

    def lines(self, rng: random.Random) -> list[Line]:
        """All lines, the items shuffled into each other, none before a line that it comes after."""
        waiting = {ref: list(chain) for ref, chain in self.chains.items()}
        written: set[str] = set()
        merged: list[Line] = []
        while waiting:
            ready = [ref for ref, chain in waiting.items() if written.issuperset(chain[0].get("after", ()))]
            ref = rng.choice(ready)
            line = waiting[ref].pop(0)
            if not waiting[ref]:
                del waiting[ref]
            written.add(line["label"])
            merged.append(line)
        return merged


def make_lines() -> list[Line]:
    """The same lines on every call and every machine."""
    rng = random.Random(SEED)
    items = catalogue(rng)
    refs = list(items)
    rng.shuffle(refs)
    script = Script()
    created = {ref: script.create(ref, items[ref]) for ref in refs}

    gone, renamed, contested, kept = refs[:25], refs[25:33], refs[33:39], refs[39:]
    _everyday_updates(script, kept, rng)
    _renames(script, renamed, created)
    _stale_versions(script, contested, created, rng)
    _deletes(script, gone, created)
    _duplicate_names(script, kept, created)
    _missing_items(script, gone)
    return script.lines(rng)


def _everyday_updates(script: Script, refs: list[str], rng: random.Random) -> None:
    """Prices, stock and texts; every third item is read back, without waiting for the updates before."""
    for n, ref in enumerate(refs[:48]):
        now = script.items[ref]["price"]
        if n % 3 == 0:
            script.set(ref, {"price": price(int(now * 0.9), rng), "sale": {"was": now, "until": "2026-11-30"}})
            script.merge(ref, {"stock": {WAREHOUSES[n % 4]: None, "Lyon": n + 61}}, "restock")
            script.read(ref)
        elif n % 3 == 1:
            script.merge(ref, {"rating": {"count": 400 + n}, "tags": [*script.items[ref]["tags"], "bestseller"]})
        else:
            script.set(
                ref, {"description": f"{script.items[ref]['description']} New for 2027.", "stock": stock(rng)}
            )


def _renames(script: Script, refs: list[str], created: dict[str, str]) -> None:
    """A rename frees the old name for another item; a rename to the same name changes nothing about it."""
    for n, ref in enumerate(refs):
        old = script.items[ref]
        was = old["name"]
        if n < 2:  # noqa: PLR2004
            script.set(ref, {"name": was, "price": round(old["price"] + 1, 2)}, "rename to itself")
            continue
        label = script.set(ref, {"name": f"{was} (2025 model)"}, "rename", after=[created[ref]], if_match="current")
        if n < 5:  # noqa: PLR2004
            script.create(f"{ref}-new", {**old, "name": was, "sku": f"{old['sku']}-B"}, after=[label])


def _stale_versions(script: Script, refs: list[str], created: dict[str, str], rng: random.Random) -> None:
    """Two clerks at one item: the second still has the version from before the first one's change."""
    for n, ref in enumerate(refs):
        now = script.items[ref]["price"]
        first = script.set(
            ref, {"price": price(int(now) + 2, rng)}, "reprice", after=[created[ref]], if_match="current"
        )
        stale: dict[str, Any] = {"expect": "version-mismatch", "after": [created[ref], first], "if_match": "stale"}
        if n % 3 == 0:
            script.add("overwrite", ref, "update", set={"price": now}, **stale)
        elif n % 3 == 1:
            script.add("overwrite", ref, "update", merge={"stock": {"Lyon": 0}}, **stale)
        else:
            script.add("withdraw", ref, "delete", **stale)
        script.read(ref)


def _deletes(script: Script, refs: list[str], created: dict[str, str]) -> None:
    """Withdrawn products, a few of them only if nobody changed them; some names come back as new items."""
    for n, ref in enumerate(refs):
        if n % 5 == 0:
            label = script.add("delete", ref, "delete", after=[created[ref]], if_match="current")
        else:
            label = script.add("delete", ref, "delete")
        if n % 5 == 1:
            item = {**script.items[ref], "description": "Back in the range by popular demand."}
            script.create(f"{ref}-again", item, after=[label])


def _duplicate_names(script: Script, refs: list[str], created: dict[str, str]) -> None:
    """Names of items that keep theirs: taken for good once their create has ended."""
    for n, holder in enumerate(refs[:8]):
        item = {"name": script.items[holder]["name"], "description": "Entered twice.", "price": round(12.95 + n, 2)}
        script.add(
            "create again", f"{holder}-twin", "create", item=item, after=[created[holder]], expect="name-taken"
        )
    for n, holder in enumerate(refs[8:14]):
        other = refs[-1 - n]
        change: dict[str, Any] = {"set" if n % 2 else "merge": {"name": script.items[holder]["name"]}}
        script.add(
            "rename to a taken name", other, "update", **change, after=[created[holder]], expect="name-taken"
        )


def _missing_items(script: Script, gone: list[str]) -> None:
    """Ids that never were, and items after their delete."""
    attempts: list[tuple[str, dict[str, Any]]] = [
        ("update", {"set": {"price": 4.95}}),
        ("delete", {}),
        ("read", {}),
        ("update", {"merge": {"stock": {"Lyon": 1}}}),
    ]
    for n, (operation, parts) in enumerate(attempts):
        script.add(operation, f"no-such-item-{n + 1}", operation, target="item_id", expect="not-found", **parts)
    for n, ref in enumerate(gone[2::4]):
        operation, parts = attempts[n % 3]
        script.add(f"{operation} deleted", ref, operation, expect="not-found", **parts)


def _merge(target: dict[str, Any], patch: dict[str, Any]) -> None:
    """RFC 7396, in place."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            if not isinstance(target.get(key), dict):
                target[key] = {}
            _merge(target[key], value)
        else:
            target[key] = value


def to_text(lines: list[Line]) -> str:
    """The file's contents."""
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


if __name__ == "__main__":
    lines = make_lines()
    PATH.write_text(to_text(lines), encoding="utf-8")
    print(f"{len(lines)} commands in {PATH.name}")
