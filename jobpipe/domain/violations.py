"""Collect the violations in a body, to report them together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import quote

from jobpipe.domain.errors import InvalidRequest, Violation

MAX_VIOLATIONS = 20
"""The most violations that are reported; the next request reports others."""

T = TypeVar("T")

Path = tuple["Path", str | int] | None
"""The path to a part of a body, the last step first."""

_LONGEST_STEP = 80  # characters of a name; the rest is cut off


def pointer(path: Path) -> str:
    """Return the path as a JSON Pointer in its URI fragment form (RFC 6901, section 6)."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        name = str(step)[:_LONGEST_STEP].replace("~", "~0").replace("/", "~1")
        steps.append(quote(name, safe="~", errors="replace"))
    return "/".join(["#", *reversed(steps)])


class Violations:
    """Collects violations; `check` refuses the body if there are any."""

    def __init__(self) -> None:
        self._found: list[Violation] = []

    def __contains__(self, violation: Violation) -> bool:
        return violation in self._found

    @property
    def full(self) -> bool:
        """Return whether further violations would be dropped."""
        return len(self._found) >= MAX_VIOLATIONS

    def add(self, detail: str, pointer: str = "#") -> None:
        """Add a violation, unless there are MAX_VIOLATIONS."""
        if not self.full:
            self._found.append(Violation(detail, pointer))

    def add_all(self, refusal: InvalidRequest) -> None:
        """Add the violations of another check."""
        for each in refusal.violations or (Violation(refusal.detail, "#"),):
            self.add(each.detail, each.pointer)

    def collect(self, check: Callable[..., T], *arguments: Any) -> T:
        """Return the result of the check. If it refuses, add its violations; the result must not be used then."""
        try:
            return check(*arguments)
        except InvalidRequest as refusal:
            self.add_all(refusal)
            return cast("T", None)

    def refusal(self) -> InvalidRequest:
        """Return an InvalidRequest with all violations, of which there must be at least one."""
        return InvalidRequest.of(self._found)

    def check(self) -> None:
        """Raise InvalidRequest with all violations, if there are any."""
        if self._found:
            raise self.refusal()
