"""Collect the violations in a body, to report them together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import quote

from jobpipe.domain.errors import InvalidRequest, Refusal, Violation

MAX_VIOLATIONS = 20
"""The most violations that are reported; the next request reports others."""

# A hundred refusals must fit in a row of 400 KB, each with at least its first violation; so must a job's refusal,
# with its command.
_LONGEST_POINTER = 1024
_MOST_BYTES = 2000  # of the violations of one refusal

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

    def has_at(self, pointer: str) -> bool:
        """Return whether there is a violation at a place."""
        return any(each.pointer == pointer for each in self._found)

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


def fit_in_row(refusal: Refusal, fallback: str = "#") -> Refusal:
    """Return the refusal with as many of its violations as a row can hold.

    A pointer that is too long is replaced by `fallback`.
    """
    fitting: list[Violation] = []
    size = 0
    for each in refusal.violations:
        shortened = each if len(each.pointer) <= _LONGEST_POINTER else Violation(each.detail, fallback)
        size += len((shortened.pointer + shortened.detail).encode(errors="surrogatepass"))
        if fitting and size > _MOST_BYTES:
            break
        fitting.append(shortened)
    refusal.violations = tuple(fitting)
    return refusal
