"""Problem documents (RFC 9457) as the service writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

PREFIX = "urn:jobpipe:problem:"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request was refused or a job failed."""

    type: str  # stable URN, or about:blank when the answer was not a problem document
    title: str  # the same for every problem of this type
    status: int  # an HTTP status, also for the problem of a job
    detail: str  # of this occurrence
    request_id: str | None = None  # names the request in the service's logs
    errors: tuple[Mapping[str, Any], ...] = ()  # one {"pointer", "detail"} per offending field
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # as received

    @property
    def slug(self) -> str | None:
        """The last part of the type, such as `name-taken`; None for a type that is not jobpipe's."""
        return self.type.removeprefix(PREFIX) if self.type.startswith(PREFIX) else None

    @classmethod
    def of(cls, document: object, *, status: int, title: str = "") -> Problem:
        """Return the problem in an answer of any form; `status` and `title` stand in for what it lacks."""
        raw = document if isinstance(document, dict) else {}
        # A proxy, or a gateway that was never configured, answers with {"message": ...} or plain text.
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
        """Return the problem of each command of a refused batch, or None unless all of them have an error."""
        found: dict[int, list[Mapping[str, Any]]] = {}
        for error in self.errors:
            named = re.match(r"#/commands/(\d+)(/|$)", str(error.get("pointer")))
            if named:
                found.setdefault(int(named[1]), []).append(error)
        if found.keys() != set(range(count)):
            return None
        return [self._of_errors(found[place]) for place in range(count)]

    def _of_errors(self, errors: Sequence[Mapping[str, Any]]) -> Problem:
        return replace(self, detail=str(errors[0].get("detail") or self.detail), errors=tuple(errors))

    def __str__(self) -> str:
        fields = "; ".join(f"{e.get('pointer', '?')}: {e.get('detail', '?')}" for e in self.errors)
        existing = self.raw.get("existing")
        other = f" Its id is {existing}." if isinstance(existing, str) else ""
        return f"{self.status} {self.slug or self.title}: {fields or self.detail or self.title}{other}"
