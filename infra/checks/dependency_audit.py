"""Asks pip-audit for advisories against the versions in the lock files, without installing them.

The exit status is 1 if there is an advisory (or after an operator's error), 3 if there is none but the advisory
service does not know some versions, which pip-audit itself would ignore, and 0 otherwise.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.cli.command_line import run
from infra.cli.reasons import on_screen
from infra.environments.locked_requirements import Locked, read_locked
from infra.environments.venvs import ENVIRONMENTS
from infra.errors import OperatorError
from infra.settings import ROOT, tool_environment

LOCKS = (
    "requirements.lock",  # it includes Chalice's runtime, which goes into the zips
    "requirements-dev.lock",
    "api_lambda/requirements.txt",
    "worker_lambda/requirements.txt",
    "infra/emulator/requirements.lock",
    "infra/checks/requirements.lock",
    "tests/bench/requirements.lock",
    "tests/browser/requirements.lock",
    "tests/clients/requirements.lock",
)
IGNORED = ROOT / "infra" / "checks" / "ignored.toml"
VULNERABLE = 1
NO_ANSWER = 3


@dataclass(frozen=True)
class Ignored:
    """An advisory that is ignored, from ignored.toml."""

    id: str
    package: str
    reason: str
    until: date  # the last day


@dataclass(frozen=True)
class Finding:
    """An advisory against a locked version."""

    package: str
    version: str
    ids: frozenset[str]  # the advisory's own id and its aliases
    fixed_in: str

    def is_ignored(self, ignored: Ignored, today: date) -> bool:
        return ignored.package == self.package and ignored.id in self.ids and today <= ignored.until


class NoAnswerError(Exception):
    """The advisory service did not respond."""


def read_ignored(path: Path) -> list[Ignored]:
    """Return the entries of the file; raise OperatorError if one lacks its reason or its last day."""
    try:
        document = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise OperatorError(f"{path.name}: {error}") from None
    if set(document) - {"advisory"}:
        raise OperatorError(f"{path.name}: only [[advisory]] entries are known")
    return [_ignored(each, path) for each in document.get("advisory", [])]


def _ignored(members: dict[str, Any], path: Path) -> Ignored:
    given = {name: type(value) for name, value in members.items() if value}
    wrong = {name for name, _ in given.items() ^ {"id": str, "package": str, "reason": str, "until": date}.items()}
    if wrong:
        names = ", ".join(sorted(wrong))
        raise OperatorError(f"{path.name}: an advisory needs id, package, reason and until (a date); see {names}")
    return Ignored(**members)


@dataclass
class _Answers:
    """What the advisory service says about the pins of all locks."""

    findings: list[Finding] = field(default_factory=list)
    unanswered: list[Locked] = field(default_factory=list)
    cause: str = "the service does not know"


def audit(pip_audit: Sequence[str], locks: dict[str, list[Locked]], ignored: Sequence[Ignored], today: date) -> int:
    """Print the advisories that are not ignored and the unknown versions; return the exit status."""
    pins = {(each.name, each.version): each for lock in locks.values() for each in lock}
    answers = _ask_about(pip_audit, pins.values())
    open_findings = [each for each in answers.findings if not any(each.is_ignored(one, today) for one in ignored)]
    for each in open_findings:
        locked_in = ", ".join(name for name, lock in locks.items() if _has(lock, each))
        print(f"{each.package} {each.version}: {' '.join(sorted(each.ids))}; {each.fixed_in}; in {locked_in}")
    for entry in ignored:
        if not answers.unanswered and not any(each.is_ignored(entry, entry.until) for each in answers.findings):
            print(f"{IGNORED.name}: {entry.id} of {entry.package} no longer applies; remove the entry")
    hidden = len(answers.findings) - len(open_findings)
    print(f"{len(pins)} versions, {len(open_findings)} advisories{f', {hidden} more ignored' if hidden else ''}")
    if answers.unanswered:
        first, *others = answers.unanswered
        which = f"{first.name} {first.version}{f' and {len(others)} more' if others else ''}"
        counts = f"{len(answers.unanswered)} of {len(pins)} versions"
        print(f"audit-dependencies: no answer about {counts}: {answers.cause} {which}", file=sys.stderr)
    if open_findings:
        return VULNERABLE
    return NO_ANSWER if answers.unanswered else 0


def _ask_about(pip_audit: Sequence[str], pins: Collection[Locked]) -> _Answers:
    answers = _Answers()
    for group in _without_repeated_names(pins):
        try:
            report = _ask(pip_audit, group)
        except NoAnswerError as error:
            answers.unanswered += group
            answers.cause = f"{error}; asked about"
        else:
            answers.findings += _findings(report, group)
            answers.unanswered += [pin for pin in group if (pin.name, pin.version) not in report]
    return answers


def _without_repeated_names(pins: Collection[Locked]) -> list[list[Locked]]:
    """Divide the pins into groups that contain each name once, since pip-audit accepts one version of a name."""
    groups: list[dict[str, Locked]] = []
    for pin in pins:
        group = next((each for each in groups if pin.name not in each), None)
        if group is None:
            groups.append(group := {})
        group[pin.name] = pin
    return [list(group.values()) for group in groups]


def _ask(pip_audit: Sequence[str], pins: list[Locked]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the advisories about each version that the service knows."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "requirements.txt"
        path.write_text("".join(f"{pin.line}\n" for pin in pins))
        options = ["--require-hashes", "--disable-pip", "--progress-spinner=off", "--format=json", "--desc=off"]
        done = subprocess.run(
            [*pip_audit, *options, "--requirement", str(path)],
            env=tool_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        output = done.stderr.strip().splitlines() or ["no output"]
        raise NoAnswerError(on_screen(output[-1])) from None
    return {(each["name"], each["version"]): each["vulns"] for each in report["dependencies"] if "vulns" in each}


def _findings(report: dict[tuple[str, str], list[dict[str, Any]]], pins: list[Locked]) -> list[Finding]:
    return [
        Finding(
            pin.name,
            pin.version,
            frozenset([advisory["id"], *advisory.get("aliases", [])]),
            f"fixed in {', '.join(advisory['fix_versions'])}" if advisory["fix_versions"] else "not fixed yet",
        )
        for pin in pins
        for advisory in report.get((pin.name, pin.version), [])
    ]


def _has(lock: list[Locked], finding: Finding) -> bool:
    return any((each.name, each.version) == (finding.package, finding.version) for each in lock)


def main() -> int:
    """Audit every lock."""
    pip_audit = ENVIRONMENTS["checks"].folder / "bin" / "pip-audit"
    if not pip_audit.exists():
        raise OperatorError("pip-audit is missing; `make audit-dependencies` installs it")
    locks = {name: read_locked(ROOT / name) for name in LOCKS}
    return audit([str(pip_audit)], locks, read_ignored(IGNORED), datetime.now(UTC).date())


if __name__ == "__main__":
    sys.exit(run("audit-dependencies", main))
