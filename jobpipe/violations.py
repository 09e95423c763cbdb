"""What is wrong with one body, told at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import quote

from jobpipe.errors import InvalidRequest, Violation

MAX_VIOLATIONS = 20
"""So many are told; who has more to mend learns of the others by the next request."""

T = TypeVar("T")

Path = tuple["Path", str | int] | None
"""The way to a part of a body, the last step first."""

_LONGEST_STEP = 80  # characters of a name; what is cut is found by what stands before it


def pointer(path: Path) -> str:
    """The path as a JSON Pointer in its URI fragment form (RFC 6901, section 6)."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        name = str(step)[:_LONGEST_STEP].replace("~", "~0").replace("/", "~1")
        steps.append(quote(name, safe="~", errors="replace"))
    return "/".join(["#", *reversed(steps)])


class Violations:
    """Collects what is found; `check` refuses the body if there was anything."""

    def __init__(self) -> None:
        self._found: list[Violation] = []

    @property
    def full(self) -> bool:
        """Whether more would not be told."""
        return len(self._found) >= MAX_VIOLATIONS

    def add(self, detail: str, pointer: str = "#") -> None:
        """One more, unless it is full."""
        if not self.full:
            self._found.append(Violation(detail, pointer))

    def add_all(self, refusal: InvalidRequest) -> None:
        """What another check has found."""
        for each in refusal.violations or (Violation(refusal.detail, "#"),):
            self.add(each.detail, each.pointer)

    def of(self, check: Callable[..., T], *arguments: Any) -> T:
        """What the check returns. If it refuses, that is kept, and there is nothing to be used before `check`."""
        try:
            return check(*arguments)
        except InvalidRequest as refusal:
            self.add_all(refusal)
            return cast("T", None)

    def refusal(self) -> InvalidRequest:
        """With all that was found, of which there is something."""
        return InvalidRequest.of(self._found)

    def check(self) -> None:
        """InvalidRequest with all that was found, if there is anything."""
        if self._found:
            raise self.refusal()
