"""Advisories that do not concern us: each with the reason, and the day from which it counts again."""

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from infra.errors import OperatorError

_MEMBERS = {"id": str, "package": str, "reason": str, "until": date}


@dataclass(frozen=True)
class Ignored:
    """One entry of ignored.toml."""

    id: str
    package: str
    reason: str
    until: date  # the last day


def read_ignored(path: Path) -> list[Ignored]:
    """The entries; OperatorError if one lacks its reason or its day."""
    try:
        document = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise OperatorError(f"{path.name}: {error}") from None
    if set(document) - {"advisory"}:
        raise OperatorError(f"{path.name}: only [[advisory]] entries are known")
    return [_entry(each, path) for each in document.get("advisory", [])]


def _entry(members: dict[str, object], path: Path) -> Ignored:
    wrong = [name for name, kind in _MEMBERS.items() if type(members.get(name)) is not kind or not members[name]]
    unknown = set(members) - set(_MEMBERS)
    if wrong or unknown:
        names = ", ".join(sorted({*wrong, *unknown}))
        raise OperatorError(f"{path.name}: an advisory needs id, package, reason and until (a date); see {names}")
    return Ignored(**members)  # type: ignore[arg-type]  # just checked
