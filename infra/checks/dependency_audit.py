"""What is known against the versions in the lock files, by pip-audit, which installs nothing for it.

Its exit status tells three things apart: 0, nothing is known; 1, something is (or an operator's error), whatever
else was not answered; 3, nothing is, but there is no answer about every version. pip-audit itself passes over what
the service does not know.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.checks.advisories import Ignored, read_ignored
from infra.cli.command_line import run
from infra.cli.reasons import on_screen
from infra.environments.locked_requirements import Locked, read_locked
from infra.errors import OperatorError
from infra.settings import ROOT, tool_environment

LOCKS = (
    "requirements-dev.lock",  # Chalice's runtime, which goes into the zips, is of this one
    "api_lambda/requirements.txt",
    "worker_lambda/requirements.txt",
    "infra/emulator/requirements.lock",
    "infra/checks/requirements.lock",
    "tests/bench/requirements.lock",
    "tests/browser/requirements.lock",
    "tests/clients/requirements.lock",
)
IGNORED = ROOT / "infra" / "checks" / "ignored.toml"
PIP_AUDIT = ROOT / ".jobpipe" / "checks-venv" / "bin" / "pip-audit"
VULNERABLE = 1
NO_ANSWER = 3


class NoAnswerError(Exception):
    """The service did not say what is known."""


_Report = dict[tuple[str, str], list[dict[str, Any]]]  # the advisories of each version that the service knows


@dataclass(frozen=True)
class Finding:
    """An advisory that concerns a version of ours."""

    package: str
    version: str
    ids: frozenset[str]  # the advisory's own, and those under which others know it
    fixed_in: str

    def is_ignored(self, ignored: Ignored, today: date) -> bool:
        """Whether this entry covers it today."""
        return ignored.package == self.package and ignored.id in self.ids and today <= ignored.until


def audit(pip_audit: Sequence[str], locks: dict[str, list[Locked]], ignored: list[Ignored], today: date) -> int:
    """Prints what is known and not ignored, then of what there is no answer; the exit status."""
    pins = {(each.name, each.version): each for lock in locks.values() for each in lock}
    findings: list[Finding] = []
    silent: list[Locked] = []
    why = "the service does not know"
    for group in _groups(pins.values()):
        try:
            report = _ask(pip_audit, group)
        except NoAnswerError as error:
            silent += group
            why = f"{error}; asked about"
        else:
            findings += _findings(report, group)
            silent += [pin for pin in group if (pin.name, pin.version) not in report]
    open_ones = [each for each in findings if not any(each.is_ignored(entry, today) for entry in ignored)]
    for each in open_ones:
        where = ", ".join(name for name, lock in locks.items() if _has(lock, each))
        print(f"{each.package} {each.version}: {' '.join(sorted(each.ids))}; {each.fixed_in}; in {where}")
    for entry in ignored:
        if not silent and not any(each.is_ignored(entry, entry.until) for each in findings):
            print(f"{IGNORED.name}: {entry.id} of {entry.package} concerns nothing any more; take it out")
    hidden = len(findings) - len(open_ones)
    print(f"{len(pins)} versions, {len(open_ones)} advisories{f', {hidden} more ignored' if hidden else ''}")
    if silent:
        more = f" and {len(silent) - 1} more" if silent[1:] else ""
        what = f"{len(silent)} of {len(pins)} versions: {why} {silent[0].name} {silent[0].version}{more}"
        print(f"audit-dependencies: no answer about {what}", file=sys.stderr)
    if open_ones:
        return VULNERABLE
    return NO_ANSWER if silent else 0


def _groups(pins: Iterable[Locked]) -> list[list[Locked]]:
    """Each name once a group: pip-audit takes no two versions of one."""
    groups: list[dict[str, Locked]] = []
    for pin in pins:
        group = next((each for each in groups if pin.name not in each), None)
        if group is None:
            groups.append(group := {})
        group[pin.name] = pin
    return [list(group.values()) for group in groups]


def _ask(pip_audit: Sequence[str], pins: list[Locked]) -> _Report:
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
        said = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise NoAnswerError(on_screen(said)) from None
    return {(each["name"], each["version"]): each["vulns"] for each in report["dependencies"] if "vulns" in each}


def _findings(report: _Report, pins: list[Locked]) -> list[Finding]:
    return [
        Finding(
            pin.name,
            pin.version,
            frozenset([known["id"], *known.get("aliases", [])]),
            f"fixed in {', '.join(known['fix_versions'])}" if known["fix_versions"] else "not fixed yet",
        )
        for pin in pins
        for known in report.get((pin.name, pin.version), [])
    ]


def _has(lock: list[Locked], finding: Finding) -> bool:
    return any((each.name, each.version) == (finding.package, finding.version) for each in lock)


def main() -> int:
    """Audits every lock."""
    if not PIP_AUDIT.exists():
        raise OperatorError("pip-audit is not there; `make audit-dependencies` installs it")
    locks = {name: read_locked(ROOT / name) for name in LOCKS}
    return audit([str(PIP_AUDIT)], locks, read_ignored(IGNORED), datetime.now(UTC).date())


if __name__ == "__main__":
    sys.exit(run("audit-dependencies", main))
