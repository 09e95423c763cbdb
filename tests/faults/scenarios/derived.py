"""Scenarios of any collections, derived from their schemas: `make faults COLLECTIONS=folder`.

For each collection: every command that it has, and each operation where it applies and where it refuses, on
documents that are generated from its schema (infra/collections/documents.py), always the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from infra.collections.documents import documents, examples
from jobpipe.domain import json_text
from jobpipe.domain.documents.declared_collection import DeclaredCollection
from jobpipe.domain.documents.field_values import canonical
from jobpipe.domain.errors import Refusal
from tests.faults.histories.history import SentCommand
from tests.faults.scenarios.parts import Action, Scenario, ask, existing_in, put_in, shows
from tests.faults.stage.shelves import all_declared
from tests.faults.stage.world import World

_DOCUMENTS, _MEMBERS = 40, 10
Document = dict[str, Any]


@dataclass
class Derived:
    """The scenarios of one collection, and what could not be tried."""

    scenarios: dict[str, Scenario] = field(default_factory=dict)
    untried: list[str] = field(default_factory=list)


def derive() -> Derived:
    """Return the scenarios of all collections of this process; their names begin with the collection's."""
    found = Derived()
    for collection in all_declared():
        _Deriving(collection, found).add_all()
    return found


@dataclass
class _Deriving:
    collection: DeclaredCollection
    found: Derived

    def add_all(self) -> None:
        contract = self.collection.code.contract()
        self.samples: list[Document] = examples(
            documents(contract["schema"], self.collection.code.schema()), _DOCUMENTS
        )
        self.samples = [each for each in self.samples if self._fits(each)]
        if not self.samples:
            self.found.untried.append(f"{self.collection.name}: no document was found that its schema accepts")
            return
        for name, make in self._commands():
            self._add(name, make)
        for operation, described in contract["operations"].items():
            self._add_operation(operation, described)

    def _add(self, name: str, make: Scenario) -> None:
        self.found.scenarios[f"{self.collection.name}:{name}"] = make

    def _fits(self, document: Document) -> bool:
        with suppress(Refusal):
            self.collection.check_new(_copy(document))
            return True
        return False

    def _commands(self) -> Iterator[tuple[str, Scenario]]:
        name = self.collection.name
        first = self.samples[-1]  # the largest
        yield "create", lambda world: lambda: _run(lambda: put_in(world, name, first))
        yield "create-without-key", lambda world: lambda: _run(lambda: put_in(world, name, first, key=None))
        yield "delete", self._after(first, lambda world, stored: ask(world, "delete", stored))
        yield "read", self._after(first, lambda world, stored: ask(world, "read", stored))
        changes = self._changes(first)
        if changes:
            yield "set", self._after(first, lambda world, stored: self._change(world, stored, "set", changes))
        patch = {field: None for field in first if self._fits(_without(first, field))} or changes
        if patch:
            yield "merge", self._after(first, lambda world, stored: self._change(world, stored, "merge", patch))
        if self.collection.key is not None:
            yield "create-that-exists", self._after(first, lambda world, _: put_in(world, name, first))
            yield "upsert-new", lambda world: lambda: _run(lambda: put_in(world, name, first, operation="upsert"))
            other = {**first, **changes}
            yield "upsert", self._after(first, lambda world, _: put_in(world, name, other, operation="upsert"))
            yield "upsert-between-deletes", self._after(first, self._upserts)
        for unique in self.collection.unique:
            pair = self._pair(unique)
            if pair is None:
                self.found.untried.append(f"{name}: no two documents were found that share only {unique}")
            else:
                yield f"taken-{unique}", self._after(pair[0], self._create_of(pair[1]))
        yield "look-ups", self._after(first, lambda world, stored: self._look_ups(world, stored, first))

    def _after(self, document: Document, then: Callable[[World, SentCommand], object]) -> Scenario:
        """Return the scenario of what is done to a stored document."""

        def scenario(world: World) -> Action:
            stored = existing_in(world, self.collection.name, document)
            return lambda: _run(lambda: then(world, stored))

        return scenario

    def _create_of(self, document: Document) -> Callable[[World, SentCommand], object]:
        return lambda world, _: put_in(world, self.collection.name, document)

    def _change(self, world: World, stored: SentCommand, operation: str, changes: Document) -> None:
        command = SentCommand(operation, changes, stored.item_id, collection=self.collection.name)
        world.ask(command, key=f"{operation}-key")

    def _upserts(self, world: World, stored: SentCommand) -> None:
        for n in range(2):
            ask(world, "delete", stored)
            command = SentCommand("upsert", stored.body, collection=self.collection.name)
            world.ask(command, key=f"upsert-{n}")

    def _look_ups(self, world: World, stored: SentCommand, document: Document) -> None:
        collection = self.collection
        answers = [
            world.insist("GET", f"/{collection.name}/{stored.item_id}"),
            world.insist("GET", f"/{collection.name}"),
        ]
        for name in (*((collection.key,) if collection.key else ()), *collection.unique, *collection.indexes):
            text = canonical(document.get(name), collection.types[name])
            if text is not None:
                query = f"{quote(name, safe='')}={quote(text.partition('#')[2], safe='')}"
                answers.append(world.insist("GET", f"/{collection.name}?{query}"))
        for answer in answers:
            assert answer.status == 200, answer.text
            assert shows(world, answer, stored.item_id), "a look-up does not find the document"

    def _changes(self, document: Document) -> Document:
        """Return fields of another document that the first can have, or nothing."""
        for other in reversed(self.samples):
            changes = {
                name: value
                for name, value in other.items()
                if name != self.collection.key and document.get(name) != value
            }
            if changes and self._fits({**document, **changes}):
                return changes
        return {}

    def _pair(self, unique: str) -> tuple[Document, Document] | None:
        """Return two documents with the same value of the field, and with different keys."""
        key = self.collection.key
        for one in reversed(self.samples):
            for other in self.samples:
                shared = {**other, unique: one.get(unique)}
                if one.get(unique) is not None and (key is None or one[key] != other[key]) and self._fits(shared):
                    return one, shared
        return None

    def _add_operation(self, name: str, described: Any) -> None:
        schema = {
            "type": "object",
            "properties": {**described["takes"], **described["optional"]},
            "required": list(described["takes"]),
            "additionalProperties": False,
        }
        members = examples(documents(schema, self.collection.code.members()[name]), _MEMBERS)
        applied: tuple[Document, Document] | None = None
        refused: tuple[Document, Document] | None = None
        for document in reversed(self.samples):
            for each in members:
                applies = self._applies(name, document, each)
                applied = applied or ((document, each) if applies else None)
                refused = refused or (None if applies else (document, each))
        for what, case in (("", applied), ("-refused", refused)):
            if case is not None:
                self._add(f"{name}{what}", self._operation_scenario(name, *case))
        if applied is None:
            self.found.untried.append(f"{self.collection.name}: no document was found to which {name} applies")

    def _operation_scenario(self, name: str, document: Document, members: Document) -> Scenario:
        def run(world: World, stored: SentCommand) -> None:
            command = SentCommand(name, members, stored.item_id, collection=self.collection.name)
            world.ask(command, key="operation-key")

        return self._after(document, run)

    def _applies(self, name: str, document: Document, members: Document) -> bool:
        exact = json_text.decode_with_decimals(json_text.encode(document))
        given = json_text.decode_with_decimals(json_text.encode(members))
        with suppress(Refusal):
            answer = self.collection.run(name, exact, given, "2026-11-22T12:00:00.000Z")
            changed = answer[0] if isinstance(answer, tuple) else answer
            self.collection.check_changed(_copy(document), json_text.decode(json_text.encode(changed)))
            return True
        return False


def _run(step: Callable[[], object]) -> None:
    step()


def _copy(document: Document) -> Document:
    copied: Document = json_text.decode(json_text.encode(document))
    return copied


def _without(document: Document, name: str) -> Document:
    return {each: value for each, value in document.items() if each != name}
