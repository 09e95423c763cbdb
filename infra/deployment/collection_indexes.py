"""Prepares the indexes of collections during a deployment: the locks and index entries that look-ups need.

The index on a field is `ready` if every document has its lock or index entry. A deployment takes three steps:

1. Before anything is changed, it refuses rules that existing documents cannot satisfy (`check`).
2. After the foundation and before the worker, it writes the row of a new collection, and removes fields that no
   longer exist or have another kind from the rows of other collections (`prepare`). The old API then refuses
   look-ups by these fields, since the new worker no longer writes what they need.
3. After both Lambdas, it adds the new fields (`complete`).

The indexes of a new collection are ready at once: its row is written before the first worker that knows the
collection, so every worker that writes its documents takes the locks of all fields.

A new field of an older collection is ready only if no document was written by a worker that did not know the field.
So the deployment looks for documents only after the last command of the old worker has ended, which is at most the
worker's timeout after the update. Until then an old worker may commit a document without the lock, or remove a lock
that the new worker has taken. If there is a document, nobody can tell which worker wrote it: the field is
`building`, and `make reindex` completes it.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.cli.progress import Progress
from infra.errors import OperatorError
from infra.stacks.changes import Change, StackDiff
from infra.stage.collection_rows import BUILDING, READY, CollectionRow, CollectionRows, LookUpRules
from infra.targets.target import Target
from jobpipe.stores.stage.dynamodb_index_states import CACHED_FOR

AWS_SECONDS = 60
"""For how long after an update AWS may still start an invocation with the old code."""
_REMEDY = "copy its documents to a collection of another name, or delete them first"


@dataclass(frozen=True)
class RulesChange:
    """A collection whose declared rules differ from the rules in its row."""

    name: str
    before: CollectionRow | None
    rules: LookUpRules

    @property
    def is_new(self) -> bool:
        return self.before is None

    @property
    def removed(self) -> list[str]:
        """The fields that the collection no longer has, or has with another kind."""
        return _fields_missing_in(self.rules, self._before)

    @property
    def added(self) -> list[str]:
        """The fields that the collection did not have, or had with another kind."""
        return _fields_missing_in(self._before, self.rules)

    @property
    def problem(self) -> str | None:
        """Why existing documents cannot satisfy the new rules, or None if they can."""
        if self.before is None:
            return None
        old, new = self.before.rules, self.rules
        if old.key != new.key:
            return f"its key cannot change from {old.key or 'none'} to {new.key or 'none'}: ids derive from it"
        if old.access != new.access:
            return f'its access cannot change from "{old.access}" to "{new.access}"'
        for name in old.types.keys() & new.types.keys():
            if old.types[name] != new.types[name]:
                return f"the type of {name} cannot change from {old.types[name]} to {new.types[name]}"
        return None

    @property
    def _before(self) -> LookUpRules:
        return self.before.rules if self.before else self.rules.without({*self.rules.look_ups})


def _fields_missing_in(rules: LookUpRules, others: LookUpRules) -> list[str]:
    present = rules.look_ups
    return [name for name, kind in others.look_ups.items() if present.get(name) != kind]


def find_changes(declared: Mapping[str, LookUpRules], rows: Mapping[str, CollectionRow]) -> list[RulesChange]:
    """Return the collections whose declared rules differ from the rules in their rows."""
    pairs = ((name, rows.get(name), rules) for name, rules in declared.items())
    return [RulesChange(*each) for each in pairs if each[1] is None or each[1].rules != each[2]]


@dataclass
class CollectionIndexes:
    """Carries out the steps in the rows of one stage."""

    target: Target
    declared: Mapping[str, LookUpRules]
    progress: Progress
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def check(self, outputs: Mapping[str, str]) -> None:
        """Raise OperatorError with a line for each collection whose documents cannot satisfy the new rules."""
        rows = self._rows(outputs)
        if rows is not None:
            self._refuse(rows, find_changes(self.declared, rows.all()))

    def prepare(self, outputs: Mapping[str, str]) -> None:
        """Write what must be recorded before a worker of the new release runs."""
        rows = self._rows(outputs)
        if rows is None:
            return
        found = find_changes(self.declared, rows.all())
        self._refuse(rows, found)  # a foundation that was just imported had no outputs to check before
        dropped = False
        for change in found:
            before = change.before
            if before is None:
                self._add(rows, change)
            elif change.removed:
                removed = {*change.removed}
                kept = {name: state for name, state in before.states.items() if name not in removed}
                rows.put(change.name, before, before.rules.without(removed), kept, before.changed_at)
                dropped = True
                self.progress.say(
                    f"collection {change.name}: look-ups by {', '.join(change.removed)} are removed"
                    f" (`make reindex COLLECTION={change.name}` deletes what was stored for them)"
                )

        if dropped:  # the old API may have cached that the removed indexes are ready
            self.sleep(CACHED_FOR)

    def complete(self, outputs: Mapping[str, str]) -> None:
        """Record the new rules, which both Lambdas follow now."""
        rows = self._rows(outputs)
        if rows is None:
            return
        found = find_changes(self.declared, rows.all())
        empty = {each.name for each in found if not rows.has_documents(each.name, self._access(each))}
        if any(each.added for each in found if each.name in empty):
            self._wait_for_old_worker(outputs)
        for change in found:
            is_empty = change.name in empty and not rows.has_documents(change.name, self._access(change))
            if change.problem and not is_empty:
                self.progress.marked(
                    f"collection {change.name}: documents were created while its rules changed, and do not"
                    " satisfy the new rules: delete them",
                    "bold red",
                )
            states = dict(change.before.states) if change.before else {}
            states |= dict.fromkeys(change.added, READY if is_empty else BUILDING)
            rows.put(change.name, change.before, change.rules, states)
        for name, row in rows.all().items():
            if row.building and name in self.declared:
                self.progress.marked(building_line(name, row.building), "yellow")

    def diff(self, outputs: Mapping[str, str]) -> StackDiff | None:
        """Return what a deployment would change, or None if it would change nothing."""
        rows = self._rows(outputs)
        stored = rows.all() if rows else {}
        found = [line for each in find_changes(self.declared, stored) for line in self._lines(each, rows)]
        return StackDiff("collections", tuple(found)) if found else None

    def _rows(self, outputs: Mapping[str, str]) -> CollectionRows | None:
        """Return the stage's rows, or None if there is no table yet or no collection is declared."""
        table = outputs.get("CollectionsTable")
        return CollectionRows(self.target.client("dynamodb"), table) if table and self.declared else None

    def _refuse(self, rows: CollectionRows, found: list[RulesChange]) -> None:
        problems = [
            f"collection {each.name}: {each.problem}; it has documents: {_REMEDY}"
            for each in found
            if each.problem and rows.has_documents(each.name, self._access(each))
        ]
        if problems:
            raise OperatorError("\n".join(problems))

    def _add(self, rows: CollectionRows, change: RulesChange) -> None:
        """Write the row of a new collection, before the first worker that knows it."""
        if rows.has_documents(change.name, change.rules.access):  # its row was removed by hand
            rows.put(change.name, None, change.rules.without({*change.rules.look_ups}), {})
        else:
            rows.put(change.name, None, change.rules, dict.fromkeys(change.rules.look_ups, READY))

    def _access(self, change: RulesChange) -> str:
        """Return "own" if existing documents may be in the partitions of owners, else "shared"."""
        accesses = {change.rules.access, *([change.before.rules.access] if change.before else [])}
        return "own" if "own" in accesses else "shared"

    def _wait_for_old_worker(self, outputs: Mapping[str, str]) -> None:
        seconds = settling_seconds(self.target.client("lambda"), outputs["WorkerFunction"], self.target.is_emulator)
        self.progress.say(f"waiting {seconds:.0f} s until all commands of the old worker have ended")
        self.sleep(seconds)

    def _lines(self, change: RulesChange, rows: CollectionRows | None) -> Iterator[Change]:
        empty = rows is None or not rows.has_documents(change.name, self._access(change))
        if change.is_new:
            yield Change("add", "collection", change.name)
        elif change.problem and not empty:
            yield Change("REFUSED", "collection", change.name, (change.problem,))
            return
        elif change.problem:
            yield Change("change", "collection", change.name)
        for name in change.removed:
            yield Change("remove", "look-up", f"{change.name} by {name}")
        for name in change.added:
            yield Change(READY if empty else BUILDING, "look-up", f"{change.name} by {name}")


def settling_seconds(lambdas: Any, worker: str, is_emulator: bool) -> float:
    """Return for how many seconds after an update the old worker may still commit."""
    timeout = float(lambdas.get_function_configuration(FunctionName=worker)["Timeout"])
    return timeout if is_emulator else timeout + AWS_SECONDS


def building_line(collection: str, fields: list[str]) -> str:
    """Return a line that says how to complete the look-ups that are being built."""
    return (
        f"collection {collection}: the look-up by {', '.join(fields)} is being built:"
        f" `make reindex COLLECTION={collection}` completes it"
    )
