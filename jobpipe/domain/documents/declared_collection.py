"""A collection that a folder declares: its schema and its operations, compiled when the Lambdas were packaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Context, localcontext
from typing import Any, Protocol, cast

from jobpipe.domain.documents.collection import Collection
from jobpipe.domain.documents.field_values import canonical, derived_id, value_key
from jobpipe.domain.documents.item_rules import Document, check_tree
from jobpipe.domain.errors import InvalidRequest, OperationRefused, Violation
from jobpipe.domain.json_text import MAX_DIGITS
from jobpipe.domain.violations import Path, Violations, pointer
from jobpipe.operation import Refused

_MAX_DETAIL = 1000  # characters of a refusal by an operation

Add = Callable[[str, tuple[str | int, ...]], None]
"""A function that takes the detail of a violation and its path in the document."""
Check = Callable[[Any, Add], None]
"""A compiled schema: a function that adds each violation of a value."""


class Code(Protocol):
    """The compiled modules of a collection, each loaded when it is first used."""

    def schema(self) -> Check:
        """Return the check of documents."""

    def members(self) -> Mapping[str, Check]:
        """Return the checks of the operations' members, by operation."""

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Return the operations' functions, by operation."""

    def contract(self) -> Mapping[str, Any]:
        """Return the `schema` as it was written, and the `operations` with their members."""


@dataclass(frozen=True, slots=True)
class DeclaredCollection(Collection):
    """A collection that a folder declares."""

    code: Code = field(kw_only=True, repr=False, compare=False)

    @property
    def look_ups(self) -> tuple[str, ...]:
        """Return the fields by which documents can be found: the key, the unique and the indexed ones."""
        return (*((self.key,) if self.key else ()), *self.unique, *self.indexes)

    def check_new(self, document: Any) -> Document:
        """Return the document; raise InvalidRequest with up to 20 violations."""
        found = Violations()
        self._check_object(document, "document", found)
        # The schema is checked only if the document is not too deep, since its checks recurse.
        self.code.schema()(document, _adder(found))
        self._check_values(document, found)
        found.check()
        return cast("Document", document)

    def check_fields(self, fields: Any) -> Document:
        """Return the fields of a PUT; the schema is checked when the document is known."""
        found = Violations()
        self._check_object(fields, "fields to set", found)
        if not fields:
            found.add("At least one field to set is needed.")
        found.check()
        return cast("Document", fields)

    def check_patch(self, patch: Any) -> Document:
        """Return the merge patch; the schema is checked when the document is known."""
        found = Violations()
        self._check_object(patch, "merge patch", found)
        return cast("Document", patch)

    def check_changed(self, old: Document, new: Any) -> Document:
        """Return the document after a change; the key's field must keep its value."""
        found = Violations()
        if self.key is not None and isinstance(new, dict):
            try:
                same = self._canonical(old, self.key) == self._canonical(new, self.key)
            except InvalidRequest:
                same = False
            if not same:
                found.add(f"The {self.key} cannot be changed: the id derives from it.", pointer((None, self.key)))
        document = found.collect(self.check_new, new)
        found.check()
        return document

    def check_members(self, operation: str, members: Document) -> None:
        """Raise InvalidRequest if there is no such operation, or if it does not take these members."""
        if operation not in self.operations:
            known = ", ".join(self.operations) or "none"
            raise InvalidRequest(
                f"The collection {self.name} has no operation {operation!r}; it has {known}.", pointer="#/operation"
            )
        found = Violations()
        check_tree(members, found)
        found.check()
        self.code.members()[operation](members, _adder(found))
        found.check()

    def run(self, operation: str, document: Document, members: Document, at: str) -> Any:
        """Return what the function returns for the document; raise OperationRefused if it refuses."""
        try:
            function = self.code.functions()[operation]
            # Python's default context would round numbers to 28 digits, and documents can hold more. Each run has a
            # new context, since a function may change it.
            with localcontext(Context(prec=MAX_DIGITS)):
                return function(document, members, at)
        except Refused as refused:
            # The detail may be any text, and a row must be able to hold it.
            detail = refused.detail[:_MAX_DETAIL].encode("utf-8", "replace").decode()
            raise OperationRefused(detail, self.name, refused.slug) from None
        except Exception:
            raise
        except BaseException as error:  # such as SystemExit, which would end the commands that run beside this one
            raise RuntimeError(f"the operation {operation} raised {type(error).__name__}") from error

    def derived_id(self, document: Document, scope: str) -> str | None:
        """Return the id that derives from a valid document's key, or None if the collection has no key."""
        if self.key is None:
            return None
        text = self._canonical(document, self.key)
        return None if text is None else derived_id(self.name, scope, text)

    def locks(self, document: Document, scope: str) -> dict[str, str]:
        """Return the value keys of the document's unique fields; a missing value has no key."""
        return self._keys(self.unique, document, scope)

    def entries(self, document: Document, scope: str) -> dict[str, str]:
        """Return the value keys of the document's indexed fields; a missing value has no key."""
        return self._keys(self.indexes, document, scope)

    def key_of(self, name: str, value: Any, scope: str) -> str:
        """Return the value key for this value of a field; raise InvalidRequest if the field cannot have it."""
        text = canonical(value, self.types[name])
        if text is None:
            raise InvalidRequest("The value must not be null.")
        return value_key(self.name, scope, name, text)

    def _keys(self, names: tuple[str, ...], document: Document, scope: str) -> dict[str, str]:
        texts = {name: self._canonical(document, name) for name in names}
        return {name: value_key(self.name, scope, name, text) for name, text in texts.items() if text is not None}

    def _canonical(self, document: Document, name: str) -> str | None:
        return canonical(document.get(name), self.types[name])

    def _check_object(self, value: Any, what: str, found: Violations) -> None:
        """Check the rules for every body of the collection; raise InvalidRequest if the body violates one."""
        if not isinstance(value, dict):
            raise InvalidRequest(f"The {what} must be a JSON object.")
        if "id" in value:
            found.add("The id is assigned by the service and must not be in the body.", "#/id")
        check_tree(value, found)
        found.check()

    def _check_values(self, document: Document, found: Violations) -> None:
        for name in self.look_ups:
            at = pointer((None, name))
            if found.has_at(at):
                continue  # the schema has reported a violation there
            try:
                text = self._canonical(document, name)
            except InvalidRequest as refusal:
                found.add(refusal.detail, at)
            else:
                if text is None and name == self.key:
                    found.add(f"The document needs {name}, from which its id derives.", at)


def _adder(found: Violations) -> Add:
    def add(detail: str, path: tuple[str | int, ...]) -> None:
        steps: Path = None
        for step in path:
            steps = (steps, step)
        at = pointer(steps)
        # Another rule may have reported the same violation.
        if Violation(detail, at) not in found:
            found.add(detail, at)

    return add
