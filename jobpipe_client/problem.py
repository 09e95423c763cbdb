"""The service's problem documents (RFC 9457)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

PREFIX = "urn:jobpipe:problem:"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request was refused or a job failed."""

    type: str  # a stable URN, or about:blank if the response was not a problem document
    title: str  # the same for every problem of this type
    status: int  # an HTTP status, even for the problem of a job
    detail: str  # what is particular to this occurrence
    request_id: str | None = None  # identifies the request in the service's logs
    errors: tuple[Mapping[str, Any], ...] = ()  # one {"pointer", "detail"} for each invalid field
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # the document as received

    @property
    def slug(self) -> str | None:
        """The last part of the type, such as `name-taken`, or None if the type is not a jobpipe type."""
        return self.type.removeprefix(PREFIX) if self.type.startswith(PREFIX) else None

    @classmethod
    def of(cls, document: object, *, status: int, title: str = "") -> Problem:
        """Return the problem in a response body of any form, with `status` and `title` as the defaults."""
        raw = document if isinstance(document, dict) else {}
        # A proxy, or an unconfigured gateway, responds with {"message": ...} or plain text.
        detail = raw.get("detail") or raw.get("message") or (document if isinstance(document, str) else "")
        declared = raw.get("status")
        errors = raw.get("errors")
        return cls(
            type=str(raw.get("type") or "about:blank"),
            title=str(raw.get("title") or title or f"HTTP {status}"),
            status=declared if isinstance(declared, int) else status,
            detail=str(detail)[:500],
            request_id=str(raw["request_id"]) if raw.get("request_id") else None,
            errors=tuple(e for e in errors if isinstance(e, dict)) if isinstance(errors, list) else (),
            raw=raw,
        )

    def of_commands(self, count: int) -> list[Problem] | None:
        """Return the problem of each command of a refused batch, or None unless every command has an error."""
        errors_by_place: dict[int, list[Mapping[str, Any]]] = {}
        for error in self.errors:
            match = re.match(r"#/commands/(\d+)(/|$)", str(error.get("pointer")))
            if match:
                errors_by_place.setdefault(int(match[1]), []).append(error)
        if errors_by_place.keys() != set(range(count)):
            return None
        return [self._with_errors(errors_by_place[place]) for place in range(count)]

    def _with_errors(self, errors: Sequence[Mapping[str, Any]]) -> Problem:
        return replace(self, detail=str(errors[0].get("detail") or self.detail), errors=tuple(errors))

    def __str__(self) -> str:
        fields = "; ".join(f"{e.get('pointer', '?')}: {e.get('detail', '?')}" for e in self.errors)
        existing = self.raw.get("existing")
        hint = f" Its id is {existing}." if isinstance(existing, str) else ""
        return f"{self.status} {self.slug or self.title}: {fields or self.detail or self.title}{hint}"
