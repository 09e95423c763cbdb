"""Reads the requirements files that `make lock` writes: one version and the hashes of its files on each line."""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from infra.errors import OperatorError

_HASH = re.compile(r"\s--hash=sha256:([0-9a-f]{64})(?=\s|$)")


@dataclass(frozen=True)
class Locked:
    """A distribution in one version."""

    name: str  # normalised
    version: str
    hashes: frozenset[str]  # SHA-256 of its wheels and of its source archive

    @property
    def line(self) -> str:
        """The line of a requirements file, without a marker for platforms."""
        return f"{self.name}=={self.version} {' '.join(f'--hash=sha256:{each}' for each in sorted(self.hashes))}"


def read_locked(path: Path) -> list[Locked]:
    """Return every distribution of the file; raise OperatorError if one lacks an exact version or a hash."""
    text = path.read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    return [_locked(line, path) for line in lines if line and not line.startswith("#")]


def _locked(line: str, path: Path) -> Locked:
    hashes = frozenset(_HASH.findall(line))
    try:
        requirement = Requirement(_HASH.sub("", line))
    except InvalidRequirement:
        raise OperatorError(f"{path.name}: {line[:80]!r} is not a requirement with hashes (make lock)") from None
    versions = [each.version for each in requirement.specifier if each.operator == "=="]
    exact = len(requirement.specifier) == len(versions) == 1 and "*" not in versions[0] and not requirement.url
    if not exact or not hashes:
        raise OperatorError(f"{path.name}: {requirement.name} lacks an exact version or a hash (make lock)")
    return Locked(canonicalize_name(requirement.name), versions[0], hashes)
