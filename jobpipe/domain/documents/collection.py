"""Collections: the kinds of documents that a stage has, and the rules of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobpipe.domain.documents import item_rules
from jobpipe.domain.documents.item_ref import ITEMS
from jobpipe.domain.documents.item_rules import Document
from jobpipe.domain.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Collection:
    """A kind of document; the subclasses have its rules."""

    name: str
    title: str  # singular, for texts
    key: str | None = None  # the immutable field from which the id derives
    unique: tuple[str, ...] = ()  # fields of which no two documents share a value
    indexes: tuple[str, ...] = ()  # fields by which documents can be listed
    own: bool = False  # whether callers see only what they created
    types: Mapping[str, str] = field(default_factory=dict)  # of key, unique and indexed fields: string or integer
    operations: tuple[str, ...] = ()  # besides create, read, update, delete and upsert

    def scope(self, owner: str) -> str:
        """Return the scope of this caller's documents."""
        return owner if self.own else ""

    @property
    def look_ups(self) -> tuple[str, ...]:
        """Return the fields by which documents can be found."""
        return ()

    def check_new(self, document: Any) -> Document:
        """Return the document; raise InvalidRequest if it cannot be created."""
        raise NotImplementedError

    def check_fields(self, fields: Any) -> Document:
        """Return the fields of a PUT; raise InvalidRequest if no document can have them."""
        raise NotImplementedError

    def check_patch(self, patch: Any) -> Document:
        """Return the merge patch; raise InvalidRequest if it cannot be applied to any document."""
        raise NotImplementedError

    def check_changed(self, old: Document, new: Any) -> Document:
        """Return the document after a change; raise InvalidRequest if it must not be stored."""
        raise NotImplementedError

    def check_members(self, operation: str, members: Document) -> None:
        """Raise InvalidRequest if the operation does not exist or does not take these members."""
        raise NotImplementedError

    def run(self, operation: str, document: Document, members: Document, at: str) -> Any:
        """Return what the user's function returns; raise OperationRefused if it refuses."""
        raise NotImplementedError

    def derived_id(self, document: Document, scope: str) -> str | None:  # noqa: ARG002
        """Return the id that derives from a valid document's key, or None if the collection has no key."""
        return None

    def key_of(self, name: str, value: Any, scope: str) -> str:
        """Return the value key for this value of a field; raise InvalidRequest if the field cannot have it."""
        raise NotImplementedError

    def locks(self, document: Document, scope: str) -> dict[str, str]:  # noqa: ARG002
        """Return the value keys of the document's unique fields."""
        return {}

    def entries(self, document: Document, scope: str) -> dict[str, str]:  # noqa: ARG002
        """Return the value keys of the document's indexed fields."""
        return {}


class _Items(Collection):
    """The built-in collection, whose documents have a unique name and a description."""

    __slots__ = ()

    def check_new(self, document: Any) -> Document:
        return item_rules.check_new_document(document)

    def check_fields(self, fields: Any) -> Document:
        return item_rules.check_fields_to_set(fields)

    def check_patch(self, patch: Any) -> Document:
        return item_rules.check_merge_patch(patch)

    def check_changed(self, old: Document, new: Any) -> Document:  # noqa: ARG002  # each change was checked before
        return new  # type: ignore[no-any-return]

    def check_members(self, operation: str, members: Document) -> None:  # noqa: ARG002
        raise InvalidRequest("Items have no operations.", pointer="#/operation")


ITEM_COLLECTION: Collection = _Items(ITEMS, "Item", unique=("name",))


class Registry:
    """The collections of a release by name; `items` is always among them."""

    def __init__(self, declared: Mapping[str, Collection] | None = None) -> None:
        self._by_name: dict[str, Collection] = {ITEMS: ITEM_COLLECTION, **(declared or {})}

    def get(self, name: str) -> Collection | None:
        """Return the collection, or None if this release does not have it."""
        return self._by_name.get(name)

    def __iter__(self) -> Iterator[Collection]:
        return iter(self._by_name.values())

    @property
    def names(self) -> list[str]:
        """Return all names, `items` first."""
        return list(self._by_name)


ONLY_ITEMS = Registry()
"""The registry of a release to which no collections were added."""
